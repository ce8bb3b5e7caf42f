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


@dataclass(frozen=True)
class Timeline:
    """The frames of a clip and where it shows a face: time (T,) s, shot (T,), the stretches."""

    time: np.ndarray
    shot: np.ndarray
    parts: list[Stretch]

    @classmethod
    def of(cls, found: np.ndarray, time: np.ndarray, shot: np.ndarray) -> Timeline:
        """From found (T,) bool and the rest."""
        return cls(time, shot, stretches(found, time, shot))

    def gaps(self):
        """(slice, frame before, frame after) of what lies outside the stretches, apart at cuts.

        None for a neighbour where the clip begins or ends, or where it is of another shot.
        """
        bounds = [(None, 0)] + [(part.stop - 1, part.stop) for part in self.parts]
        nexts = [part.start for part in self.parts] + [None]
        for (before, start), after in zip(bounds, nexts, strict=True):
            stop = len(self.time) if after is None else after
            cuts = start + 1 + np.flatnonzero(np.diff(self.shot[start:stop]))
            for first, last in zip([start, *cuts], [*cuts, stop], strict=True):
                if last > first:
                    near = (self._of_shot(frame, first) for frame in (before, after))
                    yield slice(first, last), *near

    def _of_shot(self, neighbour: int | None, frame: int) -> int | None:
        """The neighbour, if it is of the frame's shot."""
        same = neighbour is not None and self.shot[neighbour] == self.shot[frame]
        return neighbour if same else None


def fade_between(values: np.ndarray, line: Timeline) -> np.ndarray:
    """Fill what lies outside the stretches with values that fade to zero: (T, C)."""
    filled, time = np.zeros_like(values), line.time
    for part in line.parts:
        filled[part.slice] = values[part.slice]
    for gap, before, after in line.gaps():
        fade = FADE
        if before is not None and after is not None:
            fade = min(FADE, (time[after] - time[before]) / 2)
        if before is not None:
            filled[gap] += _ease(1 - (time[gap] - time[before]) / fade) * values[before]
        if after is not None:
            filled[gap] += _ease(1 - (time[after] - time[gap]) / fade) * values[after]
    return filled


def hold_between(values: np.ndarray, line: Timeline) -> np.ndarray:
    """Fill what lies outside the stretches with the last value, moving to the next in time: (T, C).

    A shot without a face holds what the one before it ended with.
    """
    filled, time = values.copy(), line.time
    for gap, before, after in line.gaps():
        if before is None and after is None:
            filled[gap] = filled[gap.start - 1] if gap.start else values[line.parts[0].start]
        elif before is None or after is None:
            filled[gap] = values[after if before is None else before]
        else:
            share = _ease(1 - (time[after] - time[gap]) / min(FADE, time[after] - time[before]))
            filled[gap] = values[before] + share * (values[after] - values[before])
    return filled


def _ease(share: np.ndarray) -> np.ndarray:
    """(N, 1): 0 to 1 with level ends (smoothstep), for shares (N,) clipped to 0 to 1."""
    share = np.clip(share, 0.0, 1.0)[:, None]
    return share * share * (3.0 - 2.0 * share)
