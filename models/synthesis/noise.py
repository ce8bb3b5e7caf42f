# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth random fields."""

from __future__ import annotations

import cv2
import numpy as np


def smooth_noise(rng: np.random.Generator, height: int, width: int, cells: float,
                 channels: int = 1) -> np.ndarray:
    """Noise (H,W) or (H,W,channels) float32 of zero mean and unit deviation, `cells` bumps high."""
    rows = max(2, round(cells))
    columns = max(2, round(cells * width / height))
    coarse = rng.standard_normal((rows, columns, channels), dtype=np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    field -= field.mean()
    return field / max(float(field.std()), 1e-6)


def fractal_noise(rng: np.random.Generator, height: int, width: int, cells: float,
                  octaves: int = 4, gain: float = 0.5) -> np.ndarray:
    """Octaves (H,W) of smooth noise, each twice as fine and `gain` times as strong."""
    total = np.zeros((height, width), np.float32)
    strength = 1.0
    for octave in range(octaves):
        total += strength * smooth_noise(rng, height, width, cells * 2 ** octave)
        strength *= gain
    return total / max(float(total.std()), 1e-6)
