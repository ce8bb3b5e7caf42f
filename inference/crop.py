# SPDX-License-Identifier: GPL-3.0-or-later
"""The square cut-out of a frame that the network looks at.

Everything that depends on the crop convention is here: where it lies, how it is cut, and how its
coordinates convert to the frame's.

Frame coordinates are pixels, x right, y down, the centre of the top-left pixel at (0, 0). Crop
coordinates u run over [-1, 1]: -1 and +1 are the outer edges of the first and the last pixel, so
that pixel = (u + 1) * size / 2 - 0.5 whatever the size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

CROP_SIZE = 128
"""Side of the network's picture, in pixels."""

CROP_MARGIN = 1.4
"""Side of the crop over the longer side of the 68 points' box. Shared with training."""

EYE_PICTURE_LEFT = slice(36, 42)
EYE_PICTURE_RIGHT = slice(42, 48)
"""The iBUG points of the two eyes, by where they appear in a picture of an upright face."""

MAX_SUPERSAMPLING = 8
"""Largest faces are read at this many samples a pixel and axis; beyond, the gain is not seen."""


@dataclass(frozen=True)
class Crop:
    """A rotated square in the frame.

    Attributes:
        centre: (2,) float64, frame pixels.
        side: length of a side, frame pixels.
        roll: radians; the angle from the frame's x axis to the crop's x axis, clockwise on screen.
    """

    centre: np.ndarray
    side: float
    roll: float = 0.0

    @classmethod
    def from_points(cls, points68: np.ndarray) -> Crop:
        """The crop that holds a face upright, from its 68 iBUG points (68, 2) in frame pixels."""
        points68 = np.asarray(points68, np.float64)
        eyes = points68[EYE_PICTURE_RIGHT].mean(0) - points68[EYE_PICTURE_LEFT].mean(0)
        roll = float(np.arctan2(eyes[1], eyes[0]))
        turn = rotation_2d(roll)
        upright = points68 @ turn
        low, high = upright.min(0), upright.max(0)
        return cls(turn @ ((low + high) / 2), CROP_MARGIN * float((high - low).max()), roll)

    @classmethod
    def from_box(cls, x: float, y: float, width: float, height: float, roll: float = 0.0) -> Crop:
        """The crop around a box of the 68 points: its top-left corner and size in frame pixels."""
        centre = np.array([x + width / 2, y + height / 2], np.float64)
        return cls(centre, CROP_MARGIN * max(width, height), roll)

    def to_frame(self, crop_points: np.ndarray) -> np.ndarray:
        """Crop coordinates u (..., 2) to frame pixels (..., 2)."""
        return np.asarray(crop_points) @ rotation_2d(self.roll).T * (self.side / 2) + self.centre

    def to_crop(self, frame_points: np.ndarray) -> np.ndarray:
        """Frame pixels (..., 2) to crop coordinates u (..., 2)."""
        offset = np.asarray(frame_points) - self.centre
        return offset @ rotation_2d(self.roll) / (self.side / 2)

    def cut(self, image: np.ndarray, size: int = CROP_SIZE) -> np.ndarray:
        """Resample the crop from ``image`` (H, W, 3) uint8 to (size, size, 3) uint8.

        What lies outside the frame repeats the frame's border. Crops larger than ``size`` are
        read at several samples a pixel and averaged, so that fine texture does not alias.
        """
        supersampling = int(np.clip(np.round(self.side / size), 1, MAX_SUPERSAMPLING))
        fine = size * supersampling
        to_frame = rotation_2d(self.roll) * (self.side / fine)
        origin = self.centre - to_frame @ np.full(2, (fine - 1) / 2)
        picture = cv2.warpAffine(
            image,
            np.column_stack([to_frame, origin]),
            (fine, fine),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if supersampling > 1:
            picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
        return picture


def rotation_2d(angle: float) -> np.ndarray:
    """(2, 2) float64: turns x to y by ``angle`` radians (clockwise on screen, y being down)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, -sine], [sine, cosine]])
