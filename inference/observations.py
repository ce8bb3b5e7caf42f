# SPDX-License-Identifier: GPL-3.0-or-later
"""What tracking saw, frame by frame: the evidence that the solve works from."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

STORED_STEP = 1 / 64
"""Pixels to which stored points are rounded: far below their noise, and half the size."""

PREFIX = "seen_"
"""Of the names that observations have in a file."""


@dataclass(frozen=True)
class Observations:
    """One person's face over T frames, P tracked points a frame.

    Rows without a face (``found`` False) hold NaN in all but ``time``, ``frame`` and
    ``confidence`` (0).

    Attributes:
        width, height: of the picture, pixels.
        time: (T,) float64 seconds on the footage's clock.
        frame: (T,) int32 index in the footage.
        found: (T,) bool.
        confidence: (T,) float32, 0 to 1.
        points: (T, P, 2) float32 frame pixels, the first 68 the iBUG points.
        sigma: (T, P) float32 standard deviation of a point, in pixels, on each axis.
        identity: (T, 60) float32, the network's view of it from this frame alone.
        expression: (T, 52) float32, the network's, 0 to 1.
        gaze: (T, 2, 2) float32 radians, rows left and right eye, columns yaw and pitch.
        view_rotation: (T, 3, 3) float32 head to the view along the ray through ``view_centre``.
        view_centre: (T, 2) float32 frame pixels: the centre of the crop the network saw.
        shot: (T,) int32 number of the uninterrupted shot; 0 at first, one more after each cut.
    """

    width: int
    height: int
    time: np.ndarray
    frame: np.ndarray
    found: np.ndarray
    confidence: np.ndarray
    points: np.ndarray
    sigma: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray
    view_rotation: np.ndarray
    view_centre: np.ndarray
    shot: np.ndarray

    def __len__(self) -> int:
        return len(self.time)

    def __getitem__(self, rows: slice | np.ndarray) -> Observations:
        """Some of the frames."""
        own = {
            field.name: getattr(self, field.name)[rows]
            for field in fields(self)
            if field.name not in ("width", "height")
        }
        return replace(self, **own)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """What a file keeps so that the clip can be solved again without the footage."""
        names = [field.name for field in fields(self)]
        arrays = {PREFIX + name: np.asarray(getattr(self, name)) for name in names}
        points = np.round(self.points / STORED_STEP) * STORED_STEP
        return arrays | {PREFIX + "points": points.astype(np.float32)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Observations:
        """The observations among a file's arrays. Raises KeyError where one is missing.

        Files from before cuts were looked for have no ``shot``: they hold a single one.
        """
        single = np.zeros(np.shape(arrays[PREFIX + "time"]), np.int32)
        arrays = {PREFIX + "shot": single} | arrays
        named = {field.name: arrays[PREFIX + field.name] for field in fields(cls)}
        return cls(**named | {"width": int(named["width"]), "height": int(named["height"])})
