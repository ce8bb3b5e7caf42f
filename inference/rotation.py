# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures turned by quarters."""

from __future__ import annotations

import cv2
import numpy as np

TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
QUARTER_TURNS = (0, *TURNS)
"""Degrees clockwise by which pictures can be turned."""


def turned(image: np.ndarray, rotation: int) -> np.ndarray:
    """``image`` (H, W, C) turned clockwise by a rotation of QUARTER_TURNS, degrees."""
    return cv2.rotate(image, TURNS[rotation]) if rotation else image
