# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as people and .blend files write them, and what the takes at them are called."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import bpy

TAKE_SUFFIX = ".mien.npz"


def absolute(path: str) -> Path:
    """A path of a property, which may start from the .blend with //."""
    return Path(bpy.path.abspath(path)).absolute()


def take_beside(footage: Path, promised: Collection[Path] = ()) -> Path:
    """Where a new take of some footage goes: the same folder and name, numbered from the second on.

    Args:
        promised: files that are not there yet, but will be.
    """
    name = footage.name if footage.is_dir() else footage.stem
    take = footage.parent / f"{name}{TAKE_SUFFIX}"
    number = 2
    while take.exists() or take in promised:
        take = footage.parent / f"{name} {number}{TAKE_SUFFIX}"
        number += 1
    return take


def take_name(path: Path) -> str:
    """What a take is called in the scene."""
    return path.name.removesuffix(".npz").removesuffix(".mien")
