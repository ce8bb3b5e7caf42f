# SPDX-License-Identifier: GPL-3.0-or-later
"""The pinhole camera: from camera space (metres, x right, y down, z forward) to frame pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """A pinhole without distortion.

    Attributes:
        focal: pixels, the same for x and y.
        principal: (2,) float64 frame pixels, where the axis meets the picture.
    """

    focal: float
    principal: np.ndarray

    @classmethod
    def of_picture(cls, width: int, height: int, focal: float) -> Camera:
        """With the axis through the middle; focal length over the picture's longer side."""
        return cls(focal * max(width, height), np.array([(width - 1) / 2, (height - 1) / 2]))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Camera space (..., 3) to frame pixels (..., 2)."""
        return self.focal * points[..., :2] / points[..., 2:] + self.principal

    def projection_jacobian(self, points: np.ndarray) -> np.ndarray:
        """(..., 2, 3): how the pixel moves when the point (..., 3) does."""
        x, y, z = np.moveaxis(points, -1, 0)
        scale, zero = self.focal / z, np.zeros_like(z)
        rows = [[scale, zero, -scale * x / z], [zero, scale, -scale * y / z]]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    def ray_rotation(self, pixels: np.ndarray) -> np.ndarray:
        """(..., 3, 3): the smallest rotation that takes +z to the ray through pixels (..., 2)."""
        offset = (np.asarray(pixels, np.float64) - self.principal) / self.focal
        ray = np.concatenate([offset, np.ones_like(offset[..., :1])], axis=-1)
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        x, y, z = np.moveaxis(ray, -1, 0)
        # Rodrigues' formula for the axis (-y, x, 0) and the cosine z.
        share = 1.0 / (1.0 + z)
        rows = [
            [1.0 - share * x * x, -share * x * y, x],
            [-share * x * y, 1.0 - share * y * y, y],
            [-x, -y, z],
        ]
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
