# SPDX-License-Identifier: GPL-3.0-or-later
"""Painted hands have fingers where a hand has them, and are lit from where the lamp is."""

import cv2
import numpy as np
import pytest

from models.synthesis.hands import Pose, cones, draw_hand, sample_pose

FLAT = Pose(np.zeros(5), 0.1, 0.0)
WRIST, UP, LENGTH = np.array([64.0, 120.0]), np.array([0.0, -1.0]), 100.0


def draw(pose=FLAT, mirror=False, sun=(0.0, 0.0, 1.0), along=UP):
    return draw_hand((128, 128, 3), cones(pose, mirror), WRIST, along, LENGTH, np.array(sun))


def test_a_flat_hand_shows_five_fingers():
    alpha, _ = draw()
    rows = [cv2.connectedComponents((alpha[y:y + 1] > 127).astype(np.uint8))[0] - 1
            for y in range(25, 60)]
    assert max(rows) == 4, "four fingers side by side above the knuckles"
    beside = cv2.connectedComponents((alpha[80:81] > 127).astype(np.uint8))[0] - 1
    assert beside == 2, "the thumb beside the palm"
    height = 120 - np.nonzero(alpha.max(axis=1))[0].min()
    assert height == pytest.approx(LENGTH, abs=8)


def test_a_fist_is_shorter_than_a_flat_hand():
    fist, _ = draw(Pose(np.ones(5), 0.0, 0.0))
    flat, _ = draw()
    top = [np.nonzero(a.max(axis=1))[0].min() for a in (fist, flat)]
    assert top[0] > top[1] + 0.2 * LENGTH


def test_mirrored_and_turned():
    alpha, light = draw()
    other, other_light = draw(mirror=True)
    np.testing.assert_array_equal(other[:, 1:], alpha[:, :0:-1])
    np.testing.assert_allclose(other_light[:, 1:], light[:, :0:-1], atol=1e-5)
    turned, _ = draw(along=np.array([1.0, 0.0]))
    assert np.nonzero(turned.max(axis=0))[0].max() == 127


def test_lit_from_the_side_of_the_lamp():
    alpha, left = draw(sun=(-0.8, 0.0, 0.6))
    _, right = draw(sun=(0.8, 0.0, 0.6))
    finger = slice(30, 50)
    edge = left[finger] - right[finger]
    inside = alpha[finger] > 200
    first = np.array([np.nonzero(row)[0].min() for row in inside])
    assert edge[np.arange(20), first].mean() > 0.1, "its left rim faces a lamp on the left"
    assert 0.3 < left[alpha > 200].mean() < 1.1


def test_poses_are_plausible():
    for seed in range(40):
        pose = sample_pose(np.random.default_rng(seed))
        assert pose.bend.shape == (5,) and 0 <= pose.bend.min() and pose.bend.max() <= 1
        alpha, light = draw(pose)
        assert 0.05 < (alpha > 127).mean() < 0.6 and np.isfinite(light).all()
