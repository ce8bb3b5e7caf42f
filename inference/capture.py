# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way of one capture: footage, observations, solve, take."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from inference.errors import NoFaceError, TakeError, UsageError
from inference.events import Events
from inference.footage import Footage, FrameRange
from inference.network import Network
from inference.observations import Observations
from inference.output import whole_file
from inference.solve import Camera, Performance, Settings, solve_clip
from inference.take import Origin, origin_of, read_take, write_take
from inference.track import observe

FEW_FOUND = 0.5
"""Share of frames with a face below which a person should know."""

SMALL_FACE = 60.0
"""Pixels across the 68 points (median) below which lids and lips are hardly resolved."""


@dataclass(frozen=True)
class Captured:
    """What was seen, the performance made of it, and what was noticed on the way."""

    observations: Observations
    performance: Performance
    warnings: tuple[str, ...]


def capture(
    network: Network,
    footage: Footage,
    events: Events,
    place: np.ndarray | None = None,
    settings: Settings = Settings(),
) -> Captured:
    """Capture the face in ``footage``; at ``place`` (2,) px in its first frame, if given.

    Raises:
        FootageError: the footage is damaged.
        NoFaceError: it shows no face.
    """
    observations = observe(
        network, footage, place, lambda done, total: events.progress("track", done, total)
    )
    if not observations.found.any():
        raise NoFaceError(f"No face was found in {footage.path}.")
    performance = solve_clip(
        observations,
        settings,
        progress=lambda done, total: events.progress("solve", done, total),
    )
    warnings = tuple(noticed(performance))
    for warning in warnings:
        events.warning(warning)
    return Captured(observations, performance, warnings)


def noticed(performance: Performance):
    """Sentences about what makes a performance less trustworthy."""
    found = performance.found
    if found.mean() < FEW_FOUND:
        yield f"A face was found in only {found.sum()} of {len(found)} frames."
    size = float(np.median(np.sqrt(np.prod(np.ptp(performance.points68[found], axis=1), axis=-1))))
    if size < SMALL_FACE:
        yield f"The face is only {size:.0f} pixels across; lids and lips will be coarse."


def capture_to_take(
    network: Network,
    footage: Footage,
    output: Path,
    events: Events,
    place: np.ndarray | None,
    solve: Settings,
) -> Captured:
    """Capture and write the take. Raises as :func:`capture`, and OutputError."""
    captured = capture(network, footage, events, place, solve)
    settings = {
        **solve_settings(solve),
        "frames": [footage.range.first, footage.range.stop],
        "face": None if place is None else place.tolist(),
    }
    events.progress("write", 0, 1)
    write_take(
        output,
        captured.performance,
        Origin(
            footage, settings, network.device, network.name, network.sha256, captured.warnings
        ),
        captured.observations,
    )
    events.progress("write", 1, 1)
    return captured


def solve_again(
    take: Path,
    output: Path,
    settings: Settings,
    events: Events,
    frames: FrameRange | None = None,
) -> Performance:
    """Solve a take's stored observations with other settings into another take.

    What the settings do not touch is kept: the camera, unless a lens is given, and the identity,
    unless another frame is to be neutral. ``frames`` of the footage, all unless given.

    Raises:
        TakeError: the take cannot be read, or holds no observations.
        UsageError: the settings do not fit the clip.
        OutputError: the other take cannot be written.
    """
    header, arrays = read_take(take)
    try:
        observations = Observations.from_arrays(arrays)
    except KeyError as error:
        raise TakeError(
            f"{take} does not hold what was seen; capture the footage again."
        ) from error
    changed, camera, identity = solve_settings(settings), None, None
    if settings.lens is None:
        camera = Camera(float(arrays["focal"]), arrays["principal"].astype(np.float64))
        changed["lens"] = header["settings"].get("lens")
        if header["settings"].get("neutral") == settings.neutral:
            identity = arrays["identity"].astype(np.float64)
    if frames is not None:
        observations = observations[within(frames, observations.frame)]
        changed["frames"] = [frames.first, frames.stop]
    performance = solve_clip(
        observations,
        settings,
        camera,
        identity,
        lambda done, total: events.progress("solve", done, total),
    )
    origin = origin_of(header)
    events.progress("write", 0, 1)
    write_take(
        output, performance, replace(origin, settings=origin.settings | changed), observations
    )
    events.progress("write", 1, 1)
    return performance


def within(frames: FrameRange, index: np.ndarray) -> np.ndarray:
    """(T,) bool, which frames of these indices (T,) a range holds. Raises UsageError if none."""
    inside = (index >= frames.first) & (index < (frames.stop or index[-1] + 1))
    if not inside.any():
        raise UsageError(f"The take holds frames {index[0]} to {index[-1]}, none of that range.")
    return inside


def solve_settings(settings: Settings) -> dict[str, object]:
    """The settings as a take's header holds them."""
    return vars(settings) | {"quality": settings.quality.value}


def capture_to_track(network: Network, footage: Footage, output: Path, events: Events) -> Captured:
    """Capture and write the 68 points: points (T, 68, 2), seconds it took, video_fps.

    Raises as :func:`capture_to_take`.
    """
    start = time.perf_counter()
    captured = capture(network, footage, events)
    seconds = time.perf_counter() - start
    with whole_file(output) as file:
        np.savez_compressed(
            file,
            points=captured.performance.points68.astype(np.float32),
            seconds=np.float64(seconds),
            video_fps=np.float64(footage.frame_rate),
        )
    return captured
