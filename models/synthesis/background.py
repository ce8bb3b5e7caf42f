# SPDX-License-Identifier: GPL-3.0-or-later
"""What is behind people: made from noise and shapes, or face-free parts of photographs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .noise import fractal_noise, smooth_noise

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png")
BANK_SIZE = 160
"""Face-free parts kept in memory: cutting them out of photographs is slow."""
BANK_SEED = 11
BANK_SIDE = 224
FACE_MARGIN = (0.5, 0.7)
"""How far hair and chin reach beyond the detector's box, as shares of its side (across, up/down)."""
SMALLEST_PART = 40
"""Parts of fewer pixels a side would only be smears when enlarged."""
PHOTO_PROBABILITY = 0.65
DETECTOR = "haarcascade_frontalface_alt2.xml"


class Backdrops:
    """Backgrounds (side,side,3) uint8; with a folder of photographs, parts of these as well."""

    def __init__(self, photos: str | Path | None = None):
        self.bank = face_free_parts(photos) if photos else []

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


def face_free_parts(folder: str | Path, count: int = BANK_SIZE) -> list[np.ndarray]:
    """Square parts (BANK_SIDE,BANK_SIDE,3) RGB of a folder's photographs that show no face.

    Only photographs in which the detector finds a face are used: where it finds none, it may have
    missed one. Raises ValueError where the folder yields nothing.
    """
    paths = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    detector = cv2.CascadeClassifier(str(Path(cv2.data.haarcascades) / DETECTOR))
    rng = np.random.default_rng(BANK_SEED)
    parts: list[np.ndarray] = []
    for index in rng.permutation(len(paths)):
        image = cv2.imread(str(paths[index]), cv2.IMREAD_COLOR_RGB)
        if image is None:
            continue
        parts += _parts_of(image, detector, rng)
        if len(parts) >= count:
            break
    if not parts:
        raise ValueError(f"no photographs with a face in {folder}: cannot cut backgrounds from them")
    return parts


def _parts_of(image: np.ndarray, detector, rng: np.random.Generator) -> list[np.ndarray]:
    """Up to three squares beside, above or below all faces of one photograph."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    faces = detector.detectMultiScale(grey, 1.1, 3)
    if len(faces) == 0:
        return []
    height, width = grey.shape
    parts = []
    for _ in range(12):
        side = int(rng.uniform(SMALLEST_PART, 0.6 * min(height, width) + SMALLEST_PART))
        if side >= min(height, width):
            continue
        x, y = int(rng.integers(width - side)), int(rng.integers(height - side))
        clear = all(
            x + side < fx - FACE_MARGIN[0] * fw or x > fx + (1 + FACE_MARGIN[0]) * fw
            or y + side < fy - FACE_MARGIN[1] * fh or y > fy + (1 + 0.4 * FACE_MARGIN[1]) * fh
            for fx, fy, fw, fh in faces)
        if clear:
            parts.append(cv2.resize(image[y:y + side, x:x + side], (BANK_SIDE, BANK_SIDE),
                                    interpolation=cv2.INTER_LINEAR))
        if len(parts) == 3:
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
        image = cv2.GaussianBlur(image, (0, 0), side * np.exp(rng.uniform(np.log(0.003), np.log(0.05))))
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
