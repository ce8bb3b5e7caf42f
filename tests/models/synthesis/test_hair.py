# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair grows where it may, moves with the skin, hides under hats and is drawn where it is."""

from dataclasses import replace

import numpy as np
import pytest

from models.head import load_head
from models.synthesis import hair, pool
from models.synthesis.accessories import BORDER_Z, HatMaker, earrings, headphones, scarf
from models.synthesis.light import Light
from models.synthesis.locks import Locks, draw_locks
from models.synthesis.raster import vertex_normals
from models.synthesis.skin_chart import CHART_HEIGHT, CHART_WIDTH
from models.synthesis.view import View

SIDE = 96
LENS = np.array([[200.0, 0, 47.5], [0, 200.0, 47.5], [0, 0, 1]])
AT_REST = (np.eye(3), np.zeros(3))
NO_SKULL = np.array([0.0, 0.0, 2.0])


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def grower(head):
    return hair.HairGrower(head)


@pytest.fixture(scope="module")
def everywhere():
    return np.full((CHART_HEIGHT, CHART_WIDTH), 127, np.int8)


def grow(grower, head, style, layer, seed=0, **more):
    rng = np.random.default_rng(seed)
    normals = vertex_normals(head.mean, head.triangles)
    return grower.grow_scalp(rng, style(rng, 1.0), layer, np.full(3, 0.1), head.mean, normals,
                             **more)


def lamp(colour=0.0):
    return Light(np.full(3, 0.5), np.zeros((0, 3)), np.zeros((0, 3)), np.array([0.0, 0.0, -1.0]),
                 np.full(3, colour), 1.0)


def one_lock(depth=1.0, width=0.08):
    """A lock that hangs straight down the middle, in camera space."""
    line = np.zeros((1, 8, 3), np.float32)
    line[0, :, 1], line[0, :, 2] = np.linspace(-0.15, 0.15, 8), depth
    return Locks(line, np.full((1, 8), width, np.float32), np.full((1, 3), 0.3, np.float32),
                 np.array([5], np.int32), np.zeros(1, int), np.ones((1, 3), np.float32) / 3)


def draw(locks, depth=None, light=None):
    linear = np.zeros((SIDE, SIDE, 3), np.float32)
    classes = np.zeros((SIDE, SIDE), np.uint8)
    depth = np.full((SIDE, SIDE), np.inf, np.float32) if depth is None else depth
    draw_locks(locks, AT_REST, LENS, NO_SKULL, light or lamp(), linear, classes, depth)
    return linear, classes, depth


def test_a_lock_is_drawn_where_it_is():
    linear, classes, depth = draw(one_lock())
    drawn = classes == pool.HAIR
    rows, columns = np.nonzero(drawn)
    # 0.08 m wide and 0.3 m long at 200 px a metre, its borders and tip frayed.
    assert 39 <= columns.min() and columns.max() <= 56
    assert 16 <= rows.min() <= 20 and 55 < rows.max() <= 79
    assert drawn[20:40, 45:50].all()
    assert (linear[drawn] > 0).all() and not linear[~drawn].any()
    np.testing.assert_array_equal(np.isfinite(depth), drawn)
    assert 0.97 < depth[drawn].min() and depth[drawn].max() <= 1.0
    assert drawn[20:30].sum() > drawn[65:75].sum(), "the tip is frayed"


def test_what_is_nearer_hides_a_lock():
    before = np.full((SIDE, SIDE), np.inf, np.float32)
    before[:, :48] = 0.5
    _, classes, depth = draw(one_lock(), before.copy())
    assert not (classes[:, :48] == pool.HAIR).any() and (depth[:, :48] == 0.5).all()
    assert (classes[:, 48:] == pool.HAIR).any()
    near = draw(one_lock(0.9))
    both = draw(one_lock(), near[2].copy())
    assert (both[2] <= near[2]).all()


def test_light_and_colour():
    dim, bright = draw(one_lock())[0].sum(), draw(one_lock(), light=lamp(1.0))[0].sum()
    assert bright > 1.5 * dim
    red = replace(one_lock(), colour=np.array([[0.4, 0.1, 0.1]], np.float32))
    linear = draw(red)[0]
    assert linear[..., 0].sum() > 2 * linear[..., 1].sum()
    # Fine strands: neighbouring columns of a lock differ in brightness.
    assert linear[30, 42:53, 0].std() > 0.03 * linear[30, 42:53, 0].mean()


