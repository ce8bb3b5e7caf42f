# SPDX-License-Identifier: GPL-3.0-or-later
"""Mien's runner: the command line. Exit codes are listed in inference/errors.py."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from fractions import Fraction
from pathlib import Path

import numpy as np

from inference import __version__
from inference.benchmark import measure, peak_memory
from inference.capture import capture_to_take, capture_to_track, solve_again
from inference.errors import (
    INTERNAL_ERROR,
    INTERRUPTED,
    TERMINATED,
    RunnerError,
    Terminated,
    UsageError,
)
from inference.events import Events, JsonEvents, end_with_parent, terminate_cleanly
from inference.footage import FrameRange, open_footage
from inference.head import mean_at_rest, read_poses, write_head
from inference.inspect import describe_take, in_words
from inference.landmarks import find_landmarks, pictures_of, write_landmarks
from inference.network import PROVIDERS, Network
from inference.output import check_writable
from inference.solve import Quality, Settings

STRONGEST_SMOOTHING = 10.0

SHORTEST_LENS, LONGEST_LENS = 8.0, 2000.0
"""Millimetres: beyond, nobody films faces."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = build_parser().parse_args(arguments)
    wants_json_events = getattr(options, "json_events", False)
    events = JsonEvents() if wants_json_events else Events()
    terminate_cleanly()
    if wants_json_events:
        end_with_parent()
    try:
        options.run(options, events)
    except RunnerError as error:
        events.error(str(error), error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        events.error("Interrupted.", INTERRUPTED)
        return INTERRUPTED
    except Terminated:
        events.error("Ended from outside.", TERMINATED)
        return TERMINATED
    except BrokenPipeError:
        return TERMINATED
    except Exception as error:
        traceback.print_exc()
        events.error(f"An error in Mien itself: {error!r}.", INTERNAL_ERROR)
        return INTERNAL_ERROR
    finally:
        events.close()
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inference",
        description="From footage of a face to a Mien take.",
        epilog="exit codes: 0 done; 1 an error in Mien; 2 wrong command line; 3 the input cannot be"
        " read; 4 no face in it; 5 network or device missing; 6 the output cannot be written;"
        " 130 interrupted; 143 ended from outside",
    )
    parser.add_argument("--version", action="version", version=f"mien {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_capture(commands)
    _add_solve(commands)
    _add_landmarks(commands)
    _add_track(commands)
    _add_inspect(commands)
    _add_head(commands)
    _add_benchmark(commands)
    return parser


def _add_capture(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "capture", help="footage to a take", description="Capture a face and write a take."
    )
    command.add_argument(
        "input", type=Path, help="a video, a picture, or a folder of numbered pictures"
    )
    command.add_argument("-o", "--output", type=Path, required=True, help="the take to write")
    command.add_argument(
        "--frames",
        type=_frame_range,
        default=FrameRange(),
        metavar="A:B",
        help="only frames A up to, not including, B; the first is 0",
    )
    command.add_argument(
        "--fps",
        type=_frame_rate,
        metavar="N",
        help="frames a second of a folder of pictures, 30 unless given; 30000/1001 is understood",
    )
    command.add_argument(
        "--face",
        type=_place,
        metavar="X,Y",
        help="pixel of the wanted face in the first frame; the largest and most central else",
    )
    _add_settings(command)
    _add_device(command)
    command.add_argument(
        "--json-events",
        action="store_true",
        help="report as JSON lines on stdout, and end when standard input is closed",
    )
    command.set_defaults(run=run_capture)


def _add_solve(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "solve",
        help="a take solved again, with other settings",
        description="Solve what a take has stored of its footage again; the network is not needed.",
    )
    command.add_argument("take", type=Path)
    command.add_argument("-o", "--output", type=Path, required=True, help="the take to write")
    command.add_argument(
        "--frames",
        type=_frame_range,
        metavar="A:B",
        help="only frames A up to, not including, B of the footage; all that the take has else",
    )
    _add_settings(command)
    command.set_defaults(run=run_solve)


def _add_settings(command: argparse.ArgumentParser) -> None:
    default = Settings()
    command.add_argument(
        "--quality",
        type=Quality,
        choices=list(Quality),
        default=default.quality,
        metavar="live|take",
        help="take (default) smooths over the whole clip, without lag; live looks only back",
    )
    command.add_argument(
        "--smoothing",
        type=_strength,
        default=default.smoothing,
        metavar="S",
        help="how strongly a take is smoothed: 1 unless given, 0 not at all",
    )
    command.add_argument(
        "--neutral",
        type=int,
        metavar="FRAME",
        help="a frame in which the face is at rest; found from the clip unless given",
    )
    command.add_argument(
        "--lens",
        type=_millimetres,
        metavar="MM",
        help="focal length as of a 35 mm camera; found from the clip unless given",
    )


def _add_landmarks(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "landmarks",
        help="68 points of faces in pictures",
        description="Find all faces in pictures and write their 68 iBUG points.",
    )
    command.add_argument(
        "inputs",
        type=Path,
        nargs="+",
        metavar="FILES|FOLDER",
        help="pictures; of a folder those in it and below, named relative to it",
    )
    command.add_argument("-o", "--output", type=Path, required=True, help="the JSON to write")
    _add_device(command)
    command.set_defaults(run=run_landmarks)


def _add_track(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "track",
        help="68 points over a clip",
        description="Follow a face and write its smoothed 68 iBUG points for every frame.",
    )
    command.add_argument("clip", type=Path, help="a video, or a folder of numbered pictures")
    command.add_argument("-o", "--output", type=Path, required=True, help="the npz to write")
    _add_device(command)
    command.set_defaults(run=run_track)


def _add_inspect(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "inspect", help="what is in a take", description="Describe a take."
    )
    command.add_argument("take", type=Path)
    command.add_argument("--json", action="store_true", help="as JSON, with all shapes")
    command.set_defaults(run=run_inspect)


def _add_head(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "head",
        help="a person without footage to a take",
        description="Write a take of the mean person at rest, or of a person in given poses.",
    )
    command.add_argument("-o", "--output", type=Path, required=True, help="the take to write")
    command.add_argument(
        "--poses",
        type=Path,
        metavar="FILE.npz",
        help="arrays identity (60,), weights (T, 52) and gaze (T, 2, 2): one frame for each pose",
    )
    command.set_defaults(run=run_head)


def _add_benchmark(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "benchmark",
        help="frames a second on this machine",
        description="Time every stage on a clip enlarged to 512x512.",
    )
    command.add_argument("clip", type=Path)
    command.add_argument(
        "--solve",
        type=_count,
        nargs="+",
        default=[],
        metavar="FRAMES",
        help="time the solve alone on so many frames too, and say how much memory was needed",
    )
    _add_device(command)
    command.set_defaults(run=run_benchmark)


def _add_device(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--device",
        default="auto",
        choices=("auto", *PROVIDERS),
        help="what the network runs on; auto takes the fastest there is",
    )


def _frame_range(text: str) -> FrameRange:
    try:
        return FrameRange.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _frame_rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a frame rate") from error
    if rate <= 0:
        raise argparse.ArgumentTypeError("a frame rate is above 0")
    return rate


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of frames")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error


def _strength(text: str) -> float:
    strength = _number(text)
    if not 0 <= strength <= STRONGEST_SMOOTHING:
        raise argparse.ArgumentTypeError(f"smoothing lies between 0 and {STRONGEST_SMOOTHING}")
    return strength


def _millimetres(text: str) -> float:
    length = _number(text)
    if not SHORTEST_LENS <= length <= LONGEST_LENS:
        raise argparse.ArgumentTypeError(
            f"a lens has {SHORTEST_LENS:g} to {LONGEST_LENS:g} mm, not {text}"
        )
    return length


def _place(text: str) -> np.ndarray:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"a place is written X,Y in pixels, not {text!r}") from (
            error
        )
    return np.array([x, y])


