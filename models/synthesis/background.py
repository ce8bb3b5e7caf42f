# SPDX-License-Identifier: GPL-3.0-or-later
"""What is behind people: made from noise and shapes, or face-free parts of photographs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .noise import fractal_noise, smooth_noise

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
PHOTO_COUNT = 120
"""Photographs kept in memory: finding the faces in them is slow."""
PARTS_EACH, PART_TRIES = 3, 12
BANK_SEED = 11
BANK_SIDE = 224
FACE_MARGIN = (0.5, 0.7, 0.3)
"""How far hair and chin reach beyond the detector's box, in its sides: aside, above, below."""
SMALLEST_PART = 40
"""Parts of fewer pixels a side would only be smears when enlarged."""
PHOTO_PROBABILITY = 0.65
SHAPE_BLUR = (0.003, 0.05)
"""Blur of painted shapes in sides, drawn log-uniformly."""
DETECTOR = "haarcascade_frontalface_alt2.xml"


class Backdrops:
    """Backgrounds (side,side,3) uint8; with a folder of photographs, parts of these as well."""

    def __init__(self, photos: str | Path | None = None):
        self.bank = face_free_parts(find_faces(photos)) if photos else []

    def sample(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """A background, as a rule out of focus."""
        if self.bank and rng.random() < PHOTO_PROBABILITY:
            return self.photograph(rng, side, rng.uniform(0.0, 0.02))
        return procedural(rng, side)

    def photograph(self, rng: np.random.Generator, side: int, blur: float) -> np.ndarray:
        """A face-free part of a photograph, turned about, blurred by `blur` sides."""
        part = self.bank[rng.integers(len(self.bank))]
        share = rng.uniform(0.5, 1.0)
        size = int(BANK_SIDE * share)
        top, left = rng.integers(BANK_SIDE - size + 1, size=2)
        part = part[top:top + size, left:left + size]
        if rng.random() < 0.5:
            part = part[:, ::-1]
        image = cv2.resize(part, (side, side), interpolation=cv2.INTER_LINEAR)
        return cv2.GaussianBlur(image, (0, 0), blur * side) if blur * side > 0.4 else image


@dataclass(frozen=True)
class Photograph:
    """image (H,W,3) uint8 RGB; faces (n,4): the detector's boxes as left, top, width, height."""

    image: np.ndarray
    faces: np.ndarray


def find_faces(folder: str | Path, count: int = PHOTO_COUNT) -> list[Photograph]:
    """Some photographs of a folder in which the detector finds a face, always the same ones.

    Where it finds none it may have missed one: such photographs are left out. Raises ValueError
    where none remains.
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    detector = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / DETECTOR))
    found: list[Photograph] = []
    for index in np.random.default_rng(BANK_SEED).permutation(len(paths)):
        image = cv2.imread(str(paths[index]), cv2.IMREAD_COLOR_RGB)
        if image is None:
            continue
        faces = detector.detectMultiScale(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 1.1, 3)
        if len(faces):
            found.append(Photograph(image, np.asarray(faces)))
        if len(found) == count:
            break
    if not found:
        raise ValueError(f"no photographs with a face in {folder} to cut backgrounds from")
    return found


def face_free_parts(photographs: list[Photograph]) -> list[np.ndarray]:
    """Square parts (BANK_SIDE,BANK_SIDE,3) RGB beside, above or below the faces."""
    rng = np.random.default_rng(BANK_SEED)
    return [part for photograph in photographs for part in _parts_of(photograph, rng)]


def _parts_of(photograph: Photograph, rng: np.random.Generator) -> list[np.ndarray]:
    """Up to PARTS_EACH squares of one photograph, clear of all its faces."""
    image = photograph.image
    height, width = image.shape[:2]
    parts: list[np.ndarray] = []
    for _ in range(PART_TRIES):
        side = int(rng.uniform(SMALLEST_PART, 0.6 * min(height, width) + SMALLEST_PART))
        if side >= min(height, width):
            continue
        x, y = int(rng.integers(width - side)), int(rng.integers(height - side))
        clear = all(
            x + side < fx - FACE_MARGIN[0] * fw or x > fx + (1 + FACE_MARGIN[0]) * fw
            or y + side < fy - FACE_MARGIN[1] * fh or y > fy + (1 + FACE_MARGIN[2]) * fh
            for fx, fy, fw, fh in photograph.faces)
        if clear:
            parts.append(cv2.resize(image[y:y + side, x:x + side], (BANK_SIDE, BANK_SIDE),
                                    interpolation=cv2.INTER_LINEAR))
        if len(parts) == PARTS_EACH:
            break
    return parts


def procedural(rng: np.random.Generator, side: int) -> np.ndarray:
    """A wall, a sky, a room out of focus or plain noise, in mostly muted colours."""
    base = _muted(rng)
    other = np.clip(base + rng.normal(0, 35, 3), 0, 255)
    corners = np.stack([base, other, (base + other) / 2 + rng.normal(0, 10, 3), base * 0.8])
    field = cv2.resize(corners.reshape(2, 2, 3).astype(np.float32), (side, side))
    kind = rng.random()
    if kind < 0.4:
        strength = rng.uniform(2, 30)
        field += strength * fractal_noise(rng, side, side, rng.uniform(1.5, 14), 3)[..., None]
    image = np.clip(field, 0, 255).astype(np.uint8)
    if kind > 0.3:
        for _ in range(int(rng.integers(2, 14))):
            _shape(image, rng)
        image = cv2.GaussianBlur(image, (0, 0), side * np.exp(rng.uniform(*np.log(SHAPE_BLUR))))
    if rng.random() < 0.3:
        grain = rng.uniform(2, 10) * smooth_noise(rng, side, side, side / 2)
        image = np.clip(image + grain[..., None], 0, 255).astype(np.uint8)
    return image


def _muted(rng: np.random.Generator) -> np.ndarray:
    """A greyish colour; a strong one now and then."""
    grey = rng.uniform(10, 245)
    return np.clip(grey + rng.normal(0, 12 if rng.random() < 0.7 else 50, 3), 0, 255)


def _shape(image: np.ndarray, rng: np.random.Generator) -> None:
    """Draw one rectangle, ellipse or line, in place."""
    side = image.shape[0]
    colour = _muted(rng).tolist()
    first = tuple(int(v) for v in rng.uniform(-0.2, 1.2, 2) * side)
    second = tuple(int(v) for v in rng.uniform(-0.2, 1.2, 2) * side)
    kind = rng.random()
    if kind < 0.5:
        cv2.rectangle(image, first, second, colour, -1)
    elif kind < 0.8:
        axes = tuple(int(v) for v in rng.uniform(0.02, 0.3, 2) * side)
        cv2.ellipse(image, first, axes, rng.uniform(0, 180), 0, 360, colour, -1, cv2.LINE_AA)
    else:
        cv2.line(image, first, second, colour, int(rng.uniform(1, 0.1 * side)), cv2.LINE_AA)
