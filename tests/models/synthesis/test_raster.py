# SPDX-License-Identifier: GPL-3.0-or-later
"""The z-buffer against a slow and plain one."""

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from models.synthesis.raster import interpolate, rasterize, vertex_normals


def brute_force(screen, triangles, height, width):
    """Every pixel against every triangle, in double precision."""
    depth = np.full((height, width), np.inf)
    winner = np.full((height, width), -1)
    y, x = np.mgrid[:height, :width]
    for index, corners in enumerate(triangles):
        a, b, c = screen[corners].astype(float)
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if area == 0:
            continue
        wa = ((b[0] - x) * (c[1] - y) - (b[1] - y) * (c[0] - x)) / area
        wb = ((c[0] - x) * (a[1] - y) - (c[1] - y) * (a[0] - x)) / area
        wc = 1 - wa - wb
        inverse = wa / a[2] + wb / b[2] + wc / c[2]
        nearer = (wa >= 0) & (wb >= 0) & (wc >= 0) & (1 / inverse < depth)
        depth[nearer] = 1 / inverse[nearer]
        winner[nearer] = index
    return winner, depth


def random_scene(seed, count=60):
    rng = np.random.default_rng(seed)
    screen = rng.uniform((-10, -10, 0.3), (60, 50, 2.0), (3 * count, 3)).astype(np.float32)
    return screen, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_brute_force(seed):
    screen, triangles = random_scene(seed)
    winner, true_depth = brute_force(screen, triangles, 40, 48)
    triangle, bary, depth = rasterize(screen, triangles, 40, 48)
    # Rounding may decide differently exactly on an edge, nowhere else.
    assert (triangle != winner).mean() < 0.005
    same = (triangle == winner) & (winner >= 0)
    np.testing.assert_allclose(depth[same], true_depth[same], rtol=2e-4)
    assert np.all(np.isinf(depth[triangle < 0]))
    np.testing.assert_allclose(bary[triangle >= 0].sum(axis=-1), 1, atol=1e-5)


def test_weights_are_perspective_correct():
    focal, middle = 60.0, 31.5
    rng = np.random.default_rng(5)
    corners = rng.uniform((-0.4, -0.4, 0.6), (0.4, 0.4, 2.0), (90, 3)).astype(np.float32)
    screen = corners.copy()
    screen[:, :2] = focal * corners[:, :2] / corners[:, 2:] + middle
    triangles = np.arange(90, dtype=np.int32).reshape(-1, 3)
    triangle, bary, depth = rasterize(screen, triangles, 64, 64)
    place = interpolate(corners, triangle, bary, triangles)
    y, x = np.nonzero(triangle >= 0)
    assert len(y) > 500
    seen = place[y, x]
    np.testing.assert_allclose(focal * seen[:, 0] / seen[:, 2] + middle, x, atol=2e-3)
    np.testing.assert_allclose(focal * seen[:, 1] / seen[:, 2] + middle, y, atol=2e-3)
    np.testing.assert_allclose(seen[:, 2], depth[y, x], rtol=1e-4)
    per_corner = interpolate(corners[triangles], triangle, bary)
    np.testing.assert_allclose(per_corner, place, atol=1e-6)


def test_shared_edges_do_not_crack():
    rng = np.random.default_rng(2)
    count = 24
    y, x = np.mgrid[:count, :count].astype(np.float32)
    grid = np.stack([x * 3.7 - 5, y * 3.7 - 5, np.ones_like(x)], axis=-1)
    grid[1:-1, 1:-1, :2] += rng.uniform(-1.2, 1.2, (count - 2, count - 2, 2))
    corner = np.arange(count * count).reshape(count, count)
    a, b, c, d = (corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:])
    triangles = np.concatenate([np.stack(t, axis=-1).reshape(-1, 3)
                                for t in ((a, c, b), (b, c, d))])
    triangle, _, _ = rasterize(grid.reshape(-1, 3), triangles, 64, 64)
    assert (triangle >= 0).all()


def test_culling_keeps_what_faces_the_camera():
    # Counter-clockwise as one sees it: right, up, back (y points down).
    screen = np.array([(2, 20, 1), (20, 20, 1), (20, 2, 1)], np.float32)
    towards, away = np.array([[0, 1, 2]]), np.array([[0, 2, 1]])
    assert (rasterize(screen, towards, 24, 24, cull=True)[0] >= 0).any()
    assert (rasterize(screen, away, 24, 24, cull=True)[0] < 0).all()
    assert (rasterize(screen, away, 24, 24)[0] >= 0).any()


def test_points_behind_the_camera_and_not_a_number_are_left_out():
    screen = np.array([(2, 2, -1), (20, 2, 1), (2, 20, 1), (np.nan, 2, 1)], np.float32)
    triangle, _, _ = rasterize(screen, np.array([[0, 1, 2], [3, 1, 2]]), 24, 24)
    assert (triangle == -1).all()


def test_normals_of_a_sphere_point_outward():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(400, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    hull = ConvexHull(points)
    flip = np.einsum("ij,ij->i", hull.equations[:, :3], np.cross(
        points[hull.simplices[:, 1]] - points[hull.simplices[:, 0]],
        points[hull.simplices[:, 2]] - points[hull.simplices[:, 0]])) < 0
    triangles = np.where(flip[:, None], hull.simplices[:, ::-1], hull.simplices)
    normals = vertex_normals(points, triangles)
    assert np.einsum("ij,ij->i", normals, points).min() > 0.95
