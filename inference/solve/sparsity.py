# SPDX-License-Identifier: GPL-3.0-or-later
"""A face does few things at a time, and none of them twice or against itself.

What the solve expects of shape weights before anything is seen: every weight that is in use costs
something, whatever its size, so that what one shape explains is not shared out among five; shapes
that pull the same skin opposite ways cost more when they are in use together; and lips cannot be
closed further than the jaw is open.
"""

from __future__ import annotations

import numpy as np

from models.head import SHAPE_NAMES

USE = 2.0
"""Cost of a weight of 1: moves a weight that the network alone speaks for by 0.03. On rendered
films weights err less by an eighth with it; twice as much would cost a fiftieth of the motion for
a thirtieth of the error."""

RIVALRY = 30.0
"""Cost of two rivals at 1: moves one by 0.4 where the other is 1 and the network alone speaks for
it. On rendered films weights err less by a thirtieth."""

CLOSURE = 100.0
"""Cost of lips that are closed further than the jaw is open, by 1."""


def _both_sides(*pairs: tuple[str, str]) -> list[tuple[str, str]]:
    return [(a + side, b + side) for a, b in pairs for side in ("Left", "Right")]


RIVALS = [
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
    *_both_sides(
        ("eyeBlink", "eyeWide"), ("mouthSmile", "mouthFrown"), ("browDown", "browOuterUp")
    ),
    *((shape + side, rival)
      for rival, shapes in (
          ("browInnerUp", ("browDown",)),
          ("mouthPucker", ("mouthSmile", "mouthStretch")),
          ("mouthRollLower", ("mouthLowerDown",)),
          ("mouthRollUpper", ("mouthUpperUp",)),
          ("mouthShrugLower", ("mouthLowerDown",)),
      )
      for shape in shapes for side in ("Left", "Right")),
]  # fmt: skip
"""Pairs of shapes that pull the same skin opposite ways."""

_FIRST, _SECOND = np.array([[SHAPE_NAMES.index(name) for name in pair] for pair in RIVALS]).T
_CLOSE, _OPEN = SHAPE_NAMES.index("mouthClose"), SHAPE_NAMES.index("jawOpen")


def cost(weights: np.ndarray) -> np.ndarray:
    """(T,) what shape weights (T, 52) cost."""
    excess = np.maximum(weights[:, _CLOSE] - weights[:, _OPEN], 0.0)
    rivals = (weights[:, _FIRST] * weights[:, _SECOND]).sum(axis=1)
    return USE * weights.sum(axis=1) + RIVALRY * rivals + 0.5 * CLOSURE * excess**2


def add_cost(left: np.ndarray, right: np.ndarray, weights: np.ndarray) -> None:
    """Add the cost to normal equations of steps in weights: left (T, 52, 52), right (T, 52).

    Of rivals the slope alone, which is exact where one of them is at rest, as one ends up: their
    curvature has a direction in which it is negative.
    """
    right -= USE
    for first, second in ((_FIRST, _SECOND), (_SECOND, _FIRST)):
        np.subtract.at(right.T, first, RIVALRY * weights[:, second].T)
    excess = weights[:, _CLOSE] - weights[:, _OPEN]
    push = CLOSURE * np.maximum(excess, 0.0)
    stiff = CLOSURE * (excess > 0.0)
    for shape, way in ((_CLOSE, 1.0), (_OPEN, -1.0)):
        right[:, shape] -= way * push
        left[:, shape, shape] += stiff
    left[:, _CLOSE, _OPEN] -= stiff
    left[:, _OPEN, _CLOSE] -= stiff
