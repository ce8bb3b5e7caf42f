# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of more than one part share: the demo's footage, the head, and who collects what."""

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# bpy and the vision packages live in two environments: a plain `pytest` in either collects the
# tests that can run there.
if importlib.util.find_spec("bpy") is None:
    collect_ignore = ["blender", "package"]
else:
    collect_ignore = ["inference", "models", "end_to_end", "tools"]


@pytest.fixture(scope="session")
def demo_data() -> Path:
    """The folder that `build.py test` and `build.py demo` fetch their footage into."""
    folder = os.environ.get("MIEN_DEMO_DATA")
    return Path(folder) if folder else ROOT / "out/cache"


def _required_file(path: Path) -> Path:
    if path.exists():
        return path
    message = f"{path} is missing: run `python build.py test` once, which fetches it"
    if "MIEN_DEMO_DATA" in os.environ:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def carphone(demo_data) -> Path:
    """A man talking in a car: 176x144, 120 frames at 30000/1001, mouth wide open half-way."""
    return _required_file(demo_data / "carphone_pristine.mp4")


@pytest.fixture(scope="session")
def astronaut(demo_data) -> Path:
    """A portrait, 512x512, the face looking slightly off the camera."""
    return _required_file(demo_data / "astronaut.png")


@pytest.fixture(scope="session")
def head():
    """The head model."""
    from models.head import load_head

    return load_head()
