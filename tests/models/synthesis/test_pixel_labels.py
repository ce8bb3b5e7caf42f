# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels per cell hold at the cell's centre; a tilted board, whose truth is known, is the head."""

from dataclasses import replace

import numpy as np
import pytest

from models.synthesis import pool
from models.synthesis.pixel_labels import Detail, Posed, label_pixels
from models.synthesis.view import View

TRIANGLES = np.array([[0, 2, 1], [1, 2, 3]])
CENTRE_DEPTH = 0.8
BOARD = np.array([(-0.08, -0.07, 0.9), (0.09, -0.07, 0.7), (-0.08, 0.08, 0.9), (0.09, 0.08, 0.7)])
"""Corners in camera space, m; a plane that slants away to the left."""
NORMAL = np.array([-2.0, 0.0, -1.7]) / np.hypot(2.0, 1.7)
LENS = np.array([[200.0, 0, 95.5], [0, 200.0, 95.5], [0, 0, 1]])


def posed(factor=2, corners=BOARD, triangles=TRIANGLES, **more):
    view = View(np.eye(3), np.zeros(3), LENS, pool.IMAGE_SIDE).enlarged(factor)
    return Posed(view.to_screen(corners), triangles, np.tile(NORMAL, (4, 1)), view.side, False,
                 CENTRE_DEPTH, **more)


def truth():
    """Where the rays through the cells' centres meet the board (48,48,3) m, NaN beside it."""
    centre = 4 * np.arange(48) + 1.5
    x, y = np.meshgrid((centre - 95.5) / 200.0, (centre - 95.5) / 200.0)
    ray = np.stack([x, y, np.ones_like(x)], axis=-1)
    hit = ray * ((BOARD[0] @ NORMAL) / (ray @ NORMAL))[..., None]
    on = ((hit[..., :2] > BOARD[0, :2]) & (hit[..., :2] < BOARD[3, :2])).all(axis=-1)
    return np.where(on[..., None], hit, np.nan)


@pytest.mark.parametrize("factor", [1.5, 2])
def test_labels_hold_at_the_centres_of_cells(factor):
    labels, hit = label_pixels(posed(factor), BOARD), truth()
    known = labels["depth"] != pool.NOWHERE
    np.testing.assert_array_equal(known, np.isfinite(hit[..., 0]))
    assert 80 < known.sum() < 48 * 48
    place = labels["canonical"][known] * pool.SURFACE_UNIT
    np.testing.assert_allclose(place, hit[known], atol=0.6 * pool.SURFACE_UNIT)
    depth = labels["depth"][known] * pool.SURFACE_UNIT
    np.testing.assert_allclose(depth, hit[known][:, 2] - CENTRE_DEPTH,
                               atol=0.6 * pool.SURFACE_UNIT)
    np.testing.assert_allclose(labels["normal"][known] / 127, np.tile(NORMAL, (known.sum(), 1)),
                               atol=0.005)
    assert (labels["canonical"][~known] == pool.NOWHERE).all()
    assert not labels["normal"][~known].any()


def test_relief_turns_the_normal():
    """A height that rises to the right on the skin turns the normal to the left there."""
    skin_map = np.zeros((32, 64, 4), np.float32)
    skin_map[..., 3] = 0.5 * np.arange(64)
    corner_uv = np.array([(0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9)], np.float32)[TRIANGLES]
    on = Detail(skin_map, corner_uv, np.ones(2, bool))
    labels = label_pixels(posed(detail=on), BOARD)
    known = labels["depth"] != pool.NOWHERE
    bent = NORMAL - (0.5, 0, 0)
    np.testing.assert_allclose(labels["detail"][known] / 127,
                               np.tile(bent / np.linalg.norm(bent), (known.sum(), 1)), atol=0.006)
    elsewhere = label_pixels(posed(detail=replace(on, skin=np.zeros(2, bool))), BOARD)
    np.testing.assert_array_equal(elsewhere["detail"], elsewhere["normal"])
    assert not label_pixels(posed(), BOARD)["detail"].any()


def test_what_is_covered_is_not_labelled():
    """A worn thing before the right half, and strands drawn over the upper half."""
    worn = BOARD - (0, 0, 0.2)
    worn[[0, 2], 0] = 0.0
    both = posed(corners=np.concatenate([BOARD, worn]),
                 triangles=np.concatenate([TRIANGLES, TRIANGLES + 4]))
    shown = label_pixels(both, BOARD)["depth"] != pool.NOWHERE
    free = np.isfinite(truth()[..., 0])
    np.testing.assert_array_equal(shown, free & (np.arange(48) < 24))

    classes = np.full((384, 384), pool.SKIN, np.uint8)
    classes[:192] = pool.HAIR
    classes[195::8, 3::8] = pool.GLASSES  # one of the four pixels around each centre
    shown = label_pixels(posed(), BOARD, classes)["depth"] != pool.NOWHERE
    np.testing.assert_array_equal(shown, free & (np.arange(48) >= 24)[:, None])
