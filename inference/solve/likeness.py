# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person's face has at rest beyond the identity's basis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inference.solve.evidence import CORRELATED_POINTS, Evidence
from inference.solve.pose import Pose
from models.head import PersonPoints

LIKENESS_SIGMA = 0.004
"""Metres: standard deviation, on each axis, of a point of a real face from the nearest face of the
basis, and of where the network puts a point from where the head has it."""

MOST_FRAMES = 200
"""Frames that are asked; more of the same clip say nothing new."""


def with_likeness(
    evidence: Evidence, person: PersonPoints, weights: np.ndarray, pose: Pose
) -> PersonPoints:
    """The person with every point moved to where the clip has it on the whole.

    What stays of a point's residual over a clip is no motion: it is the face's own shape, or the
    network's own idea of the place. Taken off, the rest tells of the expression more exactly. All
    frames together count as one, for that error is the same in each.

    Args:
        evidence: T frames.
        person: the points.
        weights: (T, 52) shape weights.
        pose: of the frames.
    """
    some = np.unique(np.linspace(0, len(weights) - 1, MOST_FRAMES).astype(int))
    evidence, pose = evidence[some], pose[some]
    in_camera = pose.apply(person.express(weights[some]))
    residual = evidence.pixels - evidence.camera.project(in_camera)
    weight = evidence.weight(residual) * (CORRELATED_POINTS / len(some))
    slope = evidence.camera.projection_jacobian(in_camera) @ pose.rotation[:, None]  # (T, N, 2, 3)
    weighted = slope * weight[..., None, None]
    left = np.einsum("tnij,tnik->njk", weighted, slope) + np.eye(3) / LIKENESS_SIGMA**2
    right = np.einsum("tnij,tni->nj", weighted, residual)
    offset = np.linalg.solve(left, right[..., None])[..., 0]
    return replace(person, neutral=person.neutral + offset)
