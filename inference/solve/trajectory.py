# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose and expression of all frames at once: the evidence of every frame, and how faces move.

Maximum a posteriori over a whole stretch of footage. To the squared distances that
:mod:`inference.solve.expression` adds up in each frame comes, for every unknown, a penalty on its
first and second differences over time (Whittaker 1923), which looks as far ahead as back and so
lags by nothing. As all unknowns of neighbouring frames are solved for together, what the points
hardly tell apart (a lowered brow from a bowed head) is held still by time, and what they do tell
is followed.

The penalty of every unknown adapts from frame to frame as in :mod:`inference.smooth`: it is
squeezed wherever the evidence wants the unknown elsewhere by more than its noise does. A held face
is averaged over seconds; a blink stays as fast as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation, Slerp

from inference.smooth import (
    SHORTEST,
    first_difference,
    misfit_excess,
    noise_level,
    second_difference,
    stillness,
)
from inference.solve.band import Band, Difference, Penalty
from inference.solve.evidence import Evidence
from inference.solve.expression import frame_equations, portions
from inference.solve.pose import POSE_UNKNOWNS, Pose
from inference.solve.prior import with_looks
from inference.solve.work import Work
from models.head import SHAPE_NAMES, PersonPoints

STILL_SPAN = 2.5
"""Seconds: where nothing moves, the smoother's time constant, (penalty / evidence)^(1/4) frames."""

WEAKEST = 0.06
"""Penalty, over the evidence, where that moves most: lids close in three frames, not in one."""

LEAST_NOISE = np.array([0.5] * POSE_UNKNOWNS + [0.2] * len(SHAPE_NAMES))
MOST_NOISE = 0.8
"""Bounds of the noise that is read from a clip, over the standard deviations that the evidence
claims. Those tell of errors that last, of which jitter is a part; below the least, what looks like
motion is how the network's errors change as the face lies differently in the picture, which shows
in the pose (58,) most."""

ROUNDS = 6
"""Squeezes of the penalty."""

STEPS = 1
"""Gauss-Newton steps, the equations set up anew, after that with which the penalty was found."""

BOUND_ROUNDS = 2
"""Solutions for one step, until hardly a weight changes sides of its bound."""

NOTHING = 1e-9
"""Evidence, relative to the usual, in frames without any, so that the equations can be solved."""

TOGETHER = np.array(
    [0, 0, 0, 3, 3, 3]
    + [POSE_UNKNOWNS + SHAPE_NAMES.index(name.replace("Right", "Left")) for name in SHAPE_NAMES]
)
"""(58,) the first of the unknowns that are squeezed together, as far as the one that needs it most:
the angles of the rotation, the coordinates of the place, a shape to the left and to the right."""

FRAMES, OVERLAP = 1000, 150
"""Frames that are solved together, and how many of them again with the next ones: memory stays
bounded, and a still face's average has faded out before the seam."""


@dataclass(frozen=True)
class Trajectory:
    """Poses and shape weights (T, 52) of T frames."""

    pose: Pose
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, frames: slice | np.ndarray) -> Trajectory:
        return Trajectory(self.pose[frames], self.weights[frames])

    def moved(self, step: np.ndarray) -> Trajectory:
        """After steps (T, 58): pose as of :meth:`Pose.moved`, then weights, kept in [0, 1]."""
        weights = np.clip(self.weights + step[:, POSE_UNKNOWNS:], 0.0, 1.0)
        return Trajectory(self.pose.moved(step[:, :POSE_UNKNOWNS]), weights)

    def bridged(self, seen: np.ndarray, time: np.ndarray) -> Trajectory:
        """Drawn straight through the frames that are not among it: seen (T,) bool, time (T,) s."""
        if seen.all():
            return self
        known = time[seen]
        columns = (*self.pose.position.T, *self.weights.T)
        drawn = np.column_stack([np.interp(time, known, column) for column in columns])
        turn = Slerp(known, Rotation.from_matrix(self.pose.rotation))
        rotation = turn(np.clip(time, known[0], known[-1])).as_matrix()
        return Trajectory(Pose(rotation, drawn[:, :3]), drawn[:, 3:])

    def speed(self, time: np.ndarray) -> np.ndarray:
        """(T - 1, 58): change from frame to frame over that of time (T,).

        The rotation's is the turn from one frame to the next; so a small further turn of a frame,
        in camera space, changes it as a step does with any other unknown.
        """
        rotation = Rotation.from_matrix(self.pose.rotation)
        turn = (rotation[1:] * rotation[:-1].inv()).as_rotvec()
        rest = np.diff(np.hstack([self.pose.position, self.weights]), axis=0)
        return np.hstack([turn, rest]) / np.diff(time)[:, None]


