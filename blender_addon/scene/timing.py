# SPDX-License-Identifier: GPL-3.0-or-later
"""When things happen: the scene's frame rate, and a take's rows placed on the scene's frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ..take import Take
from .frame_of_reference import slerp

FIRST_FRAME = 1

# Rows nearer to a whole frame than this are on it. Containers with a millisecond clock put a
# frame of 60 a second up to 0.03 frames off; a tenth leaves room and is far from a real half frame.
ON_FRAME_TOLERANCE = 0.1

# Small enough that the nearest fraction to a float32 near 1 is the one that was meant.
LARGEST_BASE_DENOMINATOR = 10_000
# Rates nearer than this part by less than a frame in an hour.
SAME_RATE = 1e-6


@dataclass(frozen=True)
class Performance:
    """The moving part of a take, placed on scene frames. N rows; see `Take` for the units."""

    frame: np.ndarray  # (N,) float64, scene frames, whole numbers
    found: np.ndarray  # (N,) bool
    confidence: np.ndarray  # (N,)
    weights: np.ndarray  # (N, S)
    corrective_weights: np.ndarray  # (N, K)
    head_rotation: np.ndarray  # (N, 4)
    head_position: np.ndarray  # (N, 3)
    eye_rotation: np.ndarray  # (N, 2, 4)


def scene_rate(scene) -> Fraction:
    """Frames a second of a Blender scene. `fps_base` is a float32: 1.001 is meant as 1001/1000."""
    base = Fraction(scene.render.fps_base).limit_denominator(LARGEST_BASE_DENOMINATOR)
    return scene.render.fps / base


def runs_at(scene, rate: Fraction) -> bool:
    """Whether the scene plays at this rate, as nearly as its settings can say."""
    return abs(scene_rate(scene) / rate - 1) < SAME_RATE


def set_scene_rate(scene, rate: Fraction) -> None:
    """Give the scene exactly this rate: 30000/1001 becomes fps 30 over a base of 1.001."""
    fps = max(1, round(rate))
    scene.render.fps = fps
    scene.render.fps_base = float(fps / rate)


def set_scene_range(scene, performance: Performance) -> None:
    """Let the scene play the performance from its first to its last frame."""
    scene.frame_start = int(performance.frame[0])
    scene.frame_end = int(performance.frame[-1])
    scene.frame_set(scene.frame_start)


def place(take: Take, rate: Fraction, start_frame: int = FIRST_FRAME) -> Performance:
    """The take's rows on frames of a scene that runs at `rate`, the first row on `start_frame`.

    Rows that fall on whole frames are kept as they are, whatever lies between them. Any others
    (another rate, footage with an uneven clock) are sampled anew at every whole frame by their
    time stamps: weights and positions along straight lines, rotations along arcs.
    """
    position = (take.time - take.time[0]) * float(rate)
    whole = np.round(position)
    rows = Performance(
        frame=start_frame + whole,
        found=take.found,
        confidence=take.confidence,
        weights=take.weights,
        corrective_weights=take.corrective_weights,
        head_rotation=take.head_rotation,
        head_position=take.head_position,
        eye_rotation=take.eye_rotation,
    )
    if np.abs(position - whole).max() <= ON_FRAME_TOLERANCE and (np.diff(whole) > 0).all():
        return rows
    wanted = np.arange(np.floor(position[-1]) + 1)
    return replace(_sample(rows, position, wanted), frame=start_frame + wanted)


def _sample(rows: Performance, position: np.ndarray, wanted: np.ndarray) -> Performance:
    """Rows at `position` (T,), interpolated at `wanted` (N,); both in frames after the first.

    `frame` stays as it was.
    """
    before = np.clip(np.searchsorted(position, wanted, side="right") - 1, 0, len(position) - 2)
    after = before + 1
    share = (wanted - position[before]) / (position[after] - position[before])
    nearest = np.where(share < 0.5, before, after)

    def line(values: np.ndarray) -> np.ndarray:
        amount = share.reshape(-1, *[1] * (values.ndim - 1))
        return values[before] * (1.0 - amount) + values[after] * amount

    def arc(quaternions: np.ndarray) -> np.ndarray:
        amount = np.broadcast_to(
            share.reshape(-1, *[1] * (quaternions.ndim - 2)), (len(share), *quaternions.shape[1:-1])
        )
        return slerp(quaternions[before], quaternions[after], amount)

    return replace(
        rows,
        found=rows.found[nearest],
        confidence=line(rows.confidence),
        weights=line(rows.weights),
        corrective_weights=line(rows.corrective_weights),
        head_rotation=arc(rows.head_rotation),
        head_position=line(rows.head_position),
        eye_rotation=arc(rows.eye_rotation),
    )
