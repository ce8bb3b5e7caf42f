# SPDX-License-Identifier: GPL-3.0-or-later
"""A disc of quads alone: a square grid whose squares become circles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Disc:
    """radius (N,) 0…1, azimuth (N,) rad, quads (F,4) anticlockwise, rim (R,) from azimuth 0."""

    radius: np.ndarray
    azimuth: np.ndarray
    quads: np.ndarray
    rim: np.ndarray

    @staticmethod
    def of(rings: int) -> Disc:
        """A disc of so many rings of quads round its centre: its rim has 8 * rings vertices.

        The ring of the square at k steps from the middle becomes the circle of radius k / rings,
        its vertices evenly spaced (Shirley and Chiu's map, 1997).
        """
        y, x = np.mgrid[-rings : rings + 1, -rings : rings + 1]
        ring = np.maximum(np.abs(x), np.abs(y))
        eighth = np.pi / 4 / np.maximum(ring, 1)
        azimuth = np.select(
            [x == ring, y == ring, x == -ring],
            [eighth * y, np.pi / 2 - eighth * x, np.pi - eighth * y], 1.5 * np.pi + eighth * x,
        )  # fmt: skip
        azimuth = (azimuth % (2 * np.pi)).ravel()
        number = np.arange(x.size).reshape(x.shape)
        quads = np.stack(
            [number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], axis=-1
        )
        outer = np.flatnonzero((ring == rings).ravel())
        rim = outer[np.argsort(azimuth[outer], kind="stable")]
        return Disc((ring / rings).ravel(), azimuth, quads.reshape(-1, 4), rim)
