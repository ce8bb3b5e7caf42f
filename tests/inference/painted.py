# SPDX-License-Identifier: GPL-3.0-or-later
"""A face of three coloured discs, and a network that knows it: footage with a known truth for
tests of detection, tracking and the whole capture, that need no trained weights.

The discs lie at the mean head's eyes (red on the picture's left, green on its right) and mouth
(blue); how bright blue is says how far the jaw is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from inference.crop import CROP_SIZE
from inference.network import Prediction
from models.head import SHAPE_NAMES, load_head

JAW_OPEN = SHAPE_NAMES.index("jawOpen")
DARKEST, BRIGHTEST = 120, 250
FACING = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Placed:
    """Where the face is: centre (2,) px, size (px a metre), roll (rad), jaw 0 to 1."""

    centre: tuple[float, float]
    size: float = 900.0
    roll: float = 0.0
    jaw: float = 0.0

    @property
    def points(self) -> np.ndarray:
        """(P, 2) frame pixels."""
        return self.to_frame(layout())

    def to_frame(self, points: np.ndarray) -> np.ndarray:
        cosine, sine = np.cos(self.roll), np.sin(self.roll)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        return points @ turn.T * self.size + np.array(self.centre)


@cache
def layout() -> np.ndarray:
    """(P, 2) metres, x right and y down: the mean head's points seen from the front, far away."""
    head = load_head()
    return head.mean[head.point_vertices][:, :2] * [1.0, -1.0]


def anchors(points: np.ndarray) -> np.ndarray:
    """(3, 2): the middles of both eyes and of the mouth, of points (P, 2)."""
    return np.stack([points[36:42].mean(0), points[42:48].mean(0), points[48:68].mean(0)])


def paint(width: int, height: int, *faces: Placed) -> np.ndarray:
    """(H, W, 3) uint8 RGB: faces on grey."""
    image = np.full((height, width, 3), 60, np.uint8)
    for face in faces:
        blue = int(DARKEST + face.jaw * (BRIGHTEST - DARKEST))
        for place, colour in zip(
            anchors(face.points), ((BRIGHTEST, 0, 0), (0, BRIGHTEST, 0), (0, 0, blue)), strict=True
        ):
            radius = max(2, round(0.014 * face.size))
            shift = 4  # OpenCV's fixed point: sixteenths of a pixel
            centre = tuple(int(round(value * 2**shift)) for value in place)
            cv2.circle(image, centre, radius << shift, colour, -1, cv2.LINE_AA, shift)
    return image


class PaintedNetwork:
    """Stands in for :class:`inference.network.Network`; counts the crops it has looked at."""

    device = "cpu"
    name = "painted"
    sha256 = "0" * 64

    def __init__(self) -> None:
        self.crops = 0

    def __call__(self, crops: np.ndarray) -> Prediction:
        self.crops += len(crops)
        answers = [self._look(crop) for crop in crops]
        return Prediction(*(np.stack(values).astype(np.float32) for values in zip(*answers)))

    @staticmethod
    def _look(crop: np.ndarray) -> tuple:
        seen, brightness = _discs(crop)
        points, rotation = layout(), FACING
        expression = np.zeros(len(SHAPE_NAMES))
        if seen is not None:
            if _is_mirrored(seen):  # a face it is all the same, its eyes exchanged
                seen = seen[[1, 0, 2]]
            fit = _similarity(anchors(points), seen)
            points = points @ fit[:2] + fit[2]
            roll = np.arctan2(fit[0, 1], fit[0, 0])
            rotation = Rotation.from_rotvec([0, 0, roll]).as_matrix() @ FACING
            expression[JAW_OPEN] = np.clip(
                (brightness - DARKEST) / (BRIGHTEST - DARKEST), 0.0, 1.0
            )
        return (
            points,
            np.full(len(points), 0.01),
            np.zeros(60),
            expression,
            np.zeros((2, 2)),
            rotation,
            0.0 if seen is None else 0.99,
        )


def _discs(crop: np.ndarray) -> tuple[np.ndarray | None, float]:
    """Middles (3, 2) of the discs in crop coordinates, None where one is missing; blue's level."""
    grey = crop.astype(float).mean(axis=2, keepdims=True)
    excess = np.clip(crop - grey - 40.0, 0.0, None)
    rows, columns = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    middles = []
    for channel in range(3):
        weight = excess[..., channel]
        if weight.sum() < 300.0:
            return None, 0.0
        pixel = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
        middles.append((pixel + 0.5) * 2 / CROP_SIZE - 1)
    return np.stack(middles), float(np.percentile(crop[..., 2][excess[..., 2] > 0], 90))


def _is_mirrored(seen: np.ndarray) -> bool:
    """Whether red, green and blue (3, 2) turn the other way than on a face."""
    across, down = seen[1] - seen[0], seen[2] - seen[0]
    return bool(across[0] * down[1] - across[1] * down[0] < 0)


def _similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 2): rows of a 2x2 matrix and an offset, so that points @ m[:2] + m[2] fits best."""
    middle, onto = source.mean(0), target.mean(0)
    a = (source - middle) @ [1, 1j]
    b = (target - onto) @ [1, 1j]
    turn = np.vdot(a, b) / np.vdot(a, a)
    matrix = np.array([[turn.real, turn.imag], [-turn.imag, turn.real]])
    return np.vstack([matrix, onto - middle @ matrix])
