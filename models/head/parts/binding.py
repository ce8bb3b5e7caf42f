# SPDX-License-Identifier: GPL-3.0-or-later
"""Points of the skin as weighted means of its vertices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix


@dataclass(frozen=True)
class Foothold:
    """Places on the skin: vertices (N,3) and their weights (N,3), rows summing to one."""

    vertex: np.ndarray
    weight: np.ndarray

    @staticmethod
    def under(points: np.ndarray, triangles: np.ndarray, positions: np.ndarray) -> Foothold:
        """Where lines along -z through points (N,2) first meet triangles (T,3)."""
        corner = positions[triangles]
        a, b, c = corner.transpose(1, 0, 2)[..., :2]
        area = _cross(b - a, c - a)
        vertex, weight = [], []
        for point in points:
            opposite = [_cross(b - point, c - point), _cross(c - point, a - point),
                        _cross(a - point, b - point)]  # fmt: skip
            share = np.stack(opposite, axis=1) / area[:, None]
            depth = np.einsum("tk,tk->t", share, corner[..., 2])
            first = int(np.where(share.min(axis=1) >= -1e-9, depth, -np.inf).argmax())
            vertex.append(triangles[first])
            weight.append(share[first])
        return Foothold(np.array(vertex), np.array(weight))

    def at(self, values: np.ndarray) -> np.ndarray:
        """Values (V,C) of the vertices, weighted: (N,C)."""
        return np.einsum("nk,nkc->nc", self.weight, values[self.vertex])

    @property
    def nearest_vertex(self) -> np.ndarray:
        """(N,) the vertex of greatest weight."""
        return self.vertex[np.arange(len(self.vertex)), self.weight.argmax(axis=1)]

    def both_sides(self, mirror: np.ndarray) -> Foothold:
        """These places, then their mirror images."""
        return Foothold(np.concatenate([self.vertex, mirror[self.vertex]]),
                        np.concatenate([self.weight, self.weight]))  # fmt: skip

    def operator(self, count: int) -> csr_matrix:
        """(N,count): gives the places' values from those of all vertices."""
        row = np.repeat(np.arange(len(self.vertex)), 3)
        return csr_matrix((self.weight.ravel(), (row, self.vertex.ravel())),
                          shape=(len(self.vertex), count))  # fmt: skip


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
