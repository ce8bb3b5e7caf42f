# SPDX-License-Identifier: GPL-3.0-or-later
"""Head pose and camera of one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from models.head import Head

from .landmarks import project

YAW_LIMIT, PITCH_LIMIT = 75.0, 35.0
"""Degrees. Beyond this yaw the far eye is gone and the 68 points lose their meaning."""
YAW_SPREAD, PITCH_SPREAD = 30.0, 13.0
"""Standard deviation (degrees) of the common part of the poses; the rest is uniform."""
UNIFORM_PROBABILITY = 0.35
ROLL_SPREAD = 5.0
"""Degrees; the trainer rotates its crops by more than this."""
DISTANCE_RANGE = (0.32, 3.5)
"""Metres, drawn log-uniformly: from a selfie at half an arm's length to a tele lens."""
FACE_SHARE = 0.5
"""Longer side of the box around the 68 points as a share of the picture's side."""
SCALE_JITTER, SHIFT_JITTER = 0.15, 0.08

FACING = np.diag([1.0, -1.0, -1.0])
"""Rotation of an upright head that looks into the camera (head space is y up, camera y down)."""


@dataclass(frozen=True)
class View:
    """Where the head is and how it is seen.

    rotation (3,3), translation (3,): a head vertex v is at rotation v + translation in camera space
    (metres). intrinsics (3,3) px of a picture of `side` px, principal point in its centre.
    """

    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray
    side: int

    @property
    def focal(self) -> float:
        """Focal length in px."""
        return float(self.intrinsics[0, 0])

    def to_camera(self, points: np.ndarray) -> np.ndarray:
        """Points (…,3) of head space in camera space."""
        return (points @ self.rotation.T.astype(points.dtype)
                + self.translation.astype(points.dtype))

    def to_screen(self, camera_points: np.ndarray) -> np.ndarray:
        """Pixels and depth (…,3) of points (…,3) in camera space."""
        pixels = project(camera_points, self.intrinsics.astype(camera_points.dtype))
        return np.concatenate([pixels, camera_points[..., 2:]], axis=-1)

    def enlarged(self, factor: float) -> View:
        """The same view in a picture of factor times the side.

        Pixel centres are whole numbers, so that a pixel p of the smaller picture is the mean of the
        factor² pixels around factor p + (factor - 1) / 2.
        """
        intrinsics = self.intrinsics * factor
        intrinsics[:2, 2] += (factor - 1) / 2
        intrinsics[2, 2] = 1.0
        return View(self.rotation, self.translation, intrinsics, round(self.side * factor))


def sample_rotation(rng: np.random.Generator) -> np.ndarray:
    """A head pose (3,3): mostly around the camera's direction, partly anything."""
    if rng.random() < UNIFORM_PROBABILITY:
        yaw, pitch = rng.uniform(-1.0, 1.0, 2) * (YAW_LIMIT, PITCH_LIMIT)
    else:
        yaw, pitch = rng.standard_normal(2) * (YAW_SPREAD, PITCH_SPREAD)
    roll = rng.normal(0.0, ROLL_SPREAD)
    yaw = np.clip(yaw, -YAW_LIMIT, YAW_LIMIT)
    pitch = np.clip(pitch, -PITCH_LIMIT, PITCH_LIMIT)
    # Positive yaw turns to the character's left, positive pitch down, as rotations about +y and +x.
    return FACING @ Rotation.from_euler("ZYX", [roll, yaw, pitch], degrees=True).as_matrix()


def frame_face(head: Head, vertices: np.ndarray, rotation: np.ndarray, side: int,
               rng: np.random.Generator) -> View:
    """A camera that sees the face of vertices (V,3), head space, at its proper place and size."""
    distance = np.exp(rng.uniform(*np.log(DISTANCE_RANGE)))
    share = FACE_SHARE * (1.0 + rng.uniform(-SCALE_JITTER, SCALE_JITTER))
    offset = rng.uniform(-SHIFT_JITTER, SHIFT_JITTER, 2) * side
    marks = vertices[head.points68].astype(np.float64) @ rotation.T
    translation = np.array([0.0, 0.0, distance]) - marks.mean(axis=0)
    middle = (side - 1) / 2
    # Moving the head sideways changes its perspective a little, so settle in a few rounds.
    for _ in range(3):
        seen = marks + translation
        flat = seen[:, :2] / seen[:, 2:]
        low, high = flat.min(axis=0), flat.max(axis=0)
        focal = share * side / (high - low).max()
        translation[:2] += (offset / focal - (low + high) / 2) * distance
    intrinsics = np.array([[focal, 0.0, middle], [0.0, focal, middle], [0.0, 0.0, 1.0]])
    return View(rotation, translation, intrinsics, side)
