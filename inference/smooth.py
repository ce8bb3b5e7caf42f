# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing over time.

For a finished clip: penalised least squares on second differences (Whittaker 1923), which looks as
far ahead as back and so lags by nothing. The penalty adapts from frame to frame by the discrepancy
principle (Morozov): it is as strong as it may be while what it takes away is no more than the
noise. Where nothing moves it averages over seconds; where the evidence moves it
gives way within a frame, so that blinks stay as fast as they were.

For frames that arrive live: the One-Euro filter (Casiez et al. 2012), which only looks back.

Values are (T, C): C channels that move together share one judgement of what is motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded

STILL_SPAN = 1.0
"""Seconds: where nothing moves, the smoother's time constant, (penalty)^(1/4) frames."""

ALLOWED_MISFIT = 2.0
"""What the smoother may take away, as mean square over the noise's variance, before it gives way:
noise alone scatters around 1 within a window."""

WINDOW = (0.15, 0.7, 1.0, 0.7, 0.15)
"""Weights of a frame and its neighbours in the misfit: a blink's half, so that it opens in time."""

ROUNDS = 12
ADAPTATION = 0.5
"""Rounds of adapting the penalty, and the power of the misfit's ratio it changes by in each."""

WEAKEST = 1e-3
"""Penalty where the evidence moves most: no smoothing at all."""

CALM_QUANTILE = 0.25
CALM_NORMAL = 0.3186
"""The noise is read from the calmest quarter of the frames; this quantile of |x| of a normal x."""

THIRD_DIFFERENCE_NOISE = np.sqrt(20.0)
"""Standard deviation of the third difference of white noise of standard deviation 1."""

SMALLEST_WEIGHT = 1e-6
"""Of frames without evidence, so that the equations can be solved wherever they lie."""


@dataclass(frozen=True)
class Noise:
    """What a clip's noise may be assumed to be, in the unit of the values."""

    least: float
    most: float


def smooth(
    values: np.ndarray,
    weight: np.ndarray,
    time: np.ndarray,
    noise: Noise,
    strength: float = 1.0,
) -> np.ndarray:
    """Zero-lag smoothing.

    Args:
        values: (T, C); rows of weight 0 may hold anything finite and are interpolated.
        weight: (T,) certainty, 0 to 1.
        time: (T,) seconds, increasing.
        noise: bounds of the noise that is read from the values.
        strength: scales the noise and the time constant; at 0 only unseen frames are filled.

    Returns:
        (T, C) float64.
    """
    values = np.asarray(values, np.float64)
    if len(values) < len(WINDOW):
        return _filled(values, weight)
    interval = float(np.median(np.diff(time)))
    difference = second_difference(time / interval)
    certainty, weight = weight, np.maximum(weight, SMALLEST_WEIGHT)
    if strength == 0:
        # The least penalty that interpolates, on values whose seen rows then stay as they are.
        bridged = penalised_fit(values, weight, difference, np.full(len(values) - 2, WEAKEST))
        return np.where((certainty > 0)[:, None], values, bridged)
    level = strength * np.clip(noise_level(values, certainty), noise.least, noise.most)
    strongest = (strength * STILL_SPAN / interval) ** 4
    penalty = np.full(len(values) - 2, strongest)
    for _ in range(ROUNDS):
        smoothed = penalised_fit(values, weight, difference, penalty)
        misfit = _local_misfit(((values - smoothed) / level) ** 2, certainty)[1:-1]
        penalty = penalty * (ALLOWED_MISFIT / np.maximum(misfit, WEAKEST)) ** ADAPTATION
        penalty = np.clip(penalty, WEAKEST, strongest)
    return penalised_fit(values, weight, difference, penalty)


def _local_misfit(misfit: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(T,) mean of misfits (T, C) over channels and the window, counted by their certainty."""
    total = np.convolve(misfit.mean(axis=1) * weight, WINDOW, mode="same")
    return total / np.convolve(np.ones(len(weight)), WINDOW, mode="same")


def second_difference(time: np.ndarray) -> np.ndarray:
    """(T-2, 3): coefficients of the second derivative at the inner times of ``time`` (T,)."""
    before, after = np.diff(time)[:-1], np.diff(time)[1:]
    span = (before + after) / 2
    return np.column_stack([1 / before, -1 / before - 1 / after, 1 / after]) / span[:, None]


def penalised_fit(
    values: np.ndarray, weight: np.ndarray, difference: np.ndarray, penalty: np.ndarray
) -> np.ndarray:
    """The x that minimises sum weight (values - x)² + sum penalty (x'')²; (T, C)."""
    count = len(values)
    bands = np.zeros((3, count))  # LAPACK's upper form: the diagonal is the last row
    bands[2] = weight
    for first in range(3):
        for second in range(first, 3):
            product = penalty * difference[:, first] * difference[:, second]
            bands[2 - (second - first), second : second + count - 2] += product
    return solveh_banded(bands, weight[:, None] * values, check_finite=False)


def noise_level(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(C,) standard deviation of the noise, from the calmest third differences of seen frames."""
    if len(values) < 4:
        return np.zeros(values.shape[1])
    seen = np.convolve(weight > 0, np.ones(4), mode="valid") == 4
    if not seen.any():
        return np.zeros(values.shape[1])
    jerk = np.abs(np.diff(values, 3, axis=0)[seen])
    return np.quantile(jerk, CALM_QUANTILE, axis=0) / CALM_NORMAL / THIRD_DIFFERENCE_NOISE


def _filled(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Clips too short to judge motion: as they are, unseen rows taken from the surest one."""
    return np.where((weight > 0)[:, None], values, values[np.argmax(weight)])


@dataclass(frozen=True)
class OneEuro:
    """The One-Euro filter: a low pass whose cut-off rises with speed.

    Attributes:
        cutoff: Hz at rest.
        slope: Hz per unit and second of speed.
    """

    cutoff: float
    slope: float

    SPEED_CUTOFF = 1.0
    """Hz, of the speed's own low pass, as in the paper."""

    def __call__(self, values: np.ndarray, seen: np.ndarray, time: np.ndarray) -> np.ndarray:
        """Filter values (T, C) in order; rows not ``seen`` (T,) hold the last one. (T, C)."""
        filtered = np.empty(values.shape, np.float64)
        state = values[np.argmax(seen)].astype(np.float64)
        speed = np.zeros_like(state)
        last = time[0]
        for row, (value, is_seen, now) in enumerate(zip(values, seen, time, strict=True)):
            if is_seen and now > last:
                step = now - last
                speed += _share(self.SPEED_CUTOFF, step) * ((value - state) / step - speed)
                cutoff = self.cutoff + self.slope * np.abs(speed).max()
                state = state + _share(cutoff, step) * (value - state)
                last = now
            filtered[row] = state
        return filtered


def _share(cutoff: float, step: float) -> float:
    """How much of a new value a first-order low pass of ``cutoff`` Hz takes after ``step`` s."""
    return 1.0 / (1.0 + 1.0 / (2 * np.pi * cutoff * step))
