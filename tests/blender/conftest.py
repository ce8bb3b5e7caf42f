# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the add-on in the bpy wheel: `.venv-blender/bin/python -m pytest tests/blender`."""

import importlib.util
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY), str(Path(__file__).resolve().parent)]

# The runner's Python has no bpy; there, this folder holds no tests.
collect_ignore_glob = [] if importlib.util.find_spec("bpy") else ["test_*.py"]


@pytest.fixture
def empty_scene():
    """A Blender file with nothing in it; gives bpy."""
    import bpy

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    return bpy


@pytest.fixture
def take_file(tmp_path):
    """A complete take of a small head, written to disk."""
    import fabricate

    return fabricate.write(tmp_path / "nod.mien.npz", fabricate.small_take())
