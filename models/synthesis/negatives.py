# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures without a face, among them what a careless detector takes for one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.head import SHAPE_NAMES, load_head

from . import pool
from .background import Backdrops
from .noise import fractal_noise
from .skin import TONES

PHOTO_PROBABILITY = 0.65
SKIN_PROBABILITY = 0.45
"""How often skin-coloured blobs, hands and shoulders are added."""
MOST_BLUR = 0.012


class BackgroundRenderer:
    """Makes face-free pictures.

    photos: a folder of portraits; parts beside the faces are used.
    """

    def __init__(self, photos: str | Path | None = None):
        head = load_head()
        self.backdrops = Backdrops(photos)
        self.point_count = len(head.point_vertices)
        self.identity_count = len(head.identity_basis)

    def sample(self, rng: np.random.Generator) -> pool.Sample:
        """One picture; all labels but the segmentation (all background) are zeros."""
        side = pool.IMAGE_SIDE
        if self.backdrops.bank and rng.random() < PHOTO_PROBABILITY:
            image = self.backdrops.photograph(rng, side, rng.uniform(0, MOST_BLUR))
        else:
            image = self.backdrops.sample(rng, side)
        image = np.ascontiguousarray(image)
        if rng.random() < SKIN_PROBABILITY:
            image = _add_skin(image, rng)
        return pool.Sample(
            image=image, points=np.zeros((self.point_count, 2), np.float32),
            visible=np.zeros(self.point_count, np.uint8),
            identity=np.zeros(self.identity_count, np.float32),
            expression=np.zeros(len(SHAPE_NAMES), np.float32), gaze=np.zeros((2, 2), np.float32),
            rotation=np.zeros((3, 3), np.float32), face=0,
            segmentation=np.zeros((pool.SEGMENTATION_SIDE,) * 2, np.uint8),
            source=pool.SOURCE_BACKGROUND)


def _add_skin(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Hands, arms, shoulders and plain ovals in skin colour, shaded, without features."""
    side = image.shape[0]
    colour = np.array(TONES[rng.integers(len(TONES))]) * rng.uniform(0.5, 1.05)
    mask = np.zeros((side, side), np.uint8)
    shade = np.full((side, side), 215, np.uint8)
    kind = rng.random()
    centre = rng.uniform(0.25, 0.75, 2) * side
    if kind < 0.35:
        axes = tuple(int(v) for v in rng.uniform(0.12, 0.4, 2) * side)
        cv2.ellipse(mask, tuple(int(v) for v in centre), axes, rng.uniform(0, 180), 0, 360, 255, -1,
                    cv2.LINE_AA)
    elif kind < 0.75:
        _hand(mask, shade, centre, rng)
    else:
        # A shoulder or arm across the picture.
        first, second = rng.uniform(-0.2, 1.2, (2, 2)) * side
        cv2.line(mask, tuple(int(v) for v in first), tuple(int(v) for v in second), 255,
                 int(rng.uniform(0.15, 0.5) * side), cv2.LINE_AA)
    mask = cv2.GaussianBlur(mask, (0, 0), rng.uniform(0.5, 2.5))
    light = 1 + 0.12 * fractal_noise(rng, side, side, rng.uniform(1.2, 4), 3)
    field = colour * light[..., None] * (cv2.GaussianBlur(shade, (0, 0), 1.5)[..., None] / 215.0)
    alpha = mask[..., None].astype(np.float32) / 255.0
    return np.clip(image * (1 - alpha) + field * alpha + 0.5, 0, 255).astype(np.uint8)


def _hand(mask: np.ndarray, shade: np.ndarray, centre: np.ndarray, rng: np.random.Generator) -> None:
    """A palm with three to five fingers, drawn into mask and shade."""
    side = mask.shape[0]
    angle = rng.uniform(0, 2 * np.pi)
    size = rng.uniform(0.12, 0.25) * side
    palm = tuple(int(v) for v in centre)
    cv2.ellipse(mask, palm, (int(size), int(size * 0.85)), np.rad2deg(angle), 0, 360, 255, -1,
                cv2.LINE_AA)
    count = int(rng.integers(3, 6))
    fan = np.linspace(-0.7, 0.7, count) * rng.uniform(0.3, 1.0)
    for turn in fan:
        direction = np.array([np.cos(angle + turn), np.sin(angle + turn)])
        start, end = centre + direction * size * 0.7, centre + direction * size * rng.uniform(1.6, 2.2)
        ends = [tuple(int(v) for v in place) for place in (start, end)]
        thick = max(3, int(size * 0.36))
        cv2.line(mask, *ends, 255, thick, cv2.LINE_AA)
        cv2.line(shade, *ends, 150, thick, cv2.LINE_AA)
        cv2.line(shade, *ends, 225, max(2, thick * 2 // 3), cv2.LINE_AA)
    wrist = centre - np.array([np.cos(angle), np.sin(angle)]) * side
    cv2.line(mask, palm, tuple(int(v) for v in wrist), 255, int(size * 1.2), cv2.LINE_AA)
