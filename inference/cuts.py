# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds hard cuts in footage: frames that do not continue the one before.

Both pictures are reduced to thumbnails of a few dozen pixels. Each block of the new thumbnail is
looked for in the old one, around its own place, by normalised correlation: what moves, by itself
or with the camera, is found there, and more or less light makes no difference. How alike the
pictures are is the blocks' mean correlation times the correlation of the blocks' colours with
those of the places where they were found: unrelated pictures have blocks that resemble each other
(an edge here, an edge there), but not in the same arrangement of light and dark. A cut is a frame
that is unlike the one before, and far more so than the frames of the last moments.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

LONGER_SIDE = 48
"""Of the thumbnail, pixels: what is smaller than a fiftieth of the picture says nothing of cuts."""

BLOCK = 8
"""Side of a block, thumbnail pixels; the thumbnail's sides are multiples of it."""

REACH = 4
"""How far a block may have moved from one frame to the next, thumbnail pixels: a twelfth of the
picture, which is a pan across all of it in less than half a second."""

SAMPLES = 4
"""Pixels of the frame, on each axis, that a thumbnail pixel is the mean of: reading all of them
would take ten times as long."""

SMOOTHING = 0.7
"""Standard deviation, thumbnail pixels, of a blur: so that a move by half a pixel is none."""

TEXTURE = 4.0
"""Standard deviation of a block, of 255, above which its structure is more than noise."""

DARKEST = 20.0
"""Of 255: rows and columns at the picture's rim with nothing brighter are bars around the footage
(which is of another shape than the video), and stay through every cut."""

MOST_ALIKE = 0.62
"""Likeness of two pictures above which no cut is seen. Of unrelated pictures of people 99 in 100
are less alike, and of one person's shots with clearly other framing six in seven. Frames in
succession are at 0.9 and above, at 0.8 where the camera is shaken by a sixteenth of the picture, at
0.7 where it zooms by a tenth or the light nearly doubles."""

STANDING_OUT = 2.0
"""How many times the largest change of the last frames a cut's must be: a motion so fast that its
frames are unlike begins with frames that are less so."""

MEMORY = 5
"""Frames whose changes a cut is held against: the time in which a head starts to move."""

GREY = np.float32([0.299, 0.587, 0.114])


class CutDetector:
    """Looks at the frames of footage one after the other."""

    def __init__(self) -> None:
        self._before: Thumbnail | None = None
        self._changes: deque[float] = deque(maxlen=MEMORY)

    def __call__(self, image: np.ndarray) -> bool:
        """Whether ``image`` (H, W, 3) uint8 RGB begins a new shot.

        A picture without structure (black, a flash that leaves nothing but white) says nothing:
        the one after it is compared with the last that had some.
        """
        now = Thumbnail.of(image)
        if not now.textured.any():
            return False
        before, self._before = self._before, now
        if before is None:
            return False
        change = 1.0 - likeness(before, now)
        usual = max(self._changes, default=0.0)
        if change > max(1.0 - MOST_ALIKE, STANDING_OUT * usual):
            self._changes.clear()
            return True
        self._changes.append(change)
        return False


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, prepared for the comparison of its blocks.

    Attributes:
        windows: (Y, X, BLOCK * BLOCK) float32 the grey block at every place (its corner), without
            its mean, of length 1.
        colour: (Y, X, 3) float32 its mean.
        shown: (R, C) bool, of the blocks side by side, whether they lie free of black bars.
        textured: (R, C) bool, whether they have structure besides.
    """

    windows: np.ndarray
    colour: np.ndarray
    shown: np.ndarray
    textured: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray) -> Thumbnail:
        """The thumbnail of ``image`` (H, W, 3) uint8 RGB."""
        height, width = image.shape[:2]
        scale = LONGER_SIDE / max(height, width)
        columns, rows = (BLOCK * max(1, round(side * scale / BLOCK)) for side in (width, height))
        sampled = (min(width, SAMPLES * columns), min(height, SAMPLES * rows))
        small = cv2.resize(image, sampled, interpolation=cv2.INTER_NEAREST)
        small = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
        small = cv2.GaussianBlur(small, (0, 0), SMOOTHING)
        bright = small.max(axis=2) > DARKEST
        shown = _free_of_bars(bright.any(axis=1))[:, None] & _free_of_bars(bright.any(axis=0))
        colour = cv2.blur(small, (BLOCK, BLOCK), anchor=(0, 0))
        colour = colour[: rows - BLOCK + 1, : columns - BLOCK + 1]
        windows = sliding_window_view(small @ GREY, (BLOCK, BLOCK))
        windows = windows.reshape(*colour.shape[:2], -1) - (colour @ GREY)[..., None]
        length = np.linalg.norm(windows, axis=-1)
        windows /= np.maximum(length, np.finfo(np.float32).eps)[..., None]
        textured = shown & (length[::BLOCK, ::BLOCK] > TEXTURE * BLOCK)
        return cls(windows, colour, shown, textured)


def likeness(before: Thumbnail, now: Thumbnail) -> float:
    """How far ``now`` shows what ``before`` does, perhaps moved: 1 where all of it, 0 nothing."""
    if before.colour.shape != now.colour.shape:
        return 0.0
    row, column = np.nonzero(now.shown)
    textured = now.textured[row, column]
    row, column, block = row * BLOCK, column * BLOCK, np.arange(len(row))
    steps = np.arange(-REACH, REACH + 1)
    ys = np.clip(row[:, None] + steps, 0, before.colour.shape[0] - 1)
    xs = np.clip(column[:, None] + steps, 0, before.colour.shape[1] - 1)
    candidates = before.windows[ys[:, :, None], xs[:, None, :]].reshape(len(row), -1, BLOCK**2)
    correlation = (candidates @ now.windows[row, column][..., None])[..., 0]
    # A block without structure is held against its own place, the middle one.
    best = np.where(textured, correlation.argmax(1), correlation.shape[1] // 2)
    y, x = np.divmod(best, len(steps))
    structure = correlation[block, best][textured].mean()
    colour = _correlation(before.colour[ys[block, y], xs[block, x]], now.colour[row, column])
    return float(structure * max(colour, 0.0))


def _free_of_bars(bright: np.ndarray) -> np.ndarray:
    """(L / BLOCK,) bool: the blocks along a side (L,) that lie between its bright ends."""
    if not bright.any():
        return np.zeros(len(bright) // BLOCK, bool)
    inside = np.arange(len(bright))
    inside = (inside >= bright.argmax()) & (inside < len(bright) - bright[::-1].argmax())
    return inside.reshape(-1, BLOCK).all(axis=1)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's, of all numbers of two arrays of one shape; 0 where one is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a * a).sum() * (b * b).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0
