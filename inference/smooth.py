# SPDX-License-Identifier: GPL-3.0-or-later
"""Smoothing over time.

For a finished clip: penalised least squares on differences (Whittaker 1923), which looks as far
ahead as back and so lags by nothing. The penalty adapts from frame to frame by the multiresolution
criterion (Davies & Kovac 2001): it starts as stiff as can be and is squeezed wherever sums of what
it takes away, over windows from one frame to a second, are more than noise adds up to. Where
nothing moves it averages over seconds; a blink opens it within a frame and stays as fast as it was;
a slow nod, whose errors are each within the noise but all to one side, is seen in long windows.

For frames that arrive live: the One-Euro filter (Casiez et al. 2012), which only looks back.

Values are (T, C): C channels that move together share one judgement of what is motion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import solveh_banded
from scipy.ndimage import maximum_filter1d, uniform_filter1d

STILL_SPAN = 1.0
"""Seconds: where nothing moves, the smoother's time constant, (penalty)^(1/4) frames."""

STILLNESS = 0.75
"""Power of the penalty on speed in that on acceleration. Both have one time constant where nothing
moves, so that a drift that the values do not ask for is none; as the penalty gives way, that on
speed, which damps, is gone first."""

WINDOWS = (1, 3, 7, 15, 31)
"""Frames over which what is taken away is added up: a blink's peak to a second of speech."""

SIGNIFICANT = 5.0
"""Square of such a sum, over its variance, from which on it is no noise. Noise alone exceeds it in
a window of forty, and what is squeezed there costs little."""

LASTING = 0.5
"""Share of the noise that lasts from frame to frame: a network errs alike on pictures that are."""

ROUNDS = 12
"""Squeezes; each divides the penalty by the excess, so that most are done after a few."""

WEAKEST = 1e-3
"""Penalty where the values move most: no smoothing at all."""

CALM_QUANTILE = 0.25
CALM_NORMAL = 0.3186
"""The noise is read from the calmest quarter of the frames; this quantile of |x| of a normal x."""

NOISE_ORDER = 5
NOISE_GAIN = np.sqrt(252.0)
"""The differences that noise is read from, and their standard deviation where that of the noise, if
white, is 1. Of a nod or of speech, four times a second, 2 % are left of its amplitude over the
noise; of third differences it were 12 %."""

SHORTEST = 5
"""Frames from which on a clip is long enough to tell motion from noise."""

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
    if len(values) < SHORTEST:
        return _filled(values, weight)
    interval = float(np.median(np.diff(time)))
    clock = time / interval
    certainty, weight = weight, np.maximum(weight, SMALLEST_WEIGHT)
    if strength == 0:
        # The least penalty that interpolates, on values whose seen rows then stay as they are.
        least, none = np.full(len(values) - 2, WEAKEST), np.zeros(len(values) - 1)
        bridged = penalised_fit(values, weight, clock, least, none)
        return np.where((certainty > 0)[:, None], values, bridged)
    level = strength * np.clip(noise_level(values, certainty), noise.least, noise.most)
    strongest = (strength * STILL_SPAN / interval) ** 4
    penalty = np.full(len(values) - 2, strongest)
    for _ in range(ROUNDS):
        smoothed = penalised_fit(values, weight, clock, penalty, stillness(penalty, strongest))
        excess = misfit_excess((values - smoothed) / level, certainty).mean(axis=1)[1:-1]
        if excess.max() <= 1.0:
            break
        penalty = np.maximum(penalty / np.maximum(excess, 1.0), WEAKEST)
    return penalised_fit(values, weight, clock, penalty, stillness(penalty, strongest))


def misfit_excess(misfit: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(T, C) by how much misfits (T, C) exceed what noise allows, in the worst window of a frame.

    misfit: over the noise's standard deviation; weight: (T,) certainty, 0 to 1. At most 1 where all
    is within the noise.
    """
    worst = np.zeros_like(misfit)
    for length in WINDOWS:
        count = length * uniform_filter1d(weight, length, mode="constant")
        total = length * uniform_filter1d(misfit * weight[:, None], length, axis=0, mode="constant")
        variance = np.maximum(count + (LASTING * count) ** 2, SMALLEST_WEIGHT)
        square = total**2 / variance[:, None]
        worst = np.maximum(worst, maximum_filter1d(square, length, axis=0, mode="constant"))
    return worst / SIGNIFICANT


def first_difference(time: np.ndarray) -> np.ndarray:
    """(T-1, 2): coefficients of the first derivative between the times of ``time`` (T,)."""
    step = 1 / np.diff(time)
    return np.column_stack([-step, step])


def second_difference(time: np.ndarray) -> np.ndarray:
    """(T-2, 3): coefficients of the second derivative at the inner times of ``time`` (T,)."""
    before, after = np.diff(time)[:-1], np.diff(time)[1:]
    span = (before + after) / 2
    return np.column_stack([1 / before, -1 / before - 1 / after, 1 / after]) / span[:, None]


def penalised_fit(
    values: np.ndarray,
    weight: np.ndarray,
    time: np.ndarray,
    penalty: np.ndarray,
    still: np.ndarray,
) -> np.ndarray:
    """The x that minimises sum weight (values - x)² + sum penalty (x'')² + sum still (x')².

    values (T, C), weight (T,), time (T,) frames, penalty (T-2,), still (T-1,).
    """
    bands = np.zeros((3, len(values)))  # LAPACK's upper form: the diagonal is the last row
    bands[2] = weight
    for difference, strength in (
        (first_difference(time), still),
        (second_difference(time), penalty),
    ):
        count, width = difference.shape
        for first in range(width):
            for second in range(first, width):
                product = strength * difference[:, first] * difference[:, second]
                bands[2 - (second - first), second : second + count] += product
    return solveh_banded(bands, weight[:, None] * values, check_finite=False)


def stillness(penalty: np.ndarray, strongest: float | np.ndarray) -> np.ndarray:
    """(T-1, …) penalty on speed that goes with one on acceleration (T-2, …) of at most strongest.

    Relative to the weight of the values. At the strongest both have one time constant, t frames:
    acceleration counts t⁴ and speed t². Between two frames it is the weaker one's.
    """
    share = np.concatenate([penalty[:1], penalty, penalty[-1:]]) / strongest
    return np.sqrt(strongest) * np.minimum(share[1:], share[:-1]) ** STILLNESS


def noise_level(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """(C,) standard deviation of the noise, from the calmest high differences of seen frames."""
    length = NOISE_ORDER + 1
    if len(values) < length:
        return np.zeros(values.shape[1])
    seen = np.convolve(weight > 0, np.ones(length), mode="valid") == length
    if not seen.any():
        return np.zeros(values.shape[1])
    difference = np.abs(np.diff(values, NOISE_ORDER, axis=0)[seen])
    return np.quantile(difference, CALM_QUANTILE, axis=0) / CALM_NORMAL / NOISE_GAIN


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
