# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths as people and .blend files write them, and what the takes at them are called."""

from __future__ import annotations

from pathlib import Path

import bpy

TAKE_SUFFIX = ".mien.npz"


def absolute(path: str) -> Path:
    """A path of a property, which may start from the .blend with //."""
    return Path(bpy.path.abspath(path)).absolute()


def take_beside(footage: Path) -> Path:
    """Where the take of some footage goes: the same folder, the same name."""
    name = footage.name if footage.is_dir() else footage.stem
    return footage.parent / f"{name}{TAKE_SUFFIX}"


def take_name(path: Path) -> str:
    """What a take is called in the scene."""
    return path.name.removesuffix(".npz").removesuffix(".mien")
