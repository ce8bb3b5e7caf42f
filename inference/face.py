# SPDX-License-Identifier: GPL-3.0-or-later
"""A face in a frame, as the network sees it through a crop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference.crop import Crop
from inference.network import Network, Prediction

IBUG_POINTS = 68

SIGMA_SCALE = 0.08
"""Mean standard deviation of the points, in face sizes, at which trust in them is down to 1/e:
about a third of the distance between the eyes."""


@dataclass(frozen=True)
class Face:
    """What the network says about one crop of a frame.

    Attributes:
        crop: where it looked.
        prediction: its answer, a batch of one.
        points: (P, 2) float64 frame pixels.
        sigma: (P,) float64 standard deviation of the points, pixels.
    """

    crop: Crop
    prediction: Prediction
    points: np.ndarray
    sigma: np.ndarray

    @property
    def points68(self) -> np.ndarray:
        """(68, 2) float64 frame pixels."""
        return self.points[:IBUG_POINTS]

    @property
    def probability(self) -> float:
        """That the crop holds a face at all."""
        return float(self.prediction.face[0])

    @property
    def quality(self) -> float:
        """How good this view of a face is, 0 to 1: a face, and its points are sure."""
        spread = float(self.sigma.mean()) / (SIGMA_SCALE * max(self.size, 1.0))
        return self.probability * float(np.exp(-(spread**2)))

    @property
    def next_crop(self) -> Crop:
        """The crop that the predicted points ask for."""
        return Crop.from_points(self.points68)

    @property
    def centre(self) -> np.ndarray:
        """(2,) centre of the box of the 68 points, frame pixels."""
        return (self.points68.min(0) + self.points68.max(0)) / 2

    @property
    def size(self) -> float:
        """Side of the square with the area of the 68 points' box, pixels."""
        return float(np.sqrt(np.prod(np.ptp(self.points68, axis=0))))


def look(network: Network, image: np.ndarray, crops: Sequence[Crop]) -> list[Face]:
    """Run the network on crops of ``image`` (H, W, 3) uint8 RGB; one Face a crop, in order."""
    if not crops:
        return []
    predictions = network(np.stack([crop.cut(image) for crop in crops]))
    return [
        Face(
            crop,
            prediction,
            crop.to_frame(prediction.points[0].astype(np.float64)),
            prediction.point_sigma[0].astype(np.float64) * (crop.side / 2),
        )
        for crop, prediction in (
            (crop, predictions[i : i + 1]) for i, crop in enumerate(crops)
        )
    ]
