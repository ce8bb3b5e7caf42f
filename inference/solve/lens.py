# SPDX-License-Identifier: GPL-3.0-or-later
"""The lens, from how a face looks through it.

Near a face a short lens makes the nose large and the ears small; from afar a long one shows a flat
face. No expression and hardly any identity does the same, and a head that turns says it best. So
the camera is the one under which the clip's key frames are explained at the least cost.
"""

from __future__ import annotations

import numpy as np

from inference.observations import Observations
from inference.solve.camera import Camera
from inference.solve.evidence import gather, head_rotation
from inference.solve.expression import SHAPE_SIGMA, solve_each
from inference.solve.identity import IDENTITY_SIGMA, key_frames, mean_identity, solve_identity
from inference.solve.sparsity import cost

FOCALS = np.geomspace(0.8, 6.0, 6)
"""Focal lengths that are tried, over the picture's longer side: a phone held at arm's length, to a
face cut out of a larger picture. Between the best three a parabola decides."""

USUAL, SPREAD = 1.5, 0.7
"""What is expected before anything is seen, and the standard deviation of its logarithm."""

KEY_FRAMES = 12
INDEPENDENT = 8
"""Frames that are asked, and how many of them tell as much as if they erred independently."""


def solve_camera(observations: Observations, prior: np.ndarray) -> Camera:
    """The camera of a clip, its axis through the picture's middle.

    Args:
        observations: T frames, S of which show the face.
        prior: (S, 52) their shape weights by the network.
    """
    found = np.flatnonzero(observations.found)
    confidence = observations.confidence[found].astype(np.float64)
    network_identity = mean_identity(observations.identity[found], confidence)
    keys = key_frames(confidence, KEY_FRAMES)
    asked = observations[found[keys]]
    size = observations.width, observations.height
    cameras = [Camera.of_picture(*size, focal) for focal in FOCALS]
    costs = np.array(
        [camera_cost(asked, prior[keys], network_identity, camera) for camera in cameras]
    )
    costs += 0.5 * (np.log(FOCALS / USUAL) / SPREAD) ** 2
    best = int(np.clip(np.argmin(costs), 1, len(FOCALS) - 2))
    before, here, after = costs[best - 1 : best + 2]
    bend = before - 2.0 * here + after
    step = 0.5 * (before - after) / bend if bend > 0.0 else float(np.argmin(costs) - best)
    ratio = FOCALS[1] / FOCALS[0]
    return Camera.of_picture(*size, FOCALS[best] * ratio ** np.clip(step, -1.0, 1.0))


def camera_cost(
    observations: Observations, prior: np.ndarray, network_identity: np.ndarray, camera: Camera
) -> float:
    """What the best identity, poses and expressions of some frames cost with a camera.

    observations: S frames, which all show the face; prior: (S, 52) their shape weights by the
    network, whose identity of the clip is (60,).
    """
    evidence, rotation = gather(observations, camera), head_rotation(observations, camera)
    identity = solve_identity(evidence, network_identity, prior, rotation, rounds=1)
    person = evidence.person(identity)
    pose, weights = solve_each(evidence, person, prior, rotation)
    residual = evidence.pixels - camera.project(pose.apply(person.express(weights)))
    each = evidence.cost(residual) + cost(weights)
    each += 0.5 * (((weights - prior) / SHAPE_SIGMA) ** 2).sum(axis=1)
    person_cost = ((identity - network_identity) / IDENTITY_SIGMA) ** 2 + identity**2
    return float(each.mean() * min(len(prior), INDEPENDENT) + 0.5 * person_cost.sum())
