# SPDX-License-Identifier: GPL-3.0-or-later
"""How a person's face is stretched and turned, region by region, against the mean's.

The shapes are drawn on the mean face. On another face the same movement follows that face's own
size and slope: a displacement d of the mean becomes J d, J being the gradient of the deformation
that makes the mean that person (the idea of deformation transfer: Sumner and Popovic, SIGGRAPH
2004). J is taken over regions as wide as a mouth: what a jaw does depends on the face around it,
not on how full the lips are.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

REACH = 0.020  # m, standard deviation of a region
EVERY = 16  # of so many vertices one is the middle of a region
# A region of skin is nearly flat and says little about the stretch across it; so much of its extent
# is added in every direction, which pulls what is unknown towards no stretch.
REGULARISER = 0.03


class Stretch:
    """Linear in the identity, as the displacements that it is the gradient of."""

    def __init__(self, positions: np.ndarray, surface: np.ndarray, basis: np.ndarray):
        """positions (V,3) m of the mean; surface: vertices that are looked at; basis (60,V,3) m."""
        here = positions[surface].astype(float)
        middles = here[::EVERY]
        regions = _gradients(here, basis[:, surface].astype(float), middles)
        share = _shares(positions.astype(float), middles)
        self._basis = (share @ regions.swapaxes(0, 1).reshape(len(middles), -1)).astype(np.float32)
        self._basis = self._basis.reshape(len(positions), len(basis), 9).swapaxes(0, 1).copy()

    def __call__(self, identity: np.ndarray) -> np.ndarray:
        """J (V,3,3) of an identity (60,): rows the movement's direction, columns the place's."""
        change = np.tensordot(np.asarray(identity, np.float32), self._basis, 1)
        return change.reshape(-1, 3, 3) + np.eye(3, dtype=np.float32)


def _gradients(places: np.ndarray, basis: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """Least-squares gradients (60,M,9) about middles (M,3) of displacements (60,N,3) at (N,3)."""
    weight = _shares(middles, places)
    centre = weight @ places
    offset = places - centre[:, None]
    moment = np.einsum("mn,mni,mnj->mij", weight, offset, offset, optimize=True)
    extent = np.trace(moment, axis1=1, axis2=2)[:, None, None]
    inverse = np.linalg.inv(moment + REGULARISER * extent * np.eye(3))
    slope = np.einsum("mn,mni,mij->mnj", weight, offset, inverse, optimize=True)
    gradient = np.einsum("mnj,knc->kmcj", slope, basis, optimize=True)
    return gradient.reshape(len(basis), len(middles), 9)


def _shares(points: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """(N,M) weights, rows summing to one, that fall with the distance."""
    fall = -0.5 * (cdist(points, middles) / REACH) ** 2
    weight = np.exp(fall - fall.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)
