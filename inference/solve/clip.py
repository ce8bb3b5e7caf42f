# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve: from what tracking saw to one person's performance."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from inference.errors import NoFaceError
from inference.face import IBUG_POINTS
from inference.gaps import stretches
from inference.observations import Observations
from inference.solve.camera import Camera
from inference.solve.evidence import Evidence, gather
from inference.solve.expression import FRAMES_AT_ONCE, fit_expression
from inference.solve.identity import key_frames, mean_identity, refine_identity
from inference.solve.likeness import with_likeness
from inference.solve.motion import Motion
from inference.solve.performance import Performance
from inference.solve.pose import Pose, fit_pose, initial_pose
from inference.solve.prior import LOOKS, expression_prior
from inference.solve.settings import Quality, Settings
from inference.solve.trajectory import FrameEvidence, Trajectory, smooth_trajectory
from models.head import PersonPoints, look_weights

IDENTITY_ROUNDS = 2
"""How often identity and key frames take turns; a third changes no point by 0.1 mm."""

LIKENESS_SECONDS = 1.0
"""Length from which on a clip tells what of a point's place is the person's and what expression."""


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
    frames, identity, start = solve_frames(observations, camera, settings.neutral)
    motion = Motion(observations, settings)
    gaze = motion.gaze(start.weights)
    if settings.quality is Quality.LIVE:
        trajectory = motion.live(start)
    else:
        frames = frames.looking(gaze[found])
        trajectory = solve_stretches(frames, start, observations, motion, settings.smoothing)
    trajectory.weights[:, LOOKS] = look_weights(gaze)[:, LOOKS]
    return Performance(
        identity=identity,
        camera=camera,
        time=observations.time,
        frame=observations.frame,
        found=found,
        confidence=observations.confidence,
        pose=trajectory.pose,
        weights=trajectory.weights,
        weights_raw=_spread(start.weights, found),
        gaze=gaze,
        points68=motion.points(),
    )


def solve_frames(
    observations: Observations, camera: Camera, neutral: int | None
) -> tuple[FrameEvidence, np.ndarray, Trajectory]:
    """One identity (60,), and the S frames that show a face, each solved for itself."""
    found = observations.found
    evidence = gather(observations, camera)
    prior = expression_prior(observations, neutral)
    confidence = observations.confidence[found].astype(np.float64)
    rotation = camera.ray_rotation(observations.view_centre[found]) @ observations.view_rotation[
        found
    ].astype(np.float64)
    identity = solve_identity(
        evidence, observations.identity[found], confidence, prior, rotation
    )
    person = evidence.person(identity)
    pose, weights = _solve_each(evidence, person, prior, rotation)
    time = observations.time[found]
    if time[-1] - time[0] >= LIKENESS_SECONDS:
        person = with_likeness(evidence, person, weights, pose)
        pose, weights = fit_expression(evidence, person, prior, pose, near=weights)
    return FrameEvidence(evidence, person, prior, confidence), identity, Trajectory(pose, weights)


def solve_stretches(
    frames: FrameEvidence,
    start: Trajectory,
    observations: Observations,
    motion: Motion,
    strength: float,
) -> Trajectory:
    """The trajectory of all T frames: every stretch of the clip solved at once, gaps filled."""
    found, place = observations.found, np.cumsum(observations.found) - 1
    parts = []
    for part in motion.parts:
        own = place[part.slice][found[part.slice]]
        parts.append(
            smooth_trajectory(
                frames[own], start[own], found[part.slice], observations.time[part.slice], strength
            )
        )
    return motion.filled(parts)


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
        person = evidence.person(identity)
        pose, weights = _solve_each(evidence[keys], person, prior[keys], rotation[keys])
        identity = refine_identity(
            evidence[keys], identity, network_identity, weights, prior[keys], pose
        )
    return identity


def _solve_each(
    evidence: Evidence, person: PersonPoints, prior: np.ndarray, rotation: np.ndarray
) -> tuple[Pose, np.ndarray]:
    """Pose and shape weights (T, 52) of every frame by itself."""
    parts = []
    for start in range(0, len(prior), FRAMES_AT_ONCE):
        rows = slice(start, start + FRAMES_AT_ONCE)
        face = person.express(prior[rows])
        parts.append(fit_pose(evidence[rows], face, initial_pose(evidence[rows], face, rotation[rows])))
    return fit_expression(evidence, person, prior, Pose.joined(parts))


def _spread(rows: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Rows of the found frames in their places among all, NaN elsewhere."""
    table = np.full((len(found), *rows.shape[1:]), np.nan)
    table[found] = rows
    return table
