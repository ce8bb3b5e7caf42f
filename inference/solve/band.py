# SPDX-License-Identifier: GPL-3.0-or-later
"""Least squares over time: equations of every frame, coupled by penalties on differences.

Differences of first and second order couple frames no further than two apart. So the matrix is a
band of 2U + 1 diagonals for U unknowns a frame, and LAPACK solves it in time and memory that grow
with the number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

REACH = 2
"""Frames that equations couple at most."""

HELD = 1e12
"""Curvature, relative to what is usual, that pins an unknown to its bound: beyond all evidence."""


class Difference:
    """A difference over time of T rows of unknowns.

    Row i of the result is the sum over j of ``coefficients[i, j]`` times row i + j.

    Args:
        coefficients: (T - n, n + 1) for the n-th difference, n at most REACH.
    """

    def __init__(self, coefficients: np.ndarray) -> None:
        self._coefficients = coefficients[..., None]

    @property
    def order(self) -> int:
        return self._coefficients.shape[1] - 1

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """(T - n, U) of rows (T, U)."""
        count = len(self._coefficients)
        return sum(
            self._coefficients[:, j] * rows[j : j + count] for j in range(self.order + 1)
        )

    def slope(self, penalised: np.ndarray) -> np.ndarray:
        """(T, U): how the rows feel forces (T - n, U) on their differences; the transpose."""
        count, unknowns = penalised.shape
        slope = np.zeros((count + self.order, unknowns))
        for j in range(self.order + 1):
            slope[j : j + count] += self._coefficients[:, j] * penalised
        return slope

    def add_curvature(self, band: np.ndarray, penalty: np.ndarray) -> None:
        """Add the curvature of penalties (T - n, U) to a band (2U + 1, U, T)."""
        count, unknowns = penalty.shape
        for first in range(self.order + 1):
            for second in range(first, self.order + 1):
                row = (REACH - (second - first)) * unknowns
                product = penalty * self._coefficients[:, first] * self._coefficients[:, second]
                band[row, :, second : second + count] += product.T


@dataclass(frozen=True)
class Penalty:
    """Squares of a difference of the unknowns: strength (T - n, U), and the difference's value
    (T - n, U) where the step is zero."""

    difference: Difference
    strength: np.ndarray
    value: np.ndarray


class Band:
    """Quadratics of T frames of U unknowns, for a step within bounds.

    Bounds are kept by an active set: an unknown that a solution takes beyond a bound is held there
    in the next one, and let go where everything pulls it back. The set outlives the call, so that
    solutions under slowly changing penalties refine it.

    Args:
        left, right: (T, U, U), (T, U) the quadratics.
        lower, upper: (T, U) the bounds of the step; infinite where there is none.
    """

    def __init__(
        self, left: np.ndarray, right: np.ndarray, lower: np.ndarray, upper: np.ndarray
    ) -> None:
        self._left = left
        self._right = right
        self._lower = lower
        self._upper = upper
        self._below = np.zeros(right.shape, bool)
        self._above = np.zeros(right.shape, bool)
        frames, unknowns = right.shape
        self._held = HELD * np.einsum("tuu->u", left) / frames
        # LAPACK's upper form: element (i, j) of the matrix lies in row 2U + i - j of column j.
        self._band = np.zeros((REACH * unknowns + 1, unknowns, frames), order="F")
        for offset in range(unknowns):
            rows = np.arange(unknowns - offset)
            self._band[REACH * unknowns - offset, offset:] = left[:, rows, rows + offset].T

    def solve(self, penalties: list[Penalty]) -> np.ndarray:
        """(T, U): the best step under the penalties, the unknowns of the active set held."""
        frames, unknowns = self._right.shape
        band, right = self._band.copy(order="F"), self._right.copy()
        for penalty in penalties:
            penalty.difference.add_curvature(band, penalty.strength)
            right -= penalty.difference.slope(penalty.strength * penalty.value)
        is_held = self._below | self._above
        bound = np.where(self._above, self._upper, self._lower)
        band[-1] += (self._held * is_held).T
        step = solveh_banded(
            band.reshape(REACH * unknowns + 1, -1, order="F"),
            np.where(is_held, self._held * np.where(is_held, bound, 0.0), right).reshape(-1),
            overwrite_ab=True, overwrite_b=True, check_finite=False,
        ).reshape(frames, unknowns)  # fmt: skip
        push = self._right_after(step)
        for penalty in penalties:
            difference = penalty.difference(step) + penalty.value
            push -= penalty.difference.slope(penalty.strength * difference)
        self._below = np.where(self._below, push < 0.0, step < self._lower)
        self._above = np.where(self._above, push > 0.0, step > self._upper)
        return np.clip(step, self._lower, self._upper)

    def pull(self, step: np.ndarray) -> np.ndarray:
        """(T, U): how the quadratics pull after a step, but for what only pulls against a bound."""
        pull = self._right_after(step)
        pull[self._below] = np.maximum(pull[self._below], 0.0)
        pull[self._above] = np.minimum(pull[self._above], 0.0)
        return pull

    def _right_after(self, step: np.ndarray) -> np.ndarray:
        return self._right - (self._left @ step[..., None])[..., 0]
