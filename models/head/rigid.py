# SPDX-License-Identifier: GPL-3.0-or-later
"""Rigid motion between two sets of points."""

import numpy as np
from scipy.spatial.transform import Rotation


def rigid(points: np.ndarray, target: np.ndarray) -> tuple[Rotation, np.ndarray]:
    """Rotation and shift (3,), no scale, that bring points (N,3) closest to target (N,3) by least
    squares (Kabsch 1976, doi 10.1107/S0567739476001873)."""
    centre, goal = points.mean(axis=0), target.mean(axis=0)
    rotation, _ = Rotation.align_vectors(target - goal, points - centre)
    return rotation, goal - rotation.apply(centre)
