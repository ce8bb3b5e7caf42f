# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place of the head a picture shows where, how deep it lies and where it faces.

The labels are rasterised on a coarse grid of their own, from the geometry that the picture was
drawn from: so each holds at the centre of its cell, without a resampling in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

from . import pool
from .raster import interpolate, rasterize
from .shading import height_at, slope

COVERING = (pool.HAIR, pool.GLASSES, pool.OCCLUDER)
"""Classes that hide the head."""


@dataclass(frozen=True)
class Detail:
    """Height of the skin. skin_map (h,w,4) float32, its last channel mm; corner_uv (N,3,2):
    coordinates of the triangles' corners on it; skin (N,) bool: triangles that wear it."""

    skin_map: np.ndarray
    corner_uv: np.ndarray
    skin: np.ndarray


@dataclass(frozen=True)
class Posed:
    """A head, and what is worn, as a picture of `side` px was drawn from it.

    screen (M,3): pixels and depth (m) of all vertices, the V of the head first; triangles (N,3);
    normals (V,3): unit, in camera space; cull: as `raster.rasterize` takes it; centre_depth (m):
    of the origin of head space. detail: None where the skin's height is not known.
    """

    screen: np.ndarray
    triangles: np.ndarray
    normals: np.ndarray
    side: int
    cull: bool | int
    centre_depth: float
    detail: Detail | None = None


def label_pixels(posed: Posed, mean: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """Labels (48,48) of the head's surface, of type pool.SURFACE_TYPE.

    mean (V,3): the mean head; classes (side,side) uint8: what finally covers each pixel, where that
    is not decided by the triangles alone.
    """
    cells, scale = pool.SURFACE_SIDE, posed.side / pool.SURFACE_SIDE
    screen = posed.screen.astype(np.float64)
    screen[:, :2] = (screen[:, :2] - (scale - 1) / 2) / scale
    triangle, bary, depth = rasterize(screen, posed.triangles, cells, cells, cull=posed.cull)
    count = len(mean)
    shown = triangle >= 0
    shown[shown] = posed.triangles[triangle[shown]].max(axis=1) < count
    if classes is not None:
        shown &= ~_covered(classes, cells)
    triangle = np.where(shown, triangle, -1)
    # Worn things have neither a place on the mean head nor normals here.
    of_head = np.where(posed.triangles < count, posed.triangles, 0)

    labels = np.zeros((cells, cells), pool.SURFACE_TYPE)
    place = interpolate(mean, triangle, bary, of_head)
    labels["canonical"] = _tenths(place, shown[..., None])
    labels["depth"] = _tenths(depth - np.float32(posed.centre_depth), shown)
    normal = interpolate(posed.normals, triangle, bary, of_head)
    labels["normal"] = _unit(normal)
    if posed.detail is not None:
        detail = posed.detail
        labels["detail"] = _unit(_bend(normal, triangle, bary, detail.skin_map, detail.corner_uv,
                                       detail.skin))
    return labels


def _covered(classes: np.ndarray, cells: int) -> np.ndarray:
    """Cells (cells,cells) bool whose centre lies under something; classes (H,W)."""
    scale = classes.shape[0] // cells
    first = (scale - 1) // 2
    last = first + 1 + (scale % 2 == 0)
    middle = np.isin(classes.reshape(cells, scale, cells, scale)[:, first:last, :, first:last],
                     COVERING)
    return middle.mean(axis=(1, 3)) >= 0.5


def _tenths(metres: np.ndarray, known: np.ndarray) -> np.ndarray:
    """int16 in pool.SURFACE_UNIT, NOWHERE where not known."""
    steps = np.rint(np.where(known, metres, 0) / pool.SURFACE_UNIT)
    limit = np.iinfo(np.int16).max
    return np.where(known, np.clip(steps, -limit, limit), pool.NOWHERE).astype(np.int16)


def _unit(normal: np.ndarray) -> np.ndarray:
    """int8, 127 the unit, of directions (…,3); zeros stay zeros."""
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    return np.rint(127 * normal / np.maximum(length, 1e-9)).astype(np.int8)


@numba.njit(cache=True, nogil=True)
def _bend(normal, triangle, bary, skin_map, corner_uv, skin):
    """Interpolated normals (H,W,3), turned by the skin's height as shading turns them."""
    bent = normal.copy()
    for row in range(triangle.shape[0]):
        for column in range(triangle.shape[1]):
            index = triangle[row, column]
            if index < 0 or not skin[index]:
                continue
            u, v = 0.0, 0.0
            for corner in range(3):
                u += bary[row, column, corner] * corner_uv[index, corner, 0]
                v += bary[row, column, corner] * corner_uv[index, corner, 1]
            slope_x, slope_y = slope(skin_map, u, v, height_at(skin_map, u, v))
            bent[row, column, 0] -= slope_x
            bent[row, column, 1] -= slope_y
    return bent
