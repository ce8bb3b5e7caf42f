# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells one person from another by what the network says of a face's identity."""

from __future__ import annotations

import numpy as np

from inference.face import Face

SCATTER_FRAMES = 30
"""Frames after which a person's own scatter counts as much as what is usual."""

OUTLYING = 3.0
"""Scatters beyond which a frame moves the mean no further."""


class Person:
    """Who is followed: a running, robust mean of the network's identity, and the scatter about it.

    Args:
        scatter: the usual distance of one frame's identity from the mean, in the network's unit.
        memory: frames over which the mean is taken; None takes all.
    """

    def __init__(self, scatter: float, memory: int | None = None) -> None:
        self._memory = np.inf if memory is None else memory
        self._mean: np.ndarray | None = None
        self._weight = 0.0
        self._squares = SCATTER_FRAMES * scatter**2
        self._count = float(SCATTER_FRAMES)

    @property
    def is_known(self) -> bool:
        """Whether a face of this person has been seen."""
        return self._mean is not None

    def distance(self, face: Face) -> float:
        """From the mean to the identity of ``face``, in scatters; 0 while none is known."""
        if self._mean is None:
            return 0.0
        scatter = np.sqrt(self._squares / self._count)
        return float(np.linalg.norm(face.prediction.identity[0] - self._mean) / scatter)

    def learn(self, face: Face) -> None:
        """Take ``face`` for a view of this person; a good view counts for more."""
        identity = face.prediction.identity[0].astype(np.float64)
        if self._mean is None:
            self._mean = identity
        off = identity - self._mean
        off *= OUTLYING / max(self.distance(face), OUTLYING)
        self._weight = min(self._weight + face.quality, self._memory)
        self._mean = self._mean + off * (face.quality / self._weight)
        self._squares += face.quality * float(off @ off)
        self._count += face.quality
