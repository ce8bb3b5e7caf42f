# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the tracked points of a head appear in a picture.

All points are vertices, but the seventeen of the jaw: people who mark photographs put those on the
outline of the face, and the outline wanders over the cheek as the head turns.
"""

from __future__ import annotations

import numpy as np

from models.head import Head

JAW_COUNT = 17
BRIDGE_POINT, CHIN_POINT = 27, 8
"""Points whose connecting line in the picture is the face's axis."""

OUTLINE_SOFTNESS = 0.001
"""How sharply the outermost candidate wins, metres: labels glide from vertex to vertex instead of
jumping, at the price of lying about this much inside the outline."""


def project(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Pixels (…,2) of points (…,3) in camera space; intrinsics (3,3) px."""
    return points[..., :2] / points[..., 2:] * np.diag(intrinsics)[:2] + intrinsics[:2, 2]


def project_points(head: Head, vertices: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Pixels (P,2) of the tracked points: 68 iBUG points with the jaw on the outline, then dense.

    vertices (V,3): the head in camera space (OpenCV: x right, y down, z forward), metres.
    intrinsics (3,3): focal lengths and principal point, px.
    """
    points = project(vertices[head.point_vertices], intrinsics)
    candidates = outline_candidates(head)
    weight = outline_weights(head, vertices, intrinsics)
    pixels = project(vertices[candidates], intrinsics)
    points[:JAW_COUNT] = np.einsum("jc,jcx->jx", weight, pixels)
    return points


def outline_candidates(head: Head) -> np.ndarray:
    """(17,C) vertices between which the jaw's points move, their place on the frontal outline
    first."""
    return np.concatenate([head.points68[:JAW_COUNT, None], head.contour], axis=1)


def outline_weights(head: Head, vertices: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """(17,C): how much of each jaw point lies on each of its candidates, where the outline of the
    turned face runs. vertices (V,3) in camera space.

    Each point may move forward from its place on the frontal outline, never backward: where the
    cheek hides that place, which happens on the side turned away, the cheek is what reaches
    further outward; on the near side the ordinary jaw line stays outermost. "Outward" is a fixed
    direction of the face for each point, turned in the picture with the face's axis.
    """
    frontal = head.points68[:JAW_COUNT]
    candidates = outline_candidates(head)
    behind = head.mean[candidates, 2] < head.mean[frontal, 2, None]
    behind[:, 0] = False

    ends = project(vertices[head.points68[[BRIDGE_POINT, CHIN_POINT]]], intrinsics)
    up = ends[0] - ends[1]
    up /= np.hypot(*up)
    right = np.array([-up[1], up[0]])
    radius = head.mean[frontal, :2] - _jaw_centre(head)
    radius /= np.linalg.norm(radius, axis=1, keepdims=True)
    # The character's left (+x) is on the picture's right.
    outward = radius[:, :1] * right + radius[:, 1:] * up

    pixels = project(vertices[candidates], intrinsics)
    scale = intrinsics[0, 0] / vertices[frontal, 2].mean()
    reach = np.einsum("jcx,jx->jc", pixels, outward) / (scale * OUTLINE_SOFTNESS)
    reach[behind] = -np.inf
    weight = np.exp(reach - reach.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def _jaw_centre(head: Head) -> np.ndarray:
    """The middle (2,) of the frontal outline in head space: halfway from brow line to chin."""
    jaw = head.mean[head.points68[:JAW_COUNT], :2]
    return np.array([0.0, (jaw[[0, -1], 1].mean() + jaw[CHIN_POINT, 1]) / 2])