@dataclass(frozen=True)
class FrameEvidence:
    """All that speaks for the pose and expression of S frames.

    Attributes:
        evidence: the seen points.
        person: the same points of the head at rest, and how they move.
        prior: (S, 52) shape weights by the network.
        confidence: (S,) how far a frame is to be trusted, 0 to 1.
    """

    evidence: Evidence
    person: PersonPoints
    prior: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.prior)

    def __getitem__(self, frames: slice | np.ndarray) -> FrameEvidence:
        return FrameEvidence(
            self.evidence[frames], self.person, self.prior[frames], self.confidence[frames]
        )

    def looking(self, gaze: np.ndarray) -> FrameEvidence:
        """With the lids following a gaze (S, 2, 2) rad."""
        return replace(self, prior=with_looks(self.prior, gaze))

    def equations(self, at: Trajectory) -> tuple[np.ndarray, np.ndarray]:
        """(S, 58, 58), (S, 58): quadratics for the step from a trajectory of S frames."""
        unknowns = POSE_UNKNOWNS + at.weights.shape[1]
        left, right = np.empty((len(self), unknowns, unknowns)), np.empty((len(self), unknowns))
        for part in portions(len(self)):
            left[part], right[part] = frame_equations(
                self.evidence[part], self.person, at.weights[part], at.pose[part], self.prior[part]
            )
        return left * self.confidence[:, None, None], right * self.confidence[:, None]


def smooth_trajectory(
    evidence: FrameEvidence,
    start: Trajectory,
    seen: np.ndarray,
    time: np.ndarray,
    strength: float = 1.0,
    work: Work | None = None,
) -> Trajectory:
    """The trajectory of a stretch of T frames, S of which show the face.

    Args:
        evidence: of the S frames.
        start: of the S frames, each solved for itself.
        seen: (T,) bool, which they are.
        time: (T,) seconds, increasing.
        strength: scales the noise and the time constant; at 0 only unseen frames are filled.
        work: told of the S frames.
    """
    if strength == 0 or seen.sum() < SHORTEST:
        return start.bridged(seen, time)
    place = np.cumsum(seen) - seen  # of a frame among the S
    whole, begun = None, 0
    for first in range(0, max(len(time) - OVERLAP, 1), FRAMES - OVERLAP):
        rows = slice(first, first + FRAMES)
        own = place[rows][seen[rows]]
        if len(own) < SHORTEST:
            part = start.bridged(seen, time)[rows]
        else:
            part = _smooth_at_once(evidence[own], start[own], seen[rows], time[rows], strength)
        whole = part if whole is None else _joined(whole, part, first)
        if work:
            work.smoothed(int(seen[begun : rows.stop].sum()))
            begun = rows.stop
    return whole


def _smooth_at_once(
    evidence: FrameEvidence, start: Trajectory, seen: np.ndarray, time: np.ndarray, strength: float
) -> Trajectory:
    """The same for frames that are solved together."""
    current = start.bridged(seen, time)
    interval = float(np.median(np.diff(time)))
    span = max(strength * STILL_SPAN / interval, 1.0)
    penalty = None
    for _ in range(1 + STEPS):
        left, right = evidence.equations(current[seen])
        band = _band(left, right, seen, current)
        if penalty is None:
            covariance = np.linalg.inv(left)
            penalty = AdaptivePenalty(covariance, time / interval, span)
            penalty.adapt(band, current, covariance, seen, strength)
        terms = penalty.terms(current)
        for _ in range(BOUND_ROUNDS):
            step = band.solve(terms)
        current = current.moved(step)
    return current


