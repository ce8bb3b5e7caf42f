# SPDX-License-Identifier: GPL-3.0-or-later
"""The solve: from what tracking saw to one person's performance."""

from __future__ import annotations

import numpy as np

from inference.errors import NoFaceError
from inference.observations import Observations
from inference.solve.camera import Camera
from inference.solve.evidence import gather, head_rotation
from inference.solve.expression import ITERATIONS, fit_expression, solve_each
from inference.solve.identity import key_frames, mean_identity, solve_identity
from inference.solve.lens import solve_camera
from inference.solve.likeness import with_likeness
from inference.solve.motion import Motion
from inference.solve.performance import Performance
from inference.solve.prior import expression_prior, with_looks
from inference.solve.settings import Quality, Settings
from inference.solve.trajectory import FrameEvidence, Trajectory, smooth_trajectory
from inference.solve.work import Progress, Work

FULL_FRAME = 36.0
"""Millimetres: the longer side of a 35 mm camera's picture, in whose focal lengths people think."""

LIKENESS_SECONDS = 1.0
"""Length from which on a clip tells what of a point's place is the person's and what expression."""


def solve_clip(
    observations: Observations,
    settings: Settings = Settings(),
    camera: Camera | None = None,
    identity: np.ndarray | None = None,
    progress: Progress = lambda done, total: None,
) -> Performance:
    """Solve a clip: one identity, and pose, expression and gaze of every frame.

    Args:
        observations: T frames, at least one of which shows a face.
        settings: what a person chose.
        camera: the lens; that of the settings, or else found from the clip, unless given.
        identity: (60,) who it is; found from the clip unless given.
        progress: told of the frames that are solved.

    Raises:
        NoFaceError: no frame shows a face.
        UsageError: the frame that was chosen as neutral shows none.
    """
    found = observations.found
    if not found.any():
        raise NoFaceError("No face was found in any frame.")
    prior = expression_prior(observations, settings.neutral)
    work = Work(int(found.sum()), ITERATIONS + 1, progress)
    camera = camera or chosen_camera(observations, settings) or solve_camera(observations, prior)
    frames, identity, start = solve_frames(observations, camera, prior, identity, work)
    motion = Motion(observations, settings)
    gaze = motion.gaze(start.weights)
    if settings.quality is Quality.LIVE:
        trajectory = motion.live(start)
    else:
        frames = frames.looking(gaze[found])
        trajectory = solve_stretches(
            frames, start, observations, motion, settings.smoothing, work
        )
    performance = Performance(
        identity=identity,
        camera=camera,
        time=observations.time,
        frame=observations.frame,
        found=found,
        confidence=observations.confidence,
        pose=trajectory.pose,
        weights=with_looks(trajectory.weights, gaze),
        weights_raw=_spread(start.weights, found),
        gaze=gaze,
        points68=motion.points(),
    )
    work.finished()
    return performance


def chosen_camera(observations: Observations, settings: Settings) -> Camera | None:
    """The camera with the lens that the settings name, if they do."""
    if settings.lens is None:
        return None
    focal = settings.lens / FULL_FRAME
    return Camera.of_picture(observations.width, observations.height, focal)


def solve_frames(
    observations: Observations,
    camera: Camera,
    prior: np.ndarray,
    identity: np.ndarray | None = None,
    work: Work | None = None,
) -> tuple[FrameEvidence, np.ndarray, Trajectory]:
    """One identity (60,), and the S frames that show a face, each solved for itself.

    prior: (S, 52) shape weights by the network; identity: as it is, if it is known; work:
    told of the steps.
    """
    found = observations.found
    evidence, rotation = gather(observations, camera), head_rotation(observations, camera)
    confidence = observations.confidence[found].astype(np.float64)
    if identity is None:
        keys = key_frames(confidence)
        network_identity = mean_identity(observations.identity[found], confidence)
        identity = solve_identity(evidence[keys], network_identity, prior[keys], rotation[keys])
    person = evidence.person(identity)
    pose, weights = solve_each(evidence, person, prior, rotation, work)
    time = observations.time[found]
    if time[-1] - time[0] >= LIKENESS_SECONDS:
        person = with_likeness(evidence, person, weights, pose)
        pose, weights = fit_expression(evidence, person, prior, pose, weights, work)
    return FrameEvidence(evidence, person, prior, confidence), identity, Trajectory(pose, weights)


def solve_stretches(
    frames: FrameEvidence,
    start: Trajectory,
    observations: Observations,
    motion: Motion,
    strength: float,
    work: Work | None = None,
) -> Trajectory:
    """The trajectory of all T frames: every stretch of the clip solved at once, gaps filled."""
    found, place = observations.found, np.cumsum(observations.found) - 1
    parts = []
    for part in motion.parts:
        own = place[part.slice][found[part.slice]]
        parts.append(
            smooth_trajectory(
                frames[own],
                start[own],
                found[part.slice],
                observations.time[part.slice],
                strength,
                work,
            )
        )
    return motion.filled(parts)


def _spread(rows: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Rows of the found frames in their places among all, NaN elsewhere."""
    table = np.full((len(found), *rows.shape[1:]), np.nan)
    table[found] = rows
    return table
