# SPDX-License-Identifier: GPL-3.0-or-later
"""The chart of the head on which skin is painted, and shapes drawn on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from models.head import GROUP_NAMES, Head

CHART_HEIGHT, CHART_WIDTH = 320, 448
CHART_TOP, CHART_BOTTOM = 0.12, -0.19
"""Heights (m, head space) of the chart's upper and lower edge."""
CHART_AXIS_Z = -0.06
"""The chart is a cylinder about the vertical line through this z (m)."""
FRONT_ANGLE = np.deg2rad(100.0)
"""Azimuth up to which the chart is evenly spaced; the back of the head is compressed."""
BACK_COMPRESSION = 4.0

EAR_MARKS = ((36, 31), (45, 35))
"""The right and the left ear take their colour from between these iBUG points."""
EAR_SCALE = 0.3

TEXEL_PER_METRE = CHART_HEIGHT / (CHART_TOP - CHART_BOTTOM)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light 0…1 of 8-bit sRGB values (IEC 61966-2-1)."""
    value = np.asarray(srgb, np.float64) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True)
class Chart:
    """Coordinates of the head's surface on the skin map.

    corners (N,3,2) float32: u, v of each triangle's corners in 0…1; u may exceed 1 by the seam at
    the back of the head and wraps around. marks (68,2): the iBUG points in texels.
    """

    corners: np.ndarray
    marks: np.ndarray

    @staticmethod
    def of(head: Head) -> Chart:
        """The chart of the mean head."""
        uv = chart_coordinates(head.mean)
        corners = uv[head.triangles]
        far = corners[:, :, 0].max(axis=1) - corners[:, :, 0].min(axis=1) > 0.5
        corners[far, :, 0] += corners[far, :, 0] < 0.5
        # Ears stand before the hair in the chart; they take their skin from the cheek instead.
        ears = head.triangle_group == GROUP_NAMES.index("ears")
        left = head.mean[head.triangles, 0].mean(axis=1) > 0
        for chosen, marks in ((ears & ~left, EAR_MARKS[0]), (ears & left, EAR_MARKS[1])):
            place = uv[head.points68[list(marks)]].mean(axis=0)
            offset = corners[chosen] - corners[chosen].mean(axis=(0, 1))
            corners[chosen] = place + EAR_SCALE * offset
        marks = uv[head.points68] * (CHART_WIDTH, CHART_HEIGHT) - 0.5
        return Chart(np.ascontiguousarray(corners, np.float32), marks)


def chart_coordinates(positions: np.ndarray) -> np.ndarray:
    """u, v (…,2) float32 in 0…1 of positions (…,3) on the mean head; u = 0.5 is the mid line."""
    azimuth = np.arctan2(positions[..., 0], positions[..., 2] - CHART_AXIS_Z)
    beyond = np.maximum(np.abs(azimuth) - FRONT_ANGLE, 0.0)
    bent = np.sign(azimuth) * (np.minimum(np.abs(azimuth), FRONT_ANGLE) + beyond / BACK_COMPRESSION)
    half = FRONT_ANGLE + (np.pi - FRONT_ANGLE) / BACK_COMPRESSION
    u = 0.5 + 0.5 * bent / half
    v = (CHART_TOP - positions[..., 1]) / (CHART_TOP - CHART_BOTTOM)
    return np.stack([u, v], axis=-1).astype(np.float32)


@cache
def grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:CHART_HEIGHT, :CHART_WIDTH].astype(np.float32)
    return x, y


def group_mask(head: Head, chart: Chart, group: str) -> np.ndarray:
    """The part of the chart (H,W) 0…1 that a group of quads covers."""
    mask = np.zeros((CHART_HEIGHT, CHART_WIDTH), np.uint8)
    chosen = head.triangle_group == GROUP_NAMES.index(group)
    for corners in chart.corners[chosen] * (CHART_WIDTH, CHART_HEIGHT) - 0.5:
        cv2.fillConvexPoly(mask, np.rint(corners * 8).astype(np.int32), 255, cv2.LINE_AA, 3)
    return mask.astype(np.float32) / 255.0


def spot(centre, radius_x: float, radius_y: float) -> np.ndarray:
    """A Gaussian spot (H,W), radii in texels."""
    x, y = grid()
    return np.exp(-0.5 * (((x - centre[0]) / radius_x) ** 2 + ((y - centre[1]) / radius_y) ** 2))


def curve(points, thickness: float, blur: float = 0.0) -> np.ndarray:
    """A line (H,W) 0…1 through points (n,2), smoothed into a curve."""
    points = np.asarray(points, np.float64)
    # Chaikin's corner cutting, twice.
    for _ in range(2):
        inner = np.stack([0.75 * points[:-1] + 0.25 * points[1:],
                          0.25 * points[:-1] + 0.75 * points[1:]], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], inner, points[-1:]])
    mask = np.zeros((CHART_HEIGHT, CHART_WIDTH), np.uint8)
    cv2.polylines(mask, [np.rint(points * 8).astype(np.int32)], False, 255,
                  max(1, round(thickness)), cv2.LINE_AA, 3)
    field = mask.astype(np.float32) / 255.0
    return cv2.GaussianBlur(field, (0, 0), blur) if blur else field


def soft_polygon(points, blur: float) -> np.ndarray:
    """A soft polygon (H,W) 0…1 of points (n,2)."""
    mask = np.zeros((CHART_HEIGHT, CHART_WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.rint(np.asarray(points) * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255.0, (0, 0), blur)
