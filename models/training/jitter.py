# SPDX-License-Identifier: GPL-3.0-or-later
"""Crops as training sees them: as tracking cuts them, as a detector proposes them, and misses.

Three kinds. *Close* crops are what following a face from frame to frame gives. *Loose* ones are
what the first look at a detector's proposal gives. *Misses* hold a face so badly that the answer
must be "no face": beside it, only a piece of it, or far from upright.
"""

from dataclasses import dataclass

import numpy as np

from models.reconstruction.crop import Crops

MISS_PROBABILITY = 0.06
LOOSE_PROBABILITY = 0.15

CLOSE_ROLL = np.radians(7.0)  # standard deviation
CLOSE_SCALE = 0.07  # standard deviation of log side
CLOSE_SHIFT = 0.03  # standard deviation, in sides
LOOSE_ROLL = np.radians(35.0)  # largest, drawn evenly; as for the next two
LOOSE_SCALE = np.log(1.4)
LOOSE_SHIFT = 0.14

MISS_SHIFT = (0.6, 1.1)  # in sides: less than half of the face is left
MISS_ZOOM = (0.2, 0.42)  # of the side: a cheek, an eye and a nose
MISS_ROLL = np.radians([75.0, 180.0])  # between loose and this, nobody says which answer is right

NUDGE_SHIFT, NUDGE_SCALE, NUDGE_ROLL = 0.004, 0.005, np.radians(0.3)
NUDGE_RANGE = (0.5, 8.0)  # times these, drawn log-uniformly: from a held face to one that moves fast

BACKGROUND_SIDE = (0.3, 1.0)  # of a background picture's side


@dataclass(frozen=True)
class JitteredCrops:
    """crops: N Crops; miss (N,) bool: a crop that must be called no face."""

    crops: Crops
    miss: np.ndarray


def jitter(crops, rng):
    """Move N well-placed crops as a runner might have placed them."""
    count = len(crops.side)
    kind = rng.random(count)
    miss = kind < MISS_PROBABILITY
    loose = (kind >= MISS_PROBABILITY) & (kind < MISS_PROBABILITY + LOOSE_PROBABILITY)
    even = rng.uniform(-1, 1, (count, 4))
    normal = rng.standard_normal((count, 4))
    roll = np.where(loose, even[:, 0] * LOOSE_ROLL, normal[:, 0] * CLOSE_ROLL)
    scale = np.exp(np.where(loose, even[:, 1] * LOOSE_SCALE, normal[:, 1] * CLOSE_SCALE))
    shift = np.where(loose[:, None], even[:, 2:] * LOOSE_SHIFT, normal[:, 2:] * CLOSE_SHIFT)

    way = rng.integers(0, 3, count)
    beside, zoomed, turned = (miss & (way == w) for w in range(3))
    direction = rng.uniform(0, 2 * np.pi, count)
    reach = rng.uniform(*MISS_SHIFT, count)
    away = reach[:, None] * np.stack([np.cos(direction), np.sin(direction)], axis=1)
    shift = np.where(beside[:, None], away, shift)
    scale = np.where(zoomed, rng.uniform(*MISS_ZOOM, count), scale)
    far_roll = rng.uniform(*MISS_ROLL, count) * rng.choice((-1, 1), count)
    roll = np.where(turned, far_roll, roll)

    centre = crops.to_picture(2 * shift[:, None])[:, 0]
    return JitteredCrops(Crops(centre, crops.side * scale, crops.roll + roll), miss)


def anywhere(count, width, rng):
    """Crops of any place and size in pictures width x width px, for backgrounds."""
    side = width * rng.uniform(*BACKGROUND_SIDE, count)
    free = (width - side)[:, None] / 2
    centre = (width - 1) / 2 + rng.uniform(-1, 1, (count, 2)) * free
    return Crops(centre, side, rng.standard_normal(count) * CLOSE_ROLL)


def nudge(crops, rng):
    """Move N crops as following a face moves them from one frame of a film to the next."""
    count = len(crops.side)
    size = np.exp(rng.uniform(*np.log(NUDGE_RANGE), count))
    normal = rng.standard_normal((count, 4)) * size[:, None]
    centre = crops.to_picture(2 * NUDGE_SHIFT * normal[:, None, 2:])[:, 0]
    return Crops(
        centre, crops.side * np.exp(NUDGE_SCALE * normal[:, 0]), crops.roll + NUDGE_ROLL * normal[:, 1]
    )
