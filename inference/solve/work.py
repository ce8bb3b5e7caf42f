# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a solve is done."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int], None]
"""Called with the frames done and their number."""

FIT, SMOOTH = 1, 5
"""What a step of fitting a frame costs, and the frame's share in the motion of its stretch, as
measured on clips of thousands of frames."""


class Work:
    """Counts the passes over a clip.

    Args:
        frames: of the clip, those that are solved.
        steps: of fitting, which every frame gets.
        progress: told of the count as if one frame were finished after the other.
    """

    def __init__(self, frames: int, steps: int, progress: Progress) -> None:
        self._frames = frames
        self._all = frames * (steps * FIT + SMOOTH)
        self._done = 0
        self._progress = progress
        self._told = 0
        progress(0, frames)

    def fitted(self, frames: int, steps: int) -> None:
        """So many frames have had so many steps of fitting."""
        self._count(frames * steps * FIT)

    def smoothed(self, frames: int) -> None:
        """The motion of so many frames is solved for."""
        self._count(frames * SMOOTH)

    def finished(self) -> None:
        """All is done, whatever has been left out."""
        self._tell(self._frames)

    def _count(self, done: int) -> None:
        self._done += done
        self._tell(min(self._frames * self._done // self._all, self._frames))

    def _tell(self, frames: int) -> None:
        if frames > self._told:
            self._told = frames
            self._progress(frames, self._frames)
