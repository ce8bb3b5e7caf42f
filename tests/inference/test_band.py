# SPDX-License-Identifier: GPL-3.0-or-later
"""The banded solution against dense matrices."""

import numpy as np
import pytest

from inference.smooth import first_difference, second_difference
from inference.solve.band import Band, Difference, Penalty

FRAMES, UNKNOWNS = 7, 3


@pytest.fixture
def problem():
    """Random quadratics and penalties on both differences at uneven times."""
    rng = np.random.default_rng(3)
    root = rng.normal(size=(FRAMES, UNKNOWNS, UNKNOWNS))
    left = root @ np.swapaxes(root, 1, 2) + 0.1 * np.eye(UNKNOWNS)
    right = rng.normal(size=(FRAMES, UNKNOWNS))
    time = np.cumsum(rng.uniform(0.5, 2.0, FRAMES))
    penalties = []
    for coefficients in (first_difference(time), second_difference(time)):
        size = (len(coefficients), UNKNOWNS)
        strength, value = rng.uniform(0.1, 3, size), rng.normal(size=size)
        penalties.append(Penalty(Difference(coefficients), strength, value))
    return left, right, penalties


def dense(left, right, penalties):
    """The same as one matrix (T * U, T * U) and a right side."""
    size = FRAMES * UNKNOWNS
    matrix, vector = np.zeros((size, size)), right.reshape(-1).copy()
    for frame in range(FRAMES):
        part = slice(frame * UNKNOWNS, (frame + 1) * UNKNOWNS)
        matrix[part, part] = left[frame]
    for penalty in penalties:
        columns = [penalty.difference(row.reshape(FRAMES, UNKNOWNS)) for row in np.eye(size)]
        operator = np.stack([column.reshape(-1) for column in columns], axis=1)
        strength = penalty.strength.reshape(-1)
        matrix += operator.T @ (strength[:, None] * operator)
        vector -= operator.T @ (strength * penalty.value.reshape(-1))
    return matrix, vector


def free(right):
    return np.full(right.shape, -np.inf), np.full(right.shape, np.inf)


def test_differences_are_those_of_their_coefficients():
    difference = Difference(second_difference(np.array([0.0, 1.0, 3.0, 4.0])))
    rows = np.array([[0.0], [1.0], [9.0], [16.0]])  # a parabola
    assert np.allclose(difference(rows), 2.0) and difference.order == 2
    forces = np.array([[1.0], [2.0]])
    assert np.isclose((difference.slope(forces) * rows).sum(), (forces * difference(rows)).sum())


def test_the_band_gives_the_dense_solution(problem):
    left, right, penalties = problem
    step = Band(left, right, *free(right)).solve(penalties)
    matrix, vector = dense(left, right, penalties)
    assert np.allclose(step.reshape(-1), np.linalg.solve(matrix, vector))


def test_the_pull_is_what_the_frames_miss(problem):
    left, right, penalties = problem
    band = Band(left, right, *free(right))
    step = band.solve(penalties)
    alone = np.stack([np.linalg.solve(a, b) for a, b in zip(left, right, strict=True)])
    assert np.allclose(band.pull(alone), 0.0)
    missed = np.stack([a @ (x - y) for a, x, y in zip(left, alone, step, strict=True)])
    assert np.allclose(band.pull(step), missed)


def test_bounds_are_kept_at_the_best_place_within_them(problem):
    left, right, penalties = problem
    lower, upper = np.full(right.shape, -0.2), np.full(right.shape, 0.3)
    band = Band(left, right, lower, upper)
    for _ in range(10):
        step = band.solve(penalties)
    assert step.min() >= -0.2 and step.max() <= 0.3
    at_lower, at_upper = np.isclose(step, -0.2), np.isclose(step, 0.3)
    assert at_lower.any() and at_upper.any()
    matrix, vector = dense(left, right, penalties)
    push = (vector - matrix @ step.reshape(-1)).reshape(step.shape)
    inside = ~at_lower & ~at_upper
    assert np.abs(push[inside]).max() < 1e-6, "nothing inside wants to move"
    assert push[at_lower].max() < 1e-6 and push[at_upper].min() > -1e-6, "bounds only hold back"
    held = band.pull(step)
    assert (held[at_lower] >= 0).all() and (held[at_upper] <= 0).all()
