# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made into motion channel by channel: smoothed, gaps bridged or faded.

Of a take these are the gaze and the 68 points; :mod:`inference.solve.trajectory` solves for pose
and expression, whose gaps alone are filled here. In live quality it is everything.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from inference.face import IBUG_POINTS
from inference.gaps import Stretch, Timeline, fade_between, hold_between
from inference.observations import Observations
from inference.smooth import Noise, OneEuro, smooth
from inference.solve.pose import Pose
from inference.solve.settings import Quality, Settings
from inference.solve.trajectory import Trajectory
from models.head import SHAPE_NAMES

Fill = Callable[[np.ndarray, Timeline], np.ndarray]

FEATURES = [
    np.r_[0:17], np.r_[17:22], np.r_[22:27], np.r_[27:36], np.r_[36:42], np.r_[42:48],
    np.r_[48:55, 60:65], np.r_[55:60, 65:68],
]  # fmt: skip
"""Of the 68 points, those that move together and share one judgement of what is motion: jaw, brows,
nose, eyes, upper and lower lip."""

BLINKS = np.array([SHAPE_NAMES.index("eyeBlinkLeft"), SHAPE_NAMES.index("eyeBlinkRight")])

BLINK_HIDES = (0.3, 0.7)
"""Weight of a blink at which the eye begins to be hidden, and from which on nothing is seen of its
gaze: what the network then says is guesswork."""

ANGLE_NOISE = Noise(np.deg2rad(0.05), np.deg2rad(1.0))
POINT_NOISE = Noise(3e-4, 2e-3)
LIE_NOISE = Noise(5e-5, 4e-4)
"""Of angles; of points in face sizes; of the whole face's lie in the picture, in face sizes and
radians. Less is nothing that can be seen, more is motion."""

WEIGHT_FILTER = OneEuro(cutoff=1.5, slope=8.0)
ANGLE_FILTER = OneEuro(cutoff=1.0, slope=12.0)
PLACE_FILTER = OneEuro(cutoff=1.0, slope=30.0)
POINT_FILTER = OneEuro(cutoff=1.5, slope=6.0)
"""For live quality: calm at rest, and open within two frames at the speed of a blink (8 a second),
of a nod (2 rad/s), of a step aside."""


