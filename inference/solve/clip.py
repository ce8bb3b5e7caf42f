# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve: from what tracking saw to one person's performance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from inference.errors import NoFaceError, UsageError
from inference.face import IBUG_POINTS
from inference.observations import Observations
from inference.solve.camera import Camera
from inference.solve.evidence import Evidence, gather
from inference.solve.expression import fit_expression
from inference.solve.identity import key_frames, mean_identity, refine_identity
from inference.solve.motion import LOOKS, Motion
from inference.solve.performance import Performance
from inference.solve.pose import Pose, fit_pose, initial_pose
from inference.solve.settings import Settings
from models.head import look_weights

IDENTITY_ROUNDS = 2
"""How often identity and key frames take turns; a third changes no point by 0.1 mm."""

NETWORK_FLOOR = 0.03
"""What the network says of a shape that does nothing, on the whole: taken off, weights err less on
rendered films (`python -m models evaluate stability`)."""

REST_QUANTILE = 0.15
REST_SECONDS = 1.0
LARGEST_REST = 0.3
"""A face rests now and then: what the network says of a shape in all but a seventh of the frames of
a clip of this length is more likely how the person looks, and left to the identity. More than the
largest is an expression that is held."""

NEUTRAL_FRAMES = 2
LARGEST_CHOSEN_REST = 0.8
"""A neutral frame that a person chose is taken with so many neighbours on each side; more than the
largest cannot be a resting face, whatever was chosen."""


def solve_clip(
    observations: Observations, settings: Settings = Settings(), camera: Camera | None = None
) -> Performance:
    """Solve a clip: one identity, and pose, expression and gaze of every frame.

    Args:
        observations: T frames, at least one of which shows a face.
        settings: what a person chose.
        camera: the lens; assumed from the picture's size unless given.

    Raises:
        NoFaceError: no frame shows a face.
        UsageError: the frame that was chosen as neutral shows none.
    """
    found = observations.found
    if not found.any():
        raise NoFaceError("No face was found in any frame.")
    camera = camera or Camera.of_picture(observations.width, observations.height)
    evidence = gather(observations, camera)
    prior = np.clip(observations.expression[found].astype(np.float64), 0.0, 1.0)
    rest = NETWORK_FLOOR + _rest(prior, observations, settings.neutral)
    prior = without_rest(prior, rest)
    prior[:, LOOKS] = look_weights(observations.gaze[found])[:, LOOKS]
    rotation = camera.ray_rotation(observations.view_centre[found]) @ observations.view_rotation[
        found
    ].astype(np.float64)

    identity = solve_identity(
        evidence, observations.identity[found], observations.confidence[found], prior, rotation
    )
    pose, weights = _solve_frames(evidence, identity, prior, rotation)
    raw = Performance(
        identity=identity,
        camera=camera,
        time=observations.time,
        frame=observations.frame,
        found=found,
        confidence=observations.confidence,
        pose=Pose(_spread(pose.rotation, found), _spread(pose.position, found)),
        weights=_spread(weights, found),
        weights_raw=_spread(weights, found),
        gaze=observations.gaze.astype(np.float64),
        points68=observations.points[:, :IBUG_POINTS].astype(np.float64),
    )
    return smooth_performance(raw, settings)


def _rest(weights: np.ndarray, observations: Observations, neutral: int | None) -> np.ndarray:
    """(52,) what the network says of the face at rest, from its weights in the found frames."""
    found = observations.found
    if neutral is None:
        return usual_rest(weights, observations.time[found])
    frames = observations.frame[found]
    if neutral not in frames:
        raise UsageError(f"Frame {neutral} cannot be the neutral one: it shows no face.")
    near = np.abs(np.arange(len(frames)) - np.searchsorted(frames, neutral)) <= NEUTRAL_FRAMES
    return np.minimum(np.median(weights[near], axis=0), LARGEST_CHOSEN_REST)


def usual_rest(weights: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(52,) what shape weights (T, 52) at times (T,) s never lose; nothing in a short clip."""
    if len(time) < 2 or time[-1] - time[0] < REST_SECONDS:
        return np.zeros(weights.shape[1])
    return np.minimum(np.quantile(weights, REST_QUANTILE, axis=0), LARGEST_REST)


def without_rest(weights: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Shape weights (T, 52) such that the rest (52,) becomes 0 and what was full stays full."""
    return np.maximum(weights - rest, 0.0) / (1.0 - rest)


def smooth_performance(raw: Performance, settings: Settings) -> Performance:
    """The performance with all its channels smoothed and its gaps filled; ``weights_raw`` stays."""
    motion = Motion(raw.time, raw.found, raw.confidence, settings)
    gaze = motion.gaze(raw.gaze, raw.weights_raw)
    weights = motion.weights(raw.weights_raw)
    weights[:, LOOKS] = look_weights(gaze)[:, LOOKS]
    return replace(
        raw,
        pose=motion.pose(raw.pose),
        weights=weights,
        gaze=gaze,
        points68=motion.points(raw.points68),
    )


def solve_identity(
    evidence: Evidence,
    identities: np.ndarray,
    confidence: np.ndarray,
    prior: np.ndarray,
    rotation: np.ndarray,
) -> np.ndarray:
    """(60,): the network's identities (T, 60) averaged, then refined by the points of key frames.

    ``confidence`` (T,), the network's shape weights ``prior`` (T, 52) and head-to-camera
    ``rotation`` (T, 3, 3) belong to the frames of ``evidence``.
    """
    network_identity = identity = mean_identity(identities, confidence)
    keys = key_frames(confidence)
    for _ in range(IDENTITY_ROUNDS):
        pose, weights = _solve_frames(evidence[keys], identity, prior[keys], rotation[keys])
        identity = refine_identity(
            evidence[keys], identity, network_identity, weights, prior[keys], pose
        )
    return identity


def _solve_frames(
    evidence: Evidence, identity: np.ndarray, prior: np.ndarray, rotation: np.ndarray
) -> tuple[Pose, np.ndarray]:
    """Pose and shape weights (T, 52) of every frame for one identity."""
    person = evidence.person(identity)
    face = person.express(prior)
    pose = fit_pose(evidence, face, initial_pose(evidence, face, rotation))
    return fit_expression(evidence, person, prior, pose)


def _spread(rows: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Rows of the found frames in their places among all, NaN elsewhere."""
    table = np.full((len(found), *rows.shape[1:]), np.nan)
    table[found] = rows
    return table
