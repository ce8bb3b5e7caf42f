# SPDX-License-Identifier: GPL-3.0-or-later
"""What the solve compares: seen points with their weights, and the model's points."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from inference.face import IBUG_POINTS
from inference.observations import Observations
from inference.solve.camera import Camera
from models.head import Head, PersonPoints, load_head

SLIDING_POINTS = 17
"""The first points lie on the visible outline of the jaw, which is no fixed place on the skin."""

MODEL_ERROR = 0.012
"""Standard deviation, in face sizes, that the model's points keep however sure the network is:
the head is a model, and so is the lens."""

DENSE_STEP = 2
"""Of the points beyond the 68, one in so many is asked: neighbours tell the same, and all of them
change no figure of `evaluate stability` by more than a hundredth."""

CORRELATED_POINTS = 4.5
"""Neighbouring points err together: so many of them tell as much as one."""

ROBUST_SCALE = 2.5
"""Residual, in standard deviations, at which a point counts half (Cauchy's weight)."""


@dataclass(frozen=True)
class Evidence:
    """N points that are fixed on the skin, seen in T frames.

    Attributes:
        camera: the clip's.
        pixels: (T, N, 2) float64 frame pixels.
        sigma: (T, N) float64 pixels, the model's own error included.
        vertices: (N,) of the head, which the points are.
        identity_basis: (60, N, 3) float64 metres in head space.
    """

    camera: Camera
    pixels: np.ndarray
    sigma: np.ndarray
    head: Head
    vertices: np.ndarray
    identity_basis: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, frames: slice | np.ndarray) -> Evidence:
        """The evidence of some frames."""
        return replace(self, pixels=self.pixels[frames], sigma=self.sigma[frames])

    def person(self, identity: np.ndarray) -> PersonPoints:
        """The person of an identity (60,) at these points."""
        return self.head.person(identity).at(self.vertices)

    def weight(self, residual: np.ndarray) -> np.ndarray:
        """(T, N) weight, 1/pixel², of residuals (T, N, 2) in pixels: certainty, and not far off.

        Residuals are measured against the frame's own level of error where that is above what
        sigma says, so that a face that fits badly throughout still has its outliers sorted out.
        """
        normalised = self._normalised(residual)
        level = np.maximum(1.0, np.median(normalised, axis=1, keepdims=True))
        robust = 1.0 / (1.0 + (normalised / (ROBUST_SCALE * level)) ** 2)
        return robust / (CORRELATED_POINTS * (level * self.sigma) ** 2)

    def cost(self, residual: np.ndarray) -> np.ndarray:
        """(T,) what residuals (T, N, 2) in pixels cost: Cauchy's, the same level for all frames."""
        relative = self._normalised(residual) / ROBUST_SCALE
        each = 0.5 * ROBUST_SCALE**2 * np.log1p(relative**2)
        return each.sum(axis=1) / CORRELATED_POINTS

    def _normalised(self, residual: np.ndarray) -> np.ndarray:
        return np.linalg.norm(residual, axis=-1) / self.sigma


def head_rotation(observations: Observations, camera: Camera) -> np.ndarray:
    """(S, 3, 3) float64 head to camera by the network, of the S frames that show the face."""
    ray = camera.ray_rotation(observations.view_centre[observations.found])
    return ray @ observations.view_rotation[observations.found].astype(np.float64)


def gather(observations: Observations, camera: Camera, head: Head | None = None) -> Evidence:
    """The evidence in the frames that show a face."""
    head = head or load_head()
    fixed = np.r_[SLIDING_POINTS:IBUG_POINTS, IBUG_POINTS : len(head.point_vertices) : DENSE_STEP]
    points = observations.points[observations.found].astype(np.float64)
    sigma = observations.sigma[observations.found].astype(np.float64)
    size = np.sqrt(np.prod(np.ptp(points[:, :IBUG_POINTS], axis=1), axis=-1))
    vertices = head.point_vertices[fixed]
    return Evidence(
        camera,
        points[:, fixed],
        np.hypot(sigma[:, fixed], MODEL_ERROR * size[:, None]),
        head,
        vertices,
        head.identity_basis[:, vertices].astype(np.float64),
    )
