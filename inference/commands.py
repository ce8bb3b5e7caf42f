# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands do, each from its options to its result."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from inference.benchmark import measure, peak_memory
from inference.capture import Captured, capture_to_take, capture_to_track, solve_again
from inference.check import check, in_a_line
from inference.convert import csv_to_take, take_to_csv
from inference.errors import UsageError
from inference.events import Events
from inference.footage import Footage, open_footage
from inference.head import mean_at_rest, read_poses, write_head
from inference.inspect import describe_take, in_words
from inference.landmarks import find_landmarks, pictures_of, write_landmarks
from inference.network import Network
from inference.output import check_writable
from inference.preview import preview
from inference.solve import Settings


def run_capture(options: argparse.Namespace, events: Events) -> None:
    check_writable(options.output)
    footage = footage_of(options)
    network = Network(device=options.device)
    captured = capture_to_take(
        network, footage, options.output, events, options.face, settings_of(options)
    )
    tell_found(events, captured, "take", options.output)


def run_preview(options: argparse.Namespace, events: Events) -> None:
    check_writable(options.picture)
    seen = preview(Network(device=options.device), footage_of(options), options.picture)
    count = len(seen["faces"])
    faces = f"{count} faces" if count != 1 else "1 face"
    events.result(f"{options.picture}: {faces} in {seen['width']}x{seen['height']} pixels", **seen)


def run_convert(options: argparse.Namespace, events: Events) -> None:
    """From a CSV to a take, or the other way; the names' endings say which."""
    ways = {(".csv", ".npz"): "take", (".npz", ".csv"): "csv"}
    to = ways.get((options.input.suffix.lower(), options.output.suffix.lower()))
    if to is None:
        raise UsageError("convert goes from a .csv to a .mien.npz, or from a .mien.npz to a .csv.")
    if to == "csv" and (options.fps or options.mirror):
        raise UsageError("--fps and --mirror are for reading a .csv.")
    check_writable(options.output)
    if to == "take":
        frames, warnings = csv_to_take(options.input, options.output, options.fps, options.mirror)
        for warning in warnings:
            events.warning(warning)
    else:
        frames = take_to_csv(options.input, options.output)
    summary = f"{options.output}: {frames} frames"
    events.result(summary, **{to: str(options.output), "frames": frames})


def run_check(options: argparse.Namespace, events: Events) -> None:
    found = check(options.device)
    events.result(json.dumps(found) if options.json else in_a_line(found), **found)


def run_solve(options: argparse.Namespace, events: Events) -> None:
    check_writable(options.output)
    performance = solve_again(
        options.take, options.output, settings_of(options), events, options.frames
    )
    frames = len(performance.time)
    events.result(f"{options.output}: {frames} frames", take=str(options.output), frames=frames)


def tell_found(events: Events, captured: Captured, what: str, output: Path) -> None:
    """The result of what has followed a face: what was written, and in how many frames one was."""
    found = captured.performance.found
    count = int(found.sum())
    summary = f"{output}: a face in {count} of {len(found)} frames"
    events.result(summary, **{what: str(output), "frames": len(found), "found": count})


def footage_of(options: argparse.Namespace) -> Footage:
    """The footage that a command line names.

    Raises:
        UsageError: a frame rate is given that the footage brings itself.
        FootageError: it cannot be opened.
    """
    if options.fps and options.input.is_file():
        raise UsageError("--fps is for a folder of pictures; a video brings its own frame rate.")
    return open_footage(options.input, options.frames, options.fps, options.rotate)


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
    footage = footage_of(options)
    network = Network(device=options.device)
    captured = capture_to_track(network, footage, options.output, events)
    tell_found(events, captured, "track", options.output)


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
