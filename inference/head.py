# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes without footage: a person at rest or in given poses, looking into a lens for portraits.

The add-on's default head is such a take (`build.py package`), and so are the cells of the head
sheet (`python -m models head-sheet`).
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import numpy as np

from inference.errors import FootageError
from inference.footage import Footage, FrameRange
from inference.solve.camera import Camera
from inference.solve.performance import Performance
from inference.solve.pose import Pose
from inference.take import Origin, write_take
from models.head import SHAPE_NAMES, load_head

FRAME_RATE = Fraction(24)
PICTURE_SIZE = 1024  # pixels, square
# 135 mm on a full-frame film back, a portrait lens, from where the face fills the picture. The
# point between the eyes, whose metres in camera space these are, lies above its middle.
FOCAL = 135 / 36 * PICTURE_SIZE
POSITION = (0.0, -0.018, 0.85)
FACING_THE_LENS = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Poses:
    """T frames of one person: identity (60,) in standard deviations, weights (T, 52), gaze
    (T, 2, 2) radians, rows left and right eye, columns yaw and pitch."""

    identity: np.ndarray
    weights: np.ndarray
    gaze: np.ndarray


def mean_at_rest() -> Poses:
    """One frame of the mean person."""
    identity = np.zeros(len(load_head().identity_basis))
    return Poses(identity, np.zeros((1, len(SHAPE_NAMES))), np.zeros((1, 2, 2)))


def read_poses(path: Path) -> Poses:
    """Read poses from an .npz that holds the arrays of `Poses`.

    Raises:
        FootageError: the file cannot be read, or its arrays do not fit.
    """
    rest = mean_at_rest()
    try:
        with np.load(path, allow_pickle=False) as file:
            poses = Poses(
                *(np.asarray(file[name], float) for name in ("identity", "weights", "gaze"))
            )
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise FootageError(f"{path} does not hold identity, weights and gaze.") from error
    frames = len(poses.weights) if poses.weights.ndim else 0
    fits = (
        poses.identity.shape == rest.identity.shape
        and poses.weights.shape == (frames, *rest.weights.shape[1:])
        and poses.gaze.shape == (frames, *rest.gaze.shape[1:])
        and frames > 0
    )
    if not fits or not all(np.isfinite(array).all() for array in vars(poses).values()):
        raise FootageError(f"{path} does not hold identity (60), weights (T, 52), gaze (T, 2, 2).")
    return poses


def write_head(path: Path, poses: Poses) -> None:
    """Write a take of a person in some poses, one a frame.

    Raises:
        OutputError: ``path`` cannot be written.
    """
    frame = np.arange(len(poses.weights))
    turn = np.tile(FACING_THE_LENS, (len(frame), 1, 1))
    performance = performance_of(poses, frame / float(FRAME_RATE), frame, turn)
    write_performance(path, performance, FRAME_RATE)


def performance_of(
    poses: Poses, time: np.ndarray, frame: np.ndarray, turn: np.ndarray
) -> Performance:
    """T frames before the lens: time (T,) s, frame (T,), and rotations (T, 3, 3) head to camera."""
    frames = len(time)
    return Performance(
        identity=poses.identity,
        camera=Camera(FOCAL, np.full(2, (PICTURE_SIZE - 1) / 2)),
        time=time,
        frame=frame,
        found=np.ones(frames, bool),
        confidence=np.ones(frames),
        pose=Pose(turn, np.tile(POSITION, (frames, 1))),
        weights=poses.weights,
        weights_raw=poses.weights,
        gaze=poses.gaze,
        points68=np.full((frames, 68, 2), np.nan),
    )


def write_performance(
    path: Path,
    performance: Performance,
    rate: Fraction,
    settings: Mapping[str, object] = MappingProxyType({}),
    warnings: Sequence[str] = (),
) -> None:
    """Write a take without footage, at a rate. Raises OutputError."""
    frames = len(performance.time)
    nowhere = Footage(None, PICTURE_SIZE, PICTURE_SIZE, rate, frames, FrameRange())
    write_take(path, performance, Origin(nowhere, dict(settings), "", "", "", tuple(warnings)))