class Motion:
    """Makes motion of the T frames of a clip.

    Args:
        observations: the clip's.
        settings: how.
    """

    def __init__(self, observations: Observations, settings: Settings) -> None:
        self._time = observations.time
        self._found = observations.found
        self._confidence = np.where(self._found, observations.confidence, 0.0).astype(np.float64)
        self._points = observations.points[:, :IBUG_POINTS].astype(np.float64)
        self._gaze = observations.gaze.astype(np.float64)
        self._settings = settings
        self._line = Timeline.of(self._found, self._time, observations.shot)

    @property
    def parts(self) -> list[Stretch]:
        """The stretches of the clip that are solved at once."""
        return self._line.parts

    def live(self, raw: Trajectory) -> Trajectory:
        """The trajectory of found frames, each solved for itself, as if they came one by one."""
        weights = self._channels(
            self._spread(raw.weights), self._confidence, None, WEIGHT_FILTER, fade_between
        )
        turn, place = _channels_of(raw.pose)
        pose = _pose_of(
            self._held(turn, None, ANGLE_FILTER), self._held(place, None, PLACE_FILTER), raw.pose
        )
        return Trajectory(pose, np.clip(weights, 0.0, 1.0))

    def filled(self, parts: list[Trajectory]) -> Trajectory:
        """One trajectory of all frames from those of the clip's stretches."""
        seen = np.concatenate([np.arange(part.start, part.stop) for part in self.parts])
        weights = np.zeros((len(self._time), parts[0].weights.shape[1]))
        weights[seen] = np.concatenate([part.weights for part in parts])
        pose = Pose.joined([part.pose for part in parts])
        channels = np.zeros((len(self._time), 6))
        channels[seen] = np.hstack(_channels_of(pose))
        channels = hold_between(channels, self._line)
        return Trajectory(
            _pose_of(channels[:, :3], channels[:, 3:], pose),
            fade_between(weights, self._line),
        )

    def gaze(self, weights: np.ndarray) -> np.ndarray:
        """Gaze (T, 2, 2) rad. A closing lid takes the evidence away: weights (S, 52) of the found
        frames."""
        begins, hidden = BLINK_HIDES
        blink = self._spread(weights[:, BLINKS]).mean(axis=1)
        certainty = self._confidence * np.clip((hidden - blink) / (hidden - begins), 0.0, 1.0)
        flat = self._gaze.reshape(len(self._gaze), -1)
        smoothed = self._channels(flat, certainty, ANGLE_NOISE, ANGLE_FILTER, fade_between)
        return smoothed.reshape(self._gaze.shape)

    def points(self) -> np.ndarray:
        """The 68 points (T, 68, 2) in pixels, NaN where not found.

        How the whole face lies in the picture (place, size, roll) is smoothed apart from how its
        points lie in the face: all points tell of the first, which is therefore known so well
        that a camera's shake is followed while the face itself is held still.
        """
        flat = self._points @ [1.0, 1.0j]  # x + iy: a similarity is a product and a sum
        seen = flat[self._found]
        size = float(np.median(np.ptp(seen.real, axis=1) * np.ptp(seen.imag, axis=1)) ** 0.5)
        shape = seen[0] - seen[0].mean()
        middle = seen.mean(axis=1)
        zoom = (seen - middle[:, None]) @ shape.conj() / np.vdot(shape, shape).real
        place = middle / size
        turn = np.unwrap(np.angle(zoom))
        lie = np.column_stack([place.real, place.imag, np.log(np.abs(zoom)), turn])
        inner = (seen - middle[:, None]) / zoom[:, None] / size
        x, y, size_log, roll = self._held(lie, LIE_NOISE, PLACE_FILTER).T
        smoothed = np.empty((len(flat), flat.shape[1]), complex)
        for feature in FEATURES:
            both = np.hstack([inner[:, feature].real, inner[:, feature].imag])
            x_part, y_part = np.hsplit(self._held(both, POINT_NOISE, POINT_FILTER), 2)
            smoothed[:, feature] = x_part + 1j * y_part
        smoothed = size * (smoothed * np.exp(size_log + 1j * roll)[:, None] + (x + 1j * y)[:, None])
        points = np.stack([smoothed.real, smoothed.imag], axis=-1)
        points[~self._found] = np.nan
        return points

    def _held(self, seen: np.ndarray, noise: Noise, live_filter: OneEuro) -> np.ndarray:
        """Rows of the found frames, smoothed; in all frames, held where none is found."""
        return self._channels(
            self._spread(seen), self._confidence, noise, live_filter, hold_between
        )

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Rows of the found frames in their places, zeros elsewhere."""
        table = np.zeros((len(self._found), values.shape[1]))
        table[self._found] = values
        return table

    def _channels(
        self,
        values: np.ndarray,
        certainty: np.ndarray,
        noise: Noise | None,
        live_filter: OneEuro,
        fill: Fill,
    ) -> np.ndarray:
        """Smooth (T, C); within a stretch short gaps are bridged, between stretches ``fill``.

        noise: for the smoother of takes; None for what is only smoothed live.
        """
        values = np.where(self._found[:, None], values, 0.0).astype(np.float64)
        smoothed = np.zeros_like(values)
        for part in self.parts:
            rows = part.slice
            if self._settings.quality is Quality.LIVE:
                smoothed[rows] = live_filter(values[rows], self._found[rows], self._time[rows])
            else:
                smoothed[rows] = smooth(
                    values[rows], certainty[rows], self._time[rows], noise, self._settings.smoothing
                )
        return fill(smoothed, self._line)


def _channels_of(pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """(T, 3), (T, 3): rotations as vectors in the tangent space of the first one; positions as
    direction and logarithm of the distance, so that the distance, which is known least, does not
    shake the picture."""
    rotations = Rotation.from_matrix(pose.rotation)
    x, y, z = pose.position.T
    return (rotations[0].inv() * rotations).as_rotvec(), np.column_stack([x / z, y / z, np.log(z)])


def _pose_of(turn: np.ndarray, place: np.ndarray, origin: Pose) -> Pose:
    """The pose of such channels (T, 3), (T, 3), the tangent space that of ``origin``."""
    rotation = origin.rotation[0] @ Rotation.from_rotvec(turn).as_matrix()
    distance = np.exp(place[:, 2:])
    return Pose(rotation, np.column_stack([place[:, :2], np.ones(len(place))]) * distance)