def run_capture(options: argparse.Namespace, events: Events) -> None:
    check_writable(options.output)
    if options.fps and Path(options.input).is_file():
        raise UsageError("--fps is for a folder of pictures; a video brings its own frame rate.")
    footage = open_footage(options.input, options.frames, options.fps)
    network = Network(device=options.device)
    captured = capture_to_take(
        network, footage, options.output, events, options.face, settings_of(options)
    )
    found = captured.performance.found
    events.result(
        f"{options.output}: a face in {found.sum()} of {len(found)} frames",
        take=str(options.output),
        frames=len(found),
        found=int(found.sum()),
    )


def run_solve(options: argparse.Namespace, events: Events) -> None:
    check_writable(options.output)
    performance = solve_again(
        options.take, options.output, settings_of(options), options.frames
    )
    events.result(f"{options.output}: {len(performance.time)} frames")


def settings_of(options: argparse.Namespace) -> Settings:
    """The solve's settings on a command line."""
    return Settings(options.quality, options.smoothing, options.neutral, options.lens)


def run_landmarks(options: argparse.Namespace, events: Events) -> None:
    check_writable(options.output)
    pictures = pictures_of(options.inputs)
    network = Network(device=options.device)
    faces = find_landmarks(
        network,
        pictures,
        lambda done, total: events.progress("landmarks", done, total),
        events.warning,
    )
    write_landmarks(options.output, faces)
    count = sum(len(found) for found in faces.values())
    events.result(f"{options.output}: {count} faces in {len(faces)} pictures")


def run_track(options: argparse.Namespace, events: Events) -> None:
    check_writable(options.output)
    footage = open_footage(options.clip)
    network = Network(device=options.device)
    captured = capture_to_track(network, footage, options.output, events)
    found = captured.performance.found
    events.result(f"{options.output}: a face in {found.sum()} of {len(found)} frames")


def run_inspect(options: argparse.Namespace, events: Events) -> None:
    description = describe_take(options.take)
    events.result(json.dumps(description, indent=1) if options.json else in_words(description))


def run_head(options: argparse.Namespace, events: Events) -> None:
    check_writable(options.output)
    poses = read_poses(options.poses) if options.poses else mean_at_rest()
    write_head(options.output, poses)
    events.result(f"{options.output}: {len(poses.weights)} frames")


def run_benchmark(options: argparse.Namespace, events: Events) -> None:
    rates = measure(Network(device=options.device), options.clip, events, options.solve)
    lines = [f"{stage:<18}{rate:8.1f} frames/s" for stage, rate in rates.items()]
    memory = peak_memory() if options.solve else None
    if memory is not None:
        lines.append(f"{'most memory':<18}{memory:8.0f} MB")
    events.result("\n".join(lines))


if __name__ == "__main__":
    sys.exit(main())
