# SPDX-License-Identifier: GPL-3.0-or-later
"""Faces of the mesh that cross themselves, and how they are straightened.

In the corners of eyes and mouth faces are smaller than a millimetre, and what moves the lids and
lips by centimetres can turn one of them over itself. Their vertices are drawn to the middle of
their neighbours until none does.
"""

import numpy as np
from scipy.sparse import csr_array

ROUNDS = 60
WIDEN_EVERY = 15  # rounds after which the neighbours of what is still crossed move along
PULL = 0.35  # of the way to the neighbours' middle, a round


class Mender:
    """For one surface of quads (F,4) in meshes of V vertices."""

    def __init__(self, quads: np.ndarray, vertices: int):
        self.quads = quads
        edges = np.concatenate([quads, np.roll(quads, 1, axis=1)]).ravel()
        ends = np.concatenate([np.roll(quads, 1, axis=1), quads]).ravel()
        different = edges != ends  # a triangle repeats its last corner
        pairs = np.unique(np.stack([edges, ends])[:, different], axis=1)
        share = 1 / np.bincount(pairs[0], minlength=vertices)[pairs[0]]
        self._middle = csr_array((share, pairs), (vertices, vertices))

    def mend(self, pose: np.ndarray) -> np.ndarray:
        """A pose (V,3) without faces that cross themselves, as far as ROUNDS go."""
        suspects = np.flatnonzero(crossed(self.quads, pose))
        if not len(suspects):
            return pose
        pose = pose.copy()
        # What is mended may push a neighbour over: they are watched as well.
        near = suspects
        for _ in range(ROUNDS // WIDEN_EVERY):
            near = np.flatnonzero(np.isin(self.quads, self.quads[near]).any(axis=1))
        for done in range(ROUNDS):
            bad = near[crossed(self.quads[near], pose)]
            if not len(bad):
                break
            moved = np.unique(self.quads[bad])
            for _ in range(done // WIDEN_EVERY):
                moved = np.unique(self.quads[np.isin(self.quads, moved).any(axis=1)])
            pose[moved] += PULL * (self._middle[moved] @ pose - pose[moved])
        return pose


def crossed(quads: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """(F,) whether two corners of a quad turn against the other two; pose (V,3).

    One such corner makes a dart, which is still a face.
    """
    a, b, c, d = np.moveaxis(pose[quads], 1, 0)
    normal = _cross(c - a, d - b)
    against = np.zeros(len(quads), np.int8)
    for before, here, after in ((d, a, b), (a, b, c), (b, c, d), (c, d, a)):
        against += (_cross(after - here, before - here) * normal).sum(axis=1) < 0
    return against >= 2


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """np.cross for (N,3), which is several times slower."""
    x, y, z = a.T
    u, v, w = b.T
    return np.stack([y * w - z * v, z * u - x * w, x * v - y * u], axis=1)
