# SPDX-License-Identifier: GPL-3.0-or-later
"""The raw answers of all frames made into motion: smoothed, gaps bridged or faded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial.transform import Rotation

from inference.gaps import Stretch, fade_between, hold_between, stretches
from inference.smooth import Noise, OneEuro, smooth
from inference.solve.pose import Pose
from inference.solve.settings import Quality, Settings
from models.head import SHAPE_NAMES

Fill = Callable[[np.ndarray, list[Stretch], np.ndarray], np.ndarray]


BLINKS = np.array([SHAPE_NAMES.index("eyeBlinkLeft"), SHAPE_NAMES.index("eyeBlinkRight")])

BLINK_HIDES = (0.3, 0.7)
"""Weight of a blink at which the eye begins to be hidden, and from which on nothing is seen of its
gaze: what the network then says is guesswork."""

LOOKS = np.array([i for i, name in enumerate(SHAPE_NAMES) if name.startswith("eyeLook")])
"""Shapes of the lids that follow the gaze and nothing else."""

WEIGHT_NOISE = Noise(0.005, 0.015)
ANGLE_NOISE = Noise(np.deg2rad(0.05), np.deg2rad(1.0))
PLACE_NOISE = Noise(1e-4, 3e-3)
POINT_NOISE = Noise(3e-4, 3e-3)
LIE_NOISE = Noise(5e-5, 1.5e-3)
"""Of shape weights; of angles; of the head's place relative to its distance; of points in face
sizes; of the whole face's lie in the picture, in face sizes and radians. Less is nothing that can
be seen, more is motion."""

WEIGHT_FILTER = OneEuro(cutoff=1.5, slope=8.0)
ANGLE_FILTER = OneEuro(cutoff=1.0, slope=12.0)
PLACE_FILTER = OneEuro(cutoff=1.0, slope=30.0)
POINT_FILTER = OneEuro(cutoff=1.5, slope=6.0)
"""For live quality: calm at rest, and open within two frames at the speed of a blink (8 a second),
of a nod (2 rad/s), of a step aside."""


class Motion:
    """Smooths channels of one clip.

    Args:
        time: (T,) seconds.
        found: (T,) bool.
        confidence: (T,) 0 to 1.
        settings: how.
    """

    def __init__(
        self, time: np.ndarray, found: np.ndarray, confidence: np.ndarray, settings: Settings
    ) -> None:
        self._time = time
        self._found = found
        self._confidence = np.where(found, confidence, 0.0).astype(np.float64)
        self._settings = settings
        self._parts = stretches(found, time)

    def weights(self, raw: np.ndarray) -> np.ndarray:
        """Shape weights (T, 52) in [0, 1] from raw ones, which are ignored where not found."""
        smoothed = np.empty(raw.shape)
        for shape in range(raw.shape[1]):
            smoothed[:, [shape]] = self._channels(
                raw[:, [shape]], self._confidence, WEIGHT_NOISE, WEIGHT_FILTER, fade_between
            )
        return np.clip(smoothed, 0.0, 1.0)

    def gaze(self, raw: np.ndarray, weights_raw: np.ndarray) -> np.ndarray:
        """Gaze (T, 2, 2) rad; a closing lid takes the evidence away."""
        begins, hidden = BLINK_HIDES
        blink = np.nan_to_num(weights_raw[:, BLINKS]).mean(axis=1)
        certainty = self._confidence * np.clip((hidden - blink) / (hidden - begins), 0.0, 1.0)
        flat = raw.reshape(len(raw), -1)
        smoothed = self._channels(flat, certainty, ANGLE_NOISE, ANGLE_FILTER, fade_between)
        return smoothed.reshape(raw.shape)

    def pose(self, raw: Pose) -> Pose:
        """Poses of T frames.

        Rotations are smoothed as vectors in the tangent space of one that they lie around;
        positions as direction and logarithm of the distance, so that the distance, which is
        known least, does not shake the picture.
        """
        rotations = Rotation.from_matrix(raw.rotation[self._found])
        live = self._settings.quality is Quality.LIVE
        middle = rotations[0] if live else rotations.mean()
        turn = self._held((middle.inv() * rotations).as_rotvec(), ANGLE_NOISE, ANGLE_FILTER)
        x, y, z = raw.position[self._found].T
        place = self._held(np.column_stack([x / z, y / z, np.log(z)]), PLACE_NOISE, PLACE_FILTER)
        rotation = (middle * Rotation.from_rotvec(turn)).as_matrix()
        distance = np.exp(place[:, 2:])
        position = np.column_stack([place[:, :2], np.ones(len(place))]) * distance
        return Pose(rotation, position)

    def points(self, raw: np.ndarray) -> np.ndarray:
        """Points (T, 68, 2) in pixels, NaN where not found.

        How the whole face lies in the picture (place, size, roll) is smoothed apart from how its
        points lie in the face: all points tell of the first, which is therefore known so well
        that a camera's shake is followed while the face itself is held still.
        """
        flat = raw @ [1.0, 1.0j]  # x + iy: a similarity is a product and a sum
        seen = flat[self._found]
        size = float(np.median(np.ptp(seen.real, axis=1) * np.ptp(seen.imag, axis=1)) ** 0.5)
        shape = seen[0] - seen[0].mean()
        middle = seen.mean(axis=1)
        zoom = (seen - middle[:, None]) @ shape.conj() / np.vdot(shape, shape).real
        lie = np.column_stack(
            [middle.real / size, middle.imag / size, np.log(np.abs(zoom)), np.unwrap(np.angle(zoom))]
        )
        inner = (seen - middle[:, None]) / zoom[:, None] / size
        x, y, size_log, roll = self._held(lie, LIE_NOISE, PLACE_FILTER).T
        smoothed = np.empty((len(raw), raw.shape[1]), complex)
        for point in range(raw.shape[1]):
            pair = np.column_stack([inner[:, point].real, inner[:, point].imag])
            smoothed[:, point] = self._held(pair, POINT_NOISE, POINT_FILTER) @ [1.0, 1.0j]
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
        noise: Noise,
        live_filter: OneEuro,
        fill: Fill,
    ) -> np.ndarray:
        """Smooth (T, C); within a stretch short gaps are bridged, between stretches ``fill``."""
        values = np.where(self._found[:, None], values, 0.0).astype(np.float64)
        smoothed = np.zeros_like(values)
        for part in self._parts:
            rows = part.slice
            if self._settings.quality is Quality.LIVE:
                smoothed[rows] = live_filter(values[rows], self._found[rows], self._time[rows])
            else:
                smoothed[rows] = smooth(
                    values[rows], certainty[rows], self._time[rows], noise, self._settings.smoothing
                )
        return fill(smoothed, self._parts, self._time)
