# SPDX-License-Identifier: GPL-3.0-or-later
"""What shape weights cost, and that its slope is the cost's."""

import numpy as np

from inference.solve.sparsity import RIVALRY, RIVALS, USE, add_cost, cost
from models.head import SHAPE_NAMES

OPEN, CLOSE = SHAPE_NAMES.index("jawOpen"), SHAPE_NAMES.index("mouthClose")


def equations(weights):
    left, right = np.zeros((len(weights), 52, 52)), np.zeros((len(weights), 52))
    add_cost(left, right, weights)
    return left, right


def test_the_slope_is_the_finite_difference_of_the_cost():
    weights = np.random.default_rng(0).uniform(0.05, 0.9, (6, 52))
    _, right = equations(weights)
    step = 1e-6
    for shape in range(52):
        moved = weights.copy()
        moved[:, shape] += step
        slope = (cost(moved) - cost(weights)) / step
        assert np.allclose(-right[:, shape], slope, atol=1e-3), SHAPE_NAMES[shape]


def test_rivals_cost_together_and_not_alone():
    weights = np.zeros((1, 52))
    first, second = (SHAPE_NAMES.index(name) for name in RIVALS[0])
    weights[0, first] = 1.0
    alone = cost(weights)[0]
    weights[0, second] = 0.5
    assert np.isclose(cost(weights)[0], alone + 0.5 * USE + 0.5 * RIVALRY)


def test_lips_close_no_further_than_the_jaw_is_open():
    weights = np.zeros((3, 52))
    weights[:, OPEN], weights[:, CLOSE] = 0.4, (0.2, 0.4, 0.6)
    left, right = equations(weights)
    assert np.allclose(right[:2, CLOSE], -USE) and right[2, CLOSE] < -USE < right[2, OPEN]
    assert not left[:2].any() and np.linalg.eigvalsh(left[2]).min() > -1e-9


def test_every_rival_is_a_shape_and_no_pair_is_named_twice():
    assert all(name in SHAPE_NAMES for pair in RIVALS for name in pair)
    assert len({frozenset(pair) for pair in RIVALS}) == len(RIVALS)
