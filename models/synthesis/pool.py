# SPDX-License-Identifier: GPL-3.0-or-later
"""Training samples and the folders of chunks in which they are kept."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

IMAGE_SIDE = 192
"""Side of a stored picture, px: crops of 128 px are cut from it with room for jitter."""
SEGMENTATION_SIDE = 96
SURFACE_SIDE = 48
"""Side of the labels of the head's surface: a cell is 4 px of the picture."""
CHUNK_LENGTH = 256
"""Samples a chunk: some 30 MB, a good size to map and to lose when a writer is stopped."""

SOURCE_RENDERED, SOURCE_PORTRAIT, SOURCE_BACKGROUND = 0, 1, 2

SEGMENTATION_CLASSES = ("background", "skin", "eyes", "lips", "inside_mouth", "hair", "glasses",
                        "occluder")
BACKGROUND, SKIN, EYES, LIPS, INSIDE_MOUTH, HAIR, GLASSES, OCCLUDER = range(8)
UNKNOWN = 255
"""Segmentation value of pixels whose class nobody knows; losses leave them out."""

SURFACE_TYPE = np.dtype([("canonical", np.int16, 3), ("depth", np.int16), ("normal", np.int8, 3),
                         ("detail", np.int8, 3)])
"""What is known of the head at the centre of a cell.

canonical: the place on the mean head (head space) that is seen there, in SURFACE_UNIT; depth: how
far behind the origin of head space, along the camera's axis, in SURFACE_UNIT; both NOWHERE where
the head is not seen. normal, detail: unit normals in camera space times 127, without and with the
skin's relief; zeros where not known.
"""
SURFACE_UNIT = 1e-4
"""Metres."""
NOWHERE = np.iinfo(np.int16).min

_CHUNK_NAME = re.compile(r"\d{5}")
_IMAGE_FILE, _LABEL_FILE, _SURFACE_FILE = "image.npy", "labels.npz", "surface.npy"


@dataclass(frozen=True)
class Sample:
    """One training picture with its labels.

    image (192,192,3) uint8 RGB; points (P,2) float32 px; visible (P,) uint8, 0 where the point is
    hidden by the head itself or by something before it; identity (60,), expression (52,), gaze
    (2,2) float32 as the head model takes them; rotation (3,3) float32, head to the camera that
    looks along the ray through the picture's centre; focal: the camera's focal length in px of this
    picture, the principal point being its centre, 0 where unknown; face 0 or 1; segmentation
    (96,96) uint8; source as the constants above; surface (48,48) of SURFACE_TYPE, None where it was
    not asked for. Without a face all other labels are zeros.
    """

    image: np.ndarray
    points: np.ndarray
    visible: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray
    rotation: np.ndarray
    face: int
    segmentation: np.ndarray
    source: int
    focal: float = 0.0
    surface: np.ndarray | None = None


_LABELS: dict[str, type] = {
    "points": np.float32, "visible": np.uint8, "identity": np.float32, "expression": np.float32,
    "gaze": np.float32, "rotation": np.float32, "face": np.uint8, "segmentation": np.uint8,
    "source": np.uint8, "focal": np.float32,
}
_SCALARS = {"face": int, "source": int, "focal": float}


@dataclass(frozen=True)
class Chunk:
    """The samples of one chunk as arrays with a leading axis of n; `image` and `surface`, which may
    be missing, are memory-mapped."""

    folder: Path
    image: np.ndarray
    points: np.ndarray
    visible: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray
    rotation: np.ndarray
    face: np.ndarray
    segmentation: np.ndarray
    source: np.ndarray
    focal: np.ndarray
    surface: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.image)

    def sample(self, index: int) -> Sample:
        """One sample, its picture copied into memory."""
        labels = {name: getattr(self, name)[index] for name in _LABELS}
        labels |= {name: kind(labels[name]) for name, kind in _SCALARS.items()}
        surface = None if self.surface is None else np.array(self.surface[index])
        return Sample(image=np.array(self.image[index]), surface=surface, **labels)


def no_surface() -> np.ndarray:
    """The labels (48,48) of SURFACE_TYPE of a picture that shows no head."""
    labels = np.zeros((SURFACE_SIDE, SURFACE_SIDE), SURFACE_TYPE)
    labels["canonical"] = labels["depth"] = NOWHERE
    return labels


def chunk_path(folder: str | Path, index: int) -> Path:
    """Where the chunk of this number lies once it is finished."""
    if not 0 <= index < 100_000:
        raise ValueError(f"chunk numbers have five digits, not {index}")
    return Path(folder) / f"{index:05d}"


def write_chunk(folder: str | Path, index: int, samples: Sequence[Sample]) -> Path:
    """Write samples as the folder's chunk `index` and return its path.

    The chunk is written under a hidden name and renamed, so that a reader never sees half of it.
    A finished chunk of that number is an error (FileExistsError).
    """
    if not samples:
        raise ValueError("a chunk needs at least one sample")
    path = chunk_path(folder, index)
    if path.exists():
        raise FileExistsError(f"chunk {path} exists")
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.parent / f".{path.name}.{os.getpid()}"
    unfinished.mkdir()
    try:
        np.save(unfinished / _IMAGE_FILE, np.stack([sample.image for sample in samples]))
        labels = {name: np.stack([np.asarray(getattr(sample, name), kind) for sample in samples])
                  for name, kind in _LABELS.items()}
        np.savez(unfinished / _LABEL_FILE, **labels)
        if any(sample.surface is not None for sample in samples):
            nothing = no_surface()
            np.save(unfinished / _SURFACE_FILE, np.stack(
                [nothing if sample.surface is None else sample.surface for sample in samples]))
        unfinished.rename(path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return path


def chunk_paths(folder: str | Path) -> list[Path]:
    """The finished chunks of a pool in order, unopened; FileNotFoundError without such a folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no pool at {folder}")
    return sorted(path for path in folder.iterdir() if _CHUNK_NAME.fullmatch(path.name))


def open_chunk(path: str | Path) -> Chunk:
    """One finished chunk: its labels read, its pictures memory-mapped."""
    path = Path(path)
    surface = None
    if (path / _SURFACE_FILE).exists():
        surface = np.load(path / _SURFACE_FILE, mmap_mode="r", allow_pickle=False)
    image = np.load(path / _IMAGE_FILE, mmap_mode="r", allow_pickle=False)
    with np.load(path / _LABEL_FILE, allow_pickle=False) as labels:
        return Chunk(path, image, surface=surface, **{name: labels[name] for name in _LABELS})


def open_chunks(folder: str | Path) -> list[Chunk]:
    """The finished chunks of a pool in order; FileNotFoundError where there is no such folder."""
    return [open_chunk(path) for path in chunk_paths(folder)]
