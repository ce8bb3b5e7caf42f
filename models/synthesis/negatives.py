# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures without a face, among them what a careless detector takes for one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from models.head import SHAPE_NAMES, load_head

from . import pool
from .background import Backdrops, Photograph, find_faces, procedural
from .noise import fractal_noise
from .skin import TONES

MISPLACED_PROBABILITY = 0.35
"""Faces where no crop of a face has them: too small, too large, off the middle, upside down."""
PHOTO_PROBABILITY = 0.65
SKIN_PROBABILITY = 0.45
"""How often skin-coloured blobs, hands and shoulders are added."""
MOST_BLUR = 0.012

# The detector's box around a face as a share of the picture's side; 0.5 is about right for a face.
SMALL_SHARE, USUAL_SHARE, LARGE_SHARE = (0.06, 0.19), (0.35, 0.6), (1.4, 3.0)
OFF_MIDDLE = (0.42, 0.6)
"""Distance of the face from the picture's middle, in sides."""
UPSIDE_DOWN = (110.0, 250.0)
"""Degrees."""


class BackgroundRenderer:
    """Makes face-free pictures.

    photos: a folder of portraits; parts beside the faces are used.
    """

    def __init__(self, photos: str | Path | None = None):
        head = load_head()
        self.backdrops = Backdrops(photos)
        self.photographs = find_faces(photos) if photos else []
        self.point_count = len(head.point_vertices)
        self.identity_count = len(head.identity_basis)

    def samples(self, rng: np.random.Generator, count: int) -> list[pool.Sample]:
        """So many samples; the same state of rng gives the same ones."""
        return [self.sample(rng) for _ in range(count)]

    def sample(self, rng: np.random.Generator) -> pool.Sample:
        """One picture; all labels are zeros, the segmentation unknown."""
        side = pool.IMAGE_SIDE
        if self.photographs and rng.random() < MISPLACED_PROBABILITY:
            return self._labelled(misplaced_face(self._photograph(rng), rng))
        if self.backdrops.bank and rng.random() < PHOTO_PROBABILITY:
            image = self.backdrops.photograph(rng, side, rng.uniform(0, MOST_BLUR))
        else:
            image = self.backdrops.sample(rng, side)
        image = np.ascontiguousarray(image)
        if rng.random() < SKIN_PROBABILITY:
            image = _add_skin(image, rng)
        return self._labelled(image)

    def _photograph(self, rng: np.random.Generator) -> Photograph:
        return self.photographs[rng.integers(len(self.photographs))]

    def _labelled(self, image: np.ndarray) -> pool.Sample:
        return pool.Sample(
            image=image, points=np.zeros((self.point_count, 2), np.float32),
            visible=np.zeros(self.point_count, np.uint8),
            identity=np.zeros(self.identity_count, np.float32),
            expression=np.zeros(len(SHAPE_NAMES), np.float32), gaze=np.zeros((2, 2), np.float32),
            rotation=np.zeros((3, 3), np.float32), face=0,
            segmentation=np.full((pool.SEGMENTATION_SIDE,) * 2, pool.UNKNOWN, np.uint8),
            source=pool.SOURCE_BACKGROUND)


def misplaced_face(photograph: Photograph, rng: np.random.Generator) -> np.ndarray:
    """A picture with a face of the photograph where a crop around a face would not have it."""
    side = pool.IMAGE_SIDE
    left, top, width, height = photograph.faces[rng.integers(len(photograph.faces))]
    centre = np.array([left + width / 2, top + height / 2])
    angle, offset = 0.0, np.zeros(2)
    kind = rng.random()
    if kind < 0.3:
        share = rng.uniform(*SMALL_SHARE)
        offset = rng.uniform(-0.35, 0.35, 2)
    elif kind < 0.55:
        share = rng.uniform(*LARGE_SHARE)
        offset = rng.uniform(-0.5, 0.5, 2) * share
    elif kind < 0.8:
        share = rng.uniform(*USUAL_SHARE)
        offset = rng.uniform(-0.5, 0.5, 2)
        offset[rng.integers(2)] = rng.choice((-1, 1)) * rng.uniform(*OFF_MIDDLE)
    else:
        share = rng.uniform(*USUAL_SHARE)
        offset = rng.uniform(-0.1, 0.1, 2)
        angle = rng.uniform(*UPSIDE_DOWN)
    scale = share * side / width
    matrix = cv2.getRotationMatrix2D(tuple(centre.tolist()), angle, scale)
    matrix[:, 2] += (0.5 + offset) * side - centre
    image = procedural(rng, side)
    source = photograph.image
    if scale < 0.5:
        # Averaged down first: warping alone would skip pixels.
        source = cv2.GaussianBlur(source, (0, 0), 0.4 / scale)
    return cv2.warpAffine(source, matrix, (side, side), image, cv2.INTER_LINEAR,
                          cv2.BORDER_TRANSPARENT)


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


def _hand(mask: np.ndarray, shade: np.ndarray, centre: np.ndarray,
          rng: np.random.Generator) -> None:
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
        start = centre + direction * size * 0.7
        end = centre + direction * size * rng.uniform(1.6, 2.2)
        ends = [tuple(int(v) for v in place) for place in (start, end)]
        thick = max(3, int(size * 0.36))
        cv2.line(mask, *ends, 255, thick, cv2.LINE_AA)
        cv2.line(shade, *ends, 150, thick, cv2.LINE_AA)
        cv2.line(shade, *ends, 225, max(2, thick * 2 // 3), cv2.LINE_AA)
    wrist = centre - np.array([np.cos(angle), np.sin(angle)]) * side
    cv2.line(mask, palm, tuple(int(v) for v in wrist), 255, int(size * 1.2), cv2.LINE_AA)