@pytest.mark.parametrize("style", hair.STYLE_FREQUENCY, ids=lambda style: style.__name__)
def test_every_style_grows_on_the_skull(grower, head, everywhere, style):
    parts = grow(grower, head, style, everywhere)
    assert isinstance(parts[0], Locks) and len(parts[0].points) > 200
    for part in parts:
        assert np.isfinite(part.points).all() and part.points.dtype == np.float32
        assert np.abs(part.points).max() < 0.65
    again = grow(grower, head, style, everywhere)
    np.testing.assert_array_equal(parts[0].points, again[0].points)
    roots = parts[0].points[:, 0]
    surface = head.mean[head.triangles[parts[0].root_triangle]].mean(axis=1)
    assert np.linalg.norm(roots - surface, axis=1).max() < 0.03


def test_hair_grows_only_where_the_layer_says(grower, head):
    right_half = np.zeros((CHART_HEIGHT, CHART_WIDTH), np.int8)
    right_half[:, :CHART_WIDTH // 2] = 127
    locks = grow(grower, head, hair._crop, right_half)[0]
    x = locks.points[:, 0, 0]
    assert (x < 0.002).all() and x.min() < -0.06, "the character's right is -x"


def test_hair_moves_with_the_skin(grower, head, everywhere):
    for part in grow(grower, head, hair._tied, everywhere):
        moved = part.carried(head.triangles, head.mean, head.mean + np.float32(0.01))
        np.testing.assert_allclose(moved.points - part.points, 0.01, atol=1e-6)


def test_a_hat_presses_the_hair_in(grower, head, everywhere):
    normals = vertex_normals(head.mean, head.triangles)
    hat, (height, slope) = HatMaker(head).make(np.random.default_rng(0), head.mean, normals)
    assert hat.label == pool.OCCLUDER
    parts = grow(grower, head, hair._bob, everywhere, pressed=True)
    centre = hair.SKULL_CENTRE
    for loose, pressed in zip(parts, hair.tucked(parts, height, slope), strict=True):
        level = loose.points[..., 1] - slope * (loose.points[..., 2] + BORDER_Z)
        moved = np.linalg.norm(pressed.points - loose.points, axis=-1)
        assert (moved[level > height + 0.01] > 0.01).all() and not moved[level < height].any()
        nearer = (np.linalg.norm(pressed.points - centre, axis=-1)
                  < np.linalg.norm(loose.points - centre, axis=-1))
        assert nearer[level > height + 0.01].all()


def test_a_lock_casts_a_shadow_of_its_width():
    view = View(np.eye(3), np.zeros(3), LENS, SIDE)
    vertices, triangles = one_lock(width=0.08).casting(view)
    assert np.ptp(vertices[:, 0]) == pytest.approx(0.08, abs=1e-4)
    assert np.ptp(vertices[:, 1]) == pytest.approx(0.3, abs=1e-3)
    assert triangles.max() == len(vertices) - 1 and triangles.min() == 0


def test_worn_things_are_in_their_places(head):
    ears = head.mean[head.group_vertices("ears")]
    chin = head.mean[head.points68[8]]
    for seed in range(6):
        rings = earrings(np.random.default_rng(seed), head, head.mean)
        assert rings.label == pool.OCCLUDER and rings.triangles.max() < len(rings.vertices)
        assert rings.vertices[:, 1].max() < ears[:, 1].mean()
        for side in (1, -1):
            own = rings.vertices[side * rings.vertices[:, 0] > 0]
            gap = np.linalg.norm(own[:, None] - ears[None], axis=2).min()
            assert gap < 0.008
        band = headphones(np.random.default_rng(seed), head, head.mean)
        assert band.vertices[:, 1].max() > head.mean[:, 1].max()
        assert np.ptp(band.vertices[:, 0]) > np.ptp(ears[:, 0])
        cloth = scarf(np.random.default_rng(seed), head.mean, head)
        assert cloth.vertices[:, 1].max() < chin[1] + 0.05
        assert cloth.vertices[:, 2].max() > chin[2] - 0.08
