# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the zip as a person gets it, in the Blender of the Python that runs pytest.

`python build.py test` packs the zip and names it by MIEN_PACKAGE.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# The runner's Python has no bpy; there, this folder holds no tests.
collect_ignore_glob = [] if importlib.util.find_spec("bpy") else ["test_*.py"]

# Before each script.
BEGIN = """
import bpy
import addon_utils, importlib, json, os, subprocess, sys, time
from pathlib import Path

module = "bl_ext.user_default.mien"
folder = Path(os.environ["TEST_FOLDER"])
extension = Path(os.environ["BLENDER_USER_RESOURCES"]) / "extensions/user_default/mien"

# As a module, Blender starts with factory settings (and reading others crashes 4.2).
if extension.is_dir():
    assert addon_utils.enable(module, default_set=True)

def part(name):
    return importlib.import_module(f"{module}.{name}")

def error_of(operator, **options):
    try:
        operator(**options)
    except RuntimeError as error:
        return str(error)
    raise AssertionError("no error")

def curve_of(keys, name):
    action = keys.animation_data.action
    if hasattr(action, "slots"):
        slot = keys.animation_data.action_slot
        curves = action.layers[0].strips[0].channelbag(slot).fcurves
    else:
        curves = action.fcurves
    return curves.find(f'key_blocks["{name}"].value')

def children():
    # The processes that run what is in the extension.
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(place / "cwd")).is_relative_to(extension):
                found.append(int(place.name))
        except OSError:
            pass
    return found

def traces():
    # What is registered in Blender under the extension's name.
    handlers = [
        function
        for name in dir(bpy.app.handlers)
        for function in (getattr(bpy.app.handlers, name),)
        if isinstance(function, list)
        for function in function
    ]
    menus = [
        function
        for name in dir(bpy.types)
        if hasattr(getattr(bpy.types, name), "draw")
        for function in getattr(getattr(bpy.types, name).draw, "_draw_funcs", ())
    ]
    keymaps = [
        item.idname
        for keymap in bpy.context.window_manager.keyconfigs.addon.keymaps
        for item in keymap.keymap_items
    ]
    owners = (bpy.types.Scene, bpy.types.Object, bpy.types.WindowManager, bpy.types.Material)
    return {
        *(name for name in dir(bpy.types) if name.startswith("MIEN")),
        *(f"{owner.__name__}.mien" for owner in owners if hasattr(owner, "mien")),
        *(function.__module__ for function in (*handlers, *menus) if "mien" in function.__module__),
        *(name for name in keymaps if name.startswith("mien.")),
    }
"""


@pytest.fixture(scope="module")
def package() -> Path:
    """The zip for this machine."""
    if "MIEN_PACKAGE" not in os.environ:
        pytest.skip("MIEN_PACKAGE names no zip: `python build.py test` packs one")
    return Path(os.environ["MIEN_PACKAGE"])


def cut_off() -> list[str]:
    """What starts a command without any network, where the system can do that."""
    command = ["unshare", "--net", "--"]
    if shutil.which(command[0]) and not subprocess.run([*command, "true"]).returncode:
        return command
    return []


class Blender:
    """A Blender with a home of its own, empty at first, and a folder of footage."""

    def __init__(self, folder: Path, package: Path):
        self.folder = folder / "footage of mine"
        self.home = folder / "home"
        self.temporary = folder / "temporary"
        for place in (self.folder, self.home, self.temporary):
            place.mkdir(parents=True)
        own = ("MIEN_", "PYTHON", "VIRTUAL_ENV")
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(own)},
            "BLENDER_USER_RESOURCES": str(self.home),
            "TMPDIR": str(self.temporary),
            "TEST_FOLDER": str(self.folder),
            "TEST_ZIP": str(package),
            # Two cores are shared by all that runs here.
            "OMP_NUM_THREADS": "2",
        }

    def start(self, script: str, **streams) -> subprocess.Popen:
        command = [*cut_off(), sys.executable, "-c", BEGIN + textwrap.dedent(script)]
        return subprocess.Popen(
            command, env=self.environment, cwd=self.folder, text=True, **streams
        )

    def run(self, script: str) -> str:
        """Runs a script in a fresh Blender; what it printed."""
        process = self.start(script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return output


@pytest.fixture(scope="module")
def blender(package, carphone, tmp_path_factory) -> Blender:
    """A Blender with the zip installed and enabled, as dropping it on the window does."""
    blender = Blender(tmp_path_factory.mktemp("blender"), package)
    shutil.copy(carphone, blender.folder / "Szene 1 (schön).mp4")
    blender.run("""
        before = traces()
        assert not before, before
        bpy.ops.extensions.package_install_files(
            filepath=os.environ["TEST_ZIP"], repo="user_default", enable_on_install=True
        )
        assert module in bpy.context.preferences.addons
    """)
    return blender
