# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line's commands and options; what they do is in inference/commands.py."""

from __future__ import annotations

import argparse
from fractions import Fraction
from pathlib import Path

import numpy as np

from inference import __version__, commands
from inference.footage import FrameRange
from inference.network import PROVIDERS
from inference.rotation import QUARTER_TURNS
from inference.solve import Quality, Settings

STRONGEST_SMOOTHING = 10.0

SHORTEST_LENS, LONGEST_LENS = 8.0, 2000.0
"""Millimetres: beyond, nobody films faces."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m inference",
        description="From footage of a face to a Mien take.",
        epilog="exit codes: 0 done; 1 an error in Mien; 2 wrong command line; 3 the input cannot be"
        " read; 4 no face in it; 5 a package, the network or the device is missing; 6 the output"
        " cannot be written; 130 interrupted; 143 ended from outside",
    )
    parser.add_argument("--version", action="version", version=f"mien {__version__}")
    parsers = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_capture(parsers)
    _add_preview(parsers)
    _add_solve(parsers)
    _add_landmarks(parsers)
    _add_track(parsers)
    _add_inspect(parsers)
    _add_head(parsers)
    _add_convert(parsers)
    _add_check(parsers)
    _add_benchmark(parsers)
    return parser


def _add_capture(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
        "capture", help="footage to a take", description="Capture a face and write a take."
    )
    _add_footage(command)
    command.add_argument("-o", "--output", type=Path, required=True, help="the take to write")
    command.add_argument(
        "--face",
        type=_place,
        metavar="X,Y",
        help="pixel of the wanted face in the first frame, turned as --rotate asks; the largest and"
        " most central else",
    )
    _add_settings(command)
    _add_device(command)
    _add_json_events(command)
    command.set_defaults(run=commands.run_capture)


def _add_preview(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
        "preview",
        help="the first frame and the faces in it",
        description="Find all faces of the first frame, and write a small picture that shows them.",
    )
    _add_footage(command)
    command.add_argument(
        "--picture", type=Path, required=True, metavar="OUT.png", help="the picture to write"
    )
    _add_device(command)
    _add_json_events(command)
    command.set_defaults(run=commands.run_preview)


def _add_solve(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
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
    _add_json_events(command)
    command.set_defaults(run=commands.run_solve)


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


def _add_landmarks(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
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
    command.set_defaults(run=commands.run_landmarks)


def _add_track(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
        "track",
        help="68 points over a clip",
        description="Follow a face and write its smoothed 68 iBUG points for every frame.",
    )
    _add_footage(command)
    command.add_argument("-o", "--output", type=Path, required=True, help="the npz to write")
    _add_device(command)
    _add_json_events(command)
    command.set_defaults(run=commands.run_track)


def _add_inspect(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
        "inspect", help="what is in a take", description="Describe a take."
    )
    command.add_argument("take", type=Path)
    command.add_argument("--json", action="store_true", help="as JSON, with all shapes")
    command.set_defaults(run=commands.run_inspect)


def _add_head(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
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
    command.set_defaults(run=commands.run_head)


def _add_convert(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
        "convert",
        help="a recording of Live Link Face to a take, or back",
        description="Write a CSV of Live Link Face as a take of the mean person, or a take as such"
        " a CSV.",
    )
    command.add_argument("input", type=Path, help="the .csv or the .mien.npz to read")
    command.add_argument("output", type=Path, help="the other to write")
    command.add_argument(
        "--fps",
        type=_frame_rate,
        metavar="N",
        help="rows a second of the .csv, where its time codes do not say; 30000/1001 is understood",
    )
    command.add_argument(
        "--mirror", action="store_true", help="exchange left and right of the .csv"
    )
    _add_json_events(command)
    command.set_defaults(run=commands.run_convert)


def _add_check(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
        "check",
        help="whether all of this works here",
        description="Capture a face that is drawn for it, and say what this machine has.",
    )
    command.add_argument("--json", action="store_true", help="the answer as JSON")
    _add_device(command)
    _add_json_events(command)
    command.set_defaults(run=commands.run_check)


def _add_benchmark(parsers: argparse._SubParsersAction) -> None:
    command = parsers.add_parser(
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
    command.set_defaults(run=commands.run_benchmark)


def _add_footage(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "input", type=Path, help="a video, a picture, or a folder of numbered pictures"
    )
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
        "--rotate",
        type=int,
        choices=QUARTER_TURNS,
        default=0,
        help="degrees by which to turn the pictures clockwise, after what the file itself asks for",
    )


def _add_json_events(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--json-events",
        action="store_true",
        help="report as JSON lines on stdout, and end when standard input is closed",
    )


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
