# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the eyes look, and the shapes of the lids that go with it.

A gaze is yaw and pitch in radians: positive yaw turns towards the character's left (+x), positive
pitch up (+y).
"""

import numpy as np

from .names import SHAPE_NAMES

FULL_LOOK_YAW = 0.60  # rad at which an eyeLookIn or eyeLookOut shape reaches 1
FULL_LOOK_PITCH = 0.50  # rad, eyeLookUp and eyeLookDown
# Shape and side -> the gaze at which it reaches 1: the character's left eye looks out to its left.
FULL_LOOKS = {
    f"eyeLook{name}{side}": np.array(gaze) * (outward, 1.0)
    for side, outward in (("Left", 1.0), ("Right", -1.0))
    for name, gaze in (
        ("Out", (FULL_LOOK_YAW, 0.0)), ("In", (-FULL_LOOK_YAW, 0.0)),
        ("Up", (0.0, FULL_LOOK_PITCH)), ("Down", (0.0, -FULL_LOOK_PITCH)),
    )
}  # fmt: skip


def gaze_matrix(gaze: np.ndarray) -> np.ndarray:
    """Rotations (…,3,3) in head space of gaze (…,2): R = Ry(yaw) Rx(-pitch)."""
    yaw, pitch = np.moveaxis(np.asarray(gaze), -1, 0)
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    zero = np.zeros_like(yaw)
    rows = [[cy, -sy * sp, sy * cp], [zero, cp, sp], [-sy, -cy * sp, cy * cp]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def look_weights(gaze: np.ndarray) -> np.ndarray:
    """Weights (…,52) of the eight eyeLook shapes that go with gaze (…,2,2); the others are zero.

    The shapes move the lids with the eyes; they reach 1 where ARKit's do, at the ends of an
    ordinary glance.
    """
    gaze = np.asarray(gaze)
    weights = np.zeros((*gaze.shape[:-2], len(SHAPE_NAMES)), np.float32)
    for name, full in FULL_LOOKS.items():
        eye = 0 if name.endswith("Left") else 1
        reached = gaze[..., eye, :] @ full / (full @ full)
        weights[..., SHAPE_NAMES.index(name)] = np.clip(reached, 0, 1)
    return weights
