# SPDX-License-Identifier: GPL-3.0-or-later
"""A z-buffer for triangles, in numba, with perspective-correct barycentric coordinates.

Picture frame: x right, y down, the centre of the top-left pixel at (0, 0); depth grows away from
the camera. Every function releases the GIL and runs on one thread.
"""

from __future__ import annotations

import numba
import numpy as np

NEAREST_DEPTH = 1e-4
"""Triangles with a corner nearer than this (metres) are left out: there is no clipping."""

EDGE_TOLERANCE = 1e-7
"""Slack of the inside test in units of the triangle's area, so that shared edges never crack."""

SMALLEST_AREA = 1e-9
"""Triangles of less than this doubled area (px²) are seen edge-on and cover no pixel."""
WIDE = 8
"""Pixels of a row of a triangle's bounding box beyond which it pays to skip those outside."""


def rasterize(
    screen: np.ndarray,
    triangles: np.ndarray,
    height: int,
    width: int,
    cull: bool | int = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the nearest triangle in each pixel.

    screen: (V,3) float, columns x px, y px, z depth (> 0 before the camera, any unit).
    triangles: (N,3) int, rows of `screen`.
    cull: leave out the triangles whose corners appear in clockwise order, that is the backs of a
        surface whose triangles run counter-clockwise seen from outside: all (True), or those among
        the first `cull` triangles.

    Returns triangle (H,W) int32, -1 where there is none; bary (H,W,3) float32, the
    perspective-correct weights of the three corners, 0 where there is none; depth (H,W) float32,
    inf where there is none.
    """
    screen = np.ascontiguousarray(screen, dtype=np.float32)
    triangles = np.ascontiguousarray(triangles, dtype=np.int32)
    if screen.ndim != 2 or screen.shape[1] != 3:
        raise ValueError(f"screen must have shape (V,3), not {screen.shape}")
    if triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ValueError(f"triangles must have shape (N,3), not {triangles.shape}")
    triangle = np.full((height, width), -1, np.int32)
    nearness = np.zeros((height, width), np.float32)
    _fill(screen, triangles, _cull_count(cull, triangles), triangle, nearness)
    bary = np.zeros((height, width, 3), np.float32)
    depth = np.full((height, width), np.inf, np.float32)
    _resolve(screen, triangles, triangle, bary, depth)
    return triangle, bary, depth


def _cull_count(cull: bool | int, triangles: np.ndarray) -> int:
    return len(triangles) if cull is True else int(cull)


def depth_map(screen: np.ndarray, triangles: np.ndarray, height: int, width: int,
              cull: bool | int = False) -> np.ndarray:
    """The depth (H,W) float32 alone, as `rasterize` would return it, for shadows."""
    triangle = np.full((height, width), -1, np.int32)
    nearness = np.zeros((height, width), np.float32)
    _fill(np.ascontiguousarray(screen, dtype=np.float32),
          np.ascontiguousarray(triangles, dtype=np.int32), _cull_count(cull, triangles), triangle,
          nearness)
    with np.errstate(divide="ignore"):
        return 1.0 / nearness


def interpolate(attribute: np.ndarray, triangle: np.ndarray, bary: np.ndarray,
                triangles: np.ndarray | None = None) -> np.ndarray:
    """Spread an attribute over the pixels: (H,W,C) float32, 0 where there is no triangle.

    attribute: per corner (N,3,C), or per vertex (V,C) together with `triangles` (N,3).
    triangle (H,W) and bary (H,W,3): as `rasterize` returns them.
    """
    if attribute.ndim == 2:
        if triangles is None:
            raise ValueError("an attribute per vertex needs the triangles")
        return _interpolate_vertices(
            np.ascontiguousarray(attribute, dtype=np.float32),
            np.ascontiguousarray(triangles, dtype=np.int32), triangle, bary)
    if attribute.ndim == 3 and attribute.shape[1] == 3:
        return _interpolate_corners(
            np.ascontiguousarray(attribute, dtype=np.float32), triangle, bary)
    raise ValueError(f"attribute must have shape (V,C) or (N,3,C), not {attribute.shape}")


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals (V,3) float32: the area-weighted mean of the triangles around each vertex."""
    return _vertex_normals(np.ascontiguousarray(vertices, dtype=np.float32),
                           np.ascontiguousarray(triangles, dtype=np.int32))


@numba.njit(cache=True, nogil=True, inline="always")
def _narrowed(weight, slope, first, last):
    """Columns first…last without most of those where a weight, linear in them, is negative."""
    if slope > 0:
        return max(first, -weight / slope - 1.0), last
    if slope < 0:
        return first, min(last, 1.0 - weight / slope)
    return first, last


@numba.njit(cache=True, nogil=True)
def _fill(screen, triangles, culled, triangle, nearness):
    """Write the nearest triangle's index, and 1 / depth, into each pixel."""
    height, width = triangle.shape
    for index in range(triangles.shape[0]):
        a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
        za, zb, zc = screen[a, 2], screen[b, 2], screen[c, 2]
        # Written so that NaN coordinates are left out as well.
        if not (za > NEAREST_DEPTH and zb > NEAREST_DEPTH and zc > NEAREST_DEPTH):
            continue
        ax, ay = np.float64(screen[a, 0]), np.float64(screen[a, 1])
        bx, by = np.float64(screen[b, 0]), np.float64(screen[b, 1])
        cx, cy = np.float64(screen[c, 0]), np.float64(screen[c, 1])
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not abs(area) > SMALLEST_AREA or (index < culled and area > 0):
            continue
        low_x = max(0.0, np.ceil(min(ax, bx, cx)))
        high_x = min(width - 1.0, np.floor(max(ax, bx, cx)))
        low_y = max(0.0, np.ceil(min(ay, by, cy)))
        high_y = min(height - 1.0, np.floor(max(ay, by, cy)))
        if low_x > high_x or low_y > high_y:
            continue
        inverse = 1.0 / area
        # Barycentric weights are linear in x and y; so is 1 / depth.
        a_x, a_y = (by - cy) * inverse, (cx - bx) * inverse
        b_x, b_y = (cy - ay) * inverse, (ax - cx) * inverse
        near_a, near_b, near_c = 1.0 / za, 1.0 / zb, 1.0 / zc
        for y in range(int(low_y), int(high_y) + 1):
            weight_a = (low_x - cx) * a_x + (y - cy) * a_y
            weight_b = (low_x - cx) * b_x + (y - cy) * b_y
            first, last = 0.0, high_x - low_x
            if last > WIDE:
                # Long slanting triangles cover little of their bounding box.
                first, last = _narrowed(weight_a, a_x, first, last)
                first, last = _narrowed(weight_b, b_x, first, last)
                first, last = _narrowed(1.0 - weight_a - weight_b, -a_x - b_x, first, last)
                first = np.floor(first)
                weight_a += first * a_x
                weight_b += first * b_x
            for x in range(int(low_x + first), int(low_x + last) + 1):
                weight_c = 1.0 - weight_a - weight_b
                if (weight_a >= -EDGE_TOLERANCE and weight_b >= -EDGE_TOLERANCE
                        and weight_c >= -EDGE_TOLERANCE):
                    near = np.float32(weight_a * near_a + weight_b * near_b + weight_c * near_c)
                    if near > nearness[y, x]:
                        nearness[y, x] = near
                        triangle[y, x] = index
                weight_a += a_x
                weight_b += b_x


@numba.njit(cache=True, nogil=True)
def _resolve(screen, triangles, triangle, bary, depth):
    """Weights and depth of the triangle that won each pixel."""
    height, width = triangle.shape
    for y in range(height):
        for x in range(width):
            index = triangle[y, x]
            if index < 0:
                continue
            a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
            ax, ay = np.float64(screen[a, 0]), np.float64(screen[a, 1])
            bx, by = np.float64(screen[b, 0]), np.float64(screen[b, 1])
            cx, cy = np.float64(screen[c, 0]), np.float64(screen[c, 1])
            inverse = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
            weight_a = max(0.0, ((x - cx) * (by - cy) + (y - cy) * (cx - bx)) * inverse)
            weight_b = max(0.0, ((x - cx) * (cy - ay) + (y - cy) * (ax - cx)) * inverse)
            weight_c = max(0.0, 1.0 - weight_a - weight_b)
            weight_a /= screen[a, 2]
            weight_b /= screen[b, 2]
            weight_c /= screen[c, 2]
            total = weight_a + weight_b + weight_c
            bary[y, x, 0] = weight_a / total
            bary[y, x, 1] = weight_b / total
            bary[y, x, 2] = weight_c / total
            depth[y, x] = 1.0 / total


@numba.njit(cache=True, nogil=True)
def _interpolate_vertices(attribute, triangles, triangle, bary):
    height, width = triangle.shape
    channels = attribute.shape[1]
    out = np.zeros((height, width, channels), np.float32)
    for y in range(height):
        for x in range(width):
            index = triangle[y, x]
            if index >= 0:
                a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
                for k in range(channels):
                    out[y, x, k] = (bary[y, x, 0] * attribute[a, k]
                                    + bary[y, x, 1] * attribute[b, k]
                                    + bary[y, x, 2] * attribute[c, k])
    return out


@numba.njit(cache=True, nogil=True)
def _interpolate_corners(attribute, triangle, bary):
    height, width = triangle.shape
    channels = attribute.shape[2]
    out = np.zeros((height, width, channels), np.float32)
    for y in range(height):
        for x in range(width):
            index = triangle[y, x]
            if index >= 0:
                for k in range(channels):
                    out[y, x, k] = (bary[y, x, 0] * attribute[index, 0, k]
                                    + bary[y, x, 1] * attribute[index, 1, k]
                                    + bary[y, x, 2] * attribute[index, 2, k])
    return out


@numba.njit(cache=True, nogil=True)
def _vertex_normals(vertices, triangles):
    normals = np.zeros_like(vertices)
    for index in range(triangles.shape[0]):
        a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
        ux = vertices[b, 0] - vertices[a, 0]
        uy = vertices[b, 1] - vertices[a, 1]
        uz = vertices[b, 2] - vertices[a, 2]
        vx = vertices[c, 0] - vertices[a, 0]
        vy = vertices[c, 1] - vertices[a, 1]
        vz = vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for vertex in range(normals.shape[0]):
        length = np.sqrt(normals[vertex, 0] ** 2 + normals[vertex, 1] ** 2
                         + normals[vertex, 2] ** 2)
        if length > 0:
            normals[vertex] /= length
    return normals
