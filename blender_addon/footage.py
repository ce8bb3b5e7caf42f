# SPDX-License-Identifier: GPL-3.0-or-later
"""The footage of a take on this machine: a video, a picture, or a folder of numbered pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    {".bmp", ".exr", ".jpeg", ".jpg", ".png", ".tga", ".tif", ".tiff", ".webp"}
)
MOVIE_SUFFIXES = frozenset(
    {".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".webm"}
)


@dataclass(frozen=True)
class Footage:
    """A path that exists, and what lies there."""

    path: Path
    is_still: bool
    first_file: Path  # the path itself, or a folder's first picture

    @property
    def is_movie(self) -> bool:
        """Whether it is one file of many pictures."""
        return not self.is_still and self.first_file == self.path


def find_footage(recorded: str, beside: Path | None = None) -> Footage | None:
    """The footage at the path a take recorded, or of the same name beside the take, or None."""
    candidates = [Path(recorded)]
    if beside is not None:
        # A take from another system may carry the other kind of slash.
        candidates.append(beside / re.split(r"[\\/]", recorded.rstrip("\\/"))[-1])
    for candidate in candidates:
        footage = open_footage(candidate) if recorded else None
        if footage is not None:
            return footage
    return None


def open_footage(path: Path) -> Footage | None:
    """What lies at `path`, or None when nothing usable does."""
    if path.is_dir():
        pictures = pictures_of(path)
        return Footage(path.resolve(), False, pictures[0].resolve()) if pictures else None
    if path.is_file():
        path = path.resolve()
        return Footage(path, path.suffix.lower() in PICTURE_SUFFIXES, path)
    return None


def pictures_of(folder: Path) -> list[Path]:
    """A folder's numbered pictures in their order."""
    pictures = (file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    return sorted(pictures, key=_number)


def _number(file: Path) -> tuple[int, str]:
    """Order of numbered pictures: by the last number in the name, so that 10 follows 9."""
    digits = re.findall(r"\d+", file.stem)
    return (int(digits[-1]) if digits else -1, file.name)