class AdaptivePenalty:
    """The penalty on speed and acceleration of a trajectory of T frames.

    Every unknown's is counted in what the evidence of one frame says of it when all others are
    free: where the evidence is weak, little stiffness goes a long way.

    Args:
        covariance: (S, 58, 58) of the seen frames' unknowns, by the evidence.
        time: (T,) in frames.
        span: the time constant at rest, frames.
    """

    def __init__(self, covariance: np.ndarray, time: np.ndarray, span: float) -> None:
        self._usual = 1.0 / np.median(np.einsum("tuu->tu", covariance), axis=0)
        self._time = time
        self._strongest = span**4
        self._first = Difference(first_difference(time))
        self._second = Difference(second_difference(time))
        self._share = np.full((len(time) - 2, len(self._usual)), self._strongest)

    def terms(self, current: Trajectory) -> list[Penalty]:
        """The penalties around a trajectory."""
        speed = current.speed(self._time)
        span = (self._time[2:] - self._time[:-2])[:, None] / 2
        still = stillness(self._share, self._strongest)
        return [
            Penalty(self._first, self._usual * still, speed),
            Penalty(self._second, self._usual * self._share, np.diff(speed, axis=0) / span),
        ]

    def adapt(
        self,
        band: Band,
        current: Trajectory,
        covariance: np.ndarray,
        seen: np.ndarray,
        strength: float,
    ) -> None:
        """Make the penalty as strong as the noise allows: see the module's head.

        band, covariance: of the evidence around ``current``, in which every frame is solved for
        itself; seen (T,) bool: the frames with evidence.
        """
        level = np.sqrt(self._usual)
        noise = strength * np.clip(
            level * _noise(current, seen, self._time), LEAST_NOISE, MOST_NOISE
        )
        # What bridges a gap is as stiff as the motion at its nearer side.
        inner = np.flatnonzero(seen[1:-1])
        nearest = inner[np.abs(np.arange(len(seen) - 2)[:, None] - inner).argmin(axis=1)]
        wanted = np.zeros((len(seen), len(level)))
        for _ in range(ROUNDS):
            pull = band.pull(band.solve(self.terms(current)))[seen]
            # The step that the evidence alone would take from here.
            wanted[seen] = (covariance @ pull[..., None])[..., 0] * level / noise
            excess = _of_group(misfit_excess(wanted, seen.astype(float)))[1:-1][nearest]
            self._share = np.maximum(self._share / np.maximum(excess, 1.0), WEAKEST)


def _of_group(excess: np.ndarray) -> np.ndarray:
    """The largest excess (T, 58) among the unknowns that belong together."""
    most = np.zeros_like(excess)
    np.maximum.at(most.T, TOGETHER, excess.T)
    return most[:, TOGETHER]


def _noise(current: Trajectory, seen: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(58,) standard deviations of the unknowns' noise, where every frame is solved for itself."""
    travelled = np.cumsum(current.speed(time) * np.diff(time)[:, None], axis=0)
    return noise_level(np.concatenate([np.zeros_like(travelled[:1]), travelled]), seen)


def _band(left: np.ndarray, right: np.ndarray, seen: np.ndarray, current: Trajectory) -> Band:
    """Equations of all T frames around a trajectory, with next to nothing where nothing is seen."""
    usual = np.median(np.einsum("tuu->tu", left), axis=0)
    all_left = np.tile(np.diag(NOTHING * usual), (len(seen), 1, 1))
    all_right = np.zeros((len(seen), len(usual)))
    all_left[seen] += left
    all_right[seen] = right
    lower, upper = np.full(all_right.shape, -np.inf), np.full(all_right.shape, np.inf)
    lower[:, POSE_UNKNOWNS:] = -current.weights
    upper[:, POSE_UNKNOWNS:] = 1.0 - current.weights
    return Band(all_left, all_right, lower, upper)


def _joined(whole: Trajectory, part: Trajectory, first: int) -> Trajectory:
    """The trajectory with a further part, from frame ``first`` on, faded in where both are."""
    shared = len(whole) - first
    share = (np.arange(shared) + 0.5) / shared
    before, after = whole[first:], part[:shared]
    turn = Rotation.from_matrix(after.pose.rotation @ np.swapaxes(before.pose.rotation, 1, 2))
    part_turn = Rotation.from_rotvec(share[:, None] * turn.as_rotvec()).as_matrix()
    rotation = part_turn @ before.pose.rotation
    position = before.pose.position + share[:, None] * (after.pose.position - before.pose.position)
    weights = before.weights + share[:, None] * (after.weights - before.weights)
    return Trajectory(
        Pose.joined([whole.pose[:first], Pose(rotation, position), part.pose[shared:]]),
        np.concatenate([whole.weights[:first], weights, part.weights[shared:]]),
    )
