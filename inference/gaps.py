# SPDX-License-Identifier: GPL-3.0-or-later
"""Stretches of a clip in which no face was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LONGEST_BRIDGE = 0.5
"""Seconds without a face that are bridged as if it had been seen; a turn away, a passing hand."""

FADE = 0.5
"""Seconds in which, in a longer gap, an expression fades to rest and a pose moves to the next."""


@dataclass(frozen=True)
class Stretch:
    """Frames ``start`` up to, not including, ``stop``; the first and the last show a face."""

    start: int
    stop: int

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)


def stretches(found: np.ndarray, time: np.ndarray, shot: np.ndarray) -> list[Stretch]:
    """The clip without its long gaps, apart at cuts: found (T,) bool, time (T,) s, shot (T,)."""
    seen = np.flatnonzero(found)
    if not len(seen):
        return []
    unseen = np.diff(time[seen]) * (1 - 1 / np.diff(seen))  # the step to the next frame is none
    breaks = np.flatnonzero((unseen > LONGEST_BRIDGE) | (np.diff(shot[seen]) != 0))
    starts = np.concatenate([seen[:1], seen[breaks + 1]])
    stops = np.concatenate([seen[breaks], seen[-1:]]) + 1
    return [Stretch(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True)]


def fade_between(values: np.ndarray, parts: list[Stretch], time: np.ndarray) -> np.ndarray:
    """Fill what lies outside ``parts`` with values that fade to zero: (T, C)."""
    filled = np.zeros_like(values)
    for part in parts:
        filled[part.slice] = values[part.slice]
    for gap, before, after in _gaps(len(values), parts):
        fade = FADE
        if before is not None and after is not None:
            fade = min(FADE, (time[after] - time[before]) / 2)
        if before is not None:
            filled[gap] += _ease(1 - (time[gap] - time[before]) / fade) * values[before]
        if after is not None:
            filled[gap] += _ease(1 - (time[after] - time[gap]) / fade) * values[after]
    return filled


def hold_between(values: np.ndarray, parts: list[Stretch], time: np.ndarray) -> np.ndarray:
    """Fill what lies outside ``parts`` with the last value, moving to the next in time: (T, C)."""
    filled = values.copy()
    for gap, before, after in _gaps(len(values), parts):
        if before is None or after is None:
            filled[gap] = values[after if before is None else before]
        else:
            share = _ease(1 - (time[after] - time[gap]) / min(FADE, time[after] - time[before]))
            filled[gap] = values[before] + share * (values[after] - values[before])
    return filled


def _gaps(count: int, parts: list[Stretch]):
    """(slice, frame before, frame after) of every gap; None where the clip begins or ends."""
    bounds = [(None, 0)] + [(part.stop - 1, part.stop) for part in parts]
    nexts = [part.start for part in parts] + [None]
    for (before, start), after in zip(bounds, nexts, strict=True):
        stop = count if after is None else after
        if stop > start:
            yield slice(start, stop), before, after


def _ease(share: np.ndarray) -> np.ndarray:
    """(N, 1): 0 to 1 with level ends (smoothstep), for shares (N,) clipped to 0 to 1."""
    share = np.clip(share, 0.0, 1.0)[:, None]
    return share * share * (3.0 - 2.0 * share)
