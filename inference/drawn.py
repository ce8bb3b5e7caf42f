# SPDX-License-Identifier: GPL-3.0-or-later
"""A head drawn as flat quads from back to front: simple, but the network knows a face when it sees
one. A clip of it is all that the self-check needs."""

from __future__ import annotations

import cv2
import numpy as np

from inference.solve.camera import Camera
from models.head import GROUP_NAMES, load_head

COLOURS = {
    "skin": (205, 150, 125),
    "lips": (170, 85, 80),
    "eyelids": (190, 135, 112),
    "ears": (200, 140, 118),
    "inside_mouth": (70, 25, 25),
    "eye_left": (235, 235, 235),
    "eye_right": (235, 235, 235),
    "teeth_upper": (230, 225, 210),
    "teeth_lower": (230, 225, 210),
    "tongue": (160, 80, 80),
    "lashes": (30, 20, 15),
    "gums": (150, 70, 70),
    "brows": (60, 40, 30),
}
BACKGROUND = 90
LIGHT = np.array([-0.4, -0.6, -1.0])  # camera space, towards the lamp: above, on the left
AMBIENT, DIFFUSE = 0.45, 0.6
SHIFT = 4  # OpenCV's fixed point: sixteenths of a pixel


def draw_head(vertices: np.ndarray, camera: Camera, width: int, height: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB: the head's vertices (V, 3) m in camera space, all before the lens."""
    head = load_head()
    corners = vertices[head.quads]
    middle = corners.mean(axis=1)
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    light = LIGHT / np.linalg.norm(LIGHT)
    palette = np.array([COLOURS[name] for name in GROUP_NAMES])
    shade = AMBIENT + DIFFUSE * np.clip(normal @ light, 0.0, 1.0)
    colours = np.clip(palette[head.group] * shade[:, None], 0, 255)
    pixels = np.round(camera.project(corners) * 2**SHIFT).astype(np.int32)
    far_to_near = np.argsort(-middle[:, 2])
    visible = np.einsum("fc,fc->f", normal, middle) < 0.0
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    for quad in far_to_near[visible[far_to_near]]:
        cv2.fillConvexPoly(image, pixels[quad], colours[quad], cv2.LINE_8, SHIFT)
    return image
