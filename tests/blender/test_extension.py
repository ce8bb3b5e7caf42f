# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip in a Blender of its own: install, capture, import, cancel, undo, uninstall.

The runner inside the zip is played by a small program here; tests/end_to_end runs the real one.
"""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import fabricate
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

RUNNER = """
import json, os, shutil, sys
if "--version" in sys.argv:
    print("runner of the test")
    sys.exit()
take = sys.argv[sys.argv.index("-o") + 1]
if "faceless" in sys.argv[2]:
    print("a traceback", file=sys.stderr)
    print(json.dumps({"event": "error", "message": "No face was found.", "exit_code": 3}))
    sys.exit(3)
print(json.dumps({"event": "progress", "stage": "track", "done": 1, "total": 1}))
print(json.dumps({"event": "warning", "message": "It is dark."}))
shutil.copy(os.environ["TEST_TAKE"], take)
print(json.dumps({"event": "result", "path": take}))
"""

INSTALL = """
import bpy, addon_utils, importlib, os, sys
from pathlib import Path
folder = Path(os.environ["TEST_FOLDER"])
bpy.ops.extensions.package_install_files(
    filepath=os.environ["TEST_ZIP"], repo="user_default", enable_on_install=True
)
module = "bl_ext.user_default.mien"
assert module in bpy.context.preferences.addons
"""


@pytest.fixture(scope="module")
def extension_tool() -> Path:
    import bpy

    tool = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core/bl_pkg/cli/blender_ext.py"
    assert tool.is_file()
    return tool


@pytest.fixture(scope="module")
def extension(tmp_path_factory, extension_tool) -> Path:
    """The add-on as build.py packs it, with the small runner in place of the real one."""
    source = tmp_path_factory.mktemp("source") / "mien"
    shutil.copytree(
        REPOSITORY / "blender_addon", source, ignore=shutil.ignore_patterns("__pycache__")
    )
    (source / "assets").mkdir()
    fabricate.make_head_take(source / "assets/default_head.mien.npz")
    (source / "runner/inference").mkdir(parents=True)
    (source / "runner/inference/__init__.py").write_text("")
    (source / "runner/inference/__main__.py").write_text(RUNNER)
    output = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(extension_tool), "build"]
    command += ["--source-dir", str(source), "--output-dir", str(output)]
    subprocess.run(command, check=True, capture_output=True)
    [archive] = output.glob("*.zip")
    return archive


@pytest.fixture
def in_blender(extension, tmp_path):
    """Run a script in a fresh Blender with the extension installed; gives its output."""
    take = fabricate.write(tmp_path / "prepared.npz", fabricate.small_take())
    (tmp_path / "clip.mp4").write_bytes(b"footage")
    (tmp_path / "faceless.mp4").write_bytes(b"footage")
    environment = {
        **os.environ,
        "BLENDER_USER_RESOURCES": str(tmp_path / "user"),
        "MIEN_PYTHON": sys.executable,
        "TEST_FOLDER": str(tmp_path),
        "TEST_TAKE": str(take),
        "TEST_ZIP": str(extension),
    }

    def run(script: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", INSTALL + textwrap.dedent(script)],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_the_zip_is_valid_and_lean(extension, extension_tool):
    command = [sys.executable, str(extension_tool), "validate", str(extension)]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    names = zipfile.ZipFile(extension).namelist()
    assert {"blender_manifest.toml", "__init__.py", "scene/head.py"} <= set(names)
    assert not [name for name in names if "__pycache__" in name]


def test_the_addon_never_imports_by_absolute_name():
    """Inside Blender the package has another name than in the checkout."""
    for file in (REPOSITORY / "blender_addon").rglob("*.py"):
        words = file.read_text()
        assert "import blender_addon" not in words and "from blender_addon" not in words, file


def test_install_import_disable_uninstall(in_blender):
    in_blender("""
        assert bpy.ops.mien.import_take(filepath=os.environ["TEST_TAKE"]) == {"FINISHED"}
        bpy.context.scene.frame_set(7)
        head = bpy.data.objects["prepared head"]
        assert len(head.data.shape_keys.key_blocks) == 55
        addon_utils.disable(module)
        assert not hasattr(bpy.types, "MIEN_PT_capture")
        assert not hasattr(bpy.types.WindowManager, "mien")
        addon_utils.enable(module)
        assert hasattr(bpy.types, "MIEN_PT_capture")
        assert bpy.ops.mien.import_take(filepath=os.environ["TEST_TAKE"]) == {"FINISHED"}
        repositories = bpy.context.preferences.extensions.repos
        index = [repository.module for repository in repositories].index("user_default")
        bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="mien")
        assert module not in bpy.context.preferences.addons
        assert not (Path(repositories[index].directory) / "mien").exists()
    """)


def test_capture_without_a_window(in_blender, tmp_path):
    output = in_blender("""
        assert bpy.ops.mien.capture(filepath=str(folder / "clip.mp4")) == {"FINISHED"}
        head = bpy.data.objects["clip head"]
        assert head.data.shape_keys.animation_data.action is not None
        assert not importlib.import_module(module + ".operators").running_job()
    """)
    assert (tmp_path / "clip.mien.npz").is_file()
    assert "It is dark." in output


def test_a_failed_capture_reports_and_changes_nothing(in_blender, tmp_path):
    in_blender("""
        try:
            bpy.ops.mien.capture(filepath=str(folder / "faceless.mp4"))
        except RuntimeError as error:
            assert "No face was found." in str(error)
        else:
            raise AssertionError("no error")
        assert "Mien error report" in bpy.data.texts
        assert "a traceback" in bpy.data.texts["Mien error report"].as_string()
        assert not [thing for thing in bpy.data.objects if "head" in thing.name]
        assert bpy.ops.mien.capture(filepath=str(folder / "clip.mp4")) == {"FINISHED"}
    """)
    assert not (tmp_path / "faceless.mien.npz").exists()


def test_what_cannot_start_says_so(in_blender):
    in_blender("""
        def error_of(operator, **arguments):
            try:
                operator(**arguments)
            except RuntimeError as error:
                return str(error)
            raise AssertionError("no error")

        assert "no footage at" in error_of(bpy.ops.mien.capture, filepath="/nowhere.mp4")
        assert "no take at" in error_of(bpy.ops.mien.import_take, filepath="/nowhere.npz")
        assert "not a Mien take" in error_of(
            bpy.ops.mien.import_take, filepath=str(folder / "clip.mp4")
        )
        preferences = bpy.context.preferences.addons[module].preferences
        assert bpy.ops.mien.test_runner() == {"FINISHED"}
        assert preferences.answer.startswith("Works: runner of the test")
        preferences.runner_python = str(folder / "no-python")
        assert "preferences name" in error_of(bpy.ops.mien.test_runner)
        assert "preferences name" in error_of(
            bpy.ops.mien.capture, filepath=str(folder / "clip.mp4")
        )
    """)


def test_a_head_from_the_add_menu(in_blender):
    in_blender("""
        bpy.context.scene.cursor.location = (1.0, 0.0, 2.0)
        assert bpy.ops.mien.add_head() == {"FINISHED"}
        head = bpy.context.object
        assert tuple(head.parent.location) == (1.0, 0.0, 2.0)
        keys = head.data.shape_keys.key_blocks
        assert all(block.value == 0 for block in keys)
        keys["mouthSmileLeft"].value = keys["jawOpen"].value = 0.5
        bpy.ops.mien.reset_shapes(shapes="mouthSmileLeft\\nmouthSmileRight")
        assert (keys["mouthSmileLeft"].value, keys["jawOpen"].value) == (0.0, 0.5)
        bpy.context.view_layer.objects.active = head.parent
        bpy.ops.mien.reset_shapes()
        assert keys["jawOpen"].value == 0.0
        assert bpy.ops.mien.add_head() == {"FINISHED"}
        assert bpy.context.object is not head and bpy.context.object["mien_age"] == head["mien_age"]
        (Path(importlib.import_module(module).__file__).parent / "assets").rename(folder / "gone")
        try:
            bpy.ops.mien.add_head()
        except RuntimeError as error:
            assert "carries no head" in str(error)
        else:
            raise AssertionError("no error")
    """)


def test_the_panels_regions_hold_every_shape_once(in_blender):
    in_blender("""
        bpy.ops.mien.add_head()
        panel = importlib.import_module(module + ".panel")
        blocks = bpy.context.object.data.shape_keys.key_blocks[1:]
        regions = panel.by_region(blocks)
        assert sorted(b.name for r in regions.values() for b in r) == sorted(b.name for b in blocks)
        assert [b.name for b in regions["Jaw"]] == ["jawForward", "jawRight", "jawLeft", "jawOpen"]
        driven = regions.get("Correctives", [])
        assert len(blocks) - len(driven) == 52
        assert all("+" in block.name or "@" in block.name for block in driven)
        found = {block.name for block in panel.matching(blocks, "SMILE left")}
        assert "mouthSmileLeft" in found and "mouthSmileRight" not in found
        assert panel.matching(blocks, "") == list(blocks)
        assert panel.MIEN_PT_look.poll(bpy.context) and panel.MIEN_PT_shapes.poll(bpy.context)
    """)


def test_adding_a_head_is_one_step_of_undo(in_blender):
    in_blender("""
        def count():
            return [len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.materials)]
        bpy.ops.ed.undo_push(message="before")
        before = count()
        bpy.ops.mien.add_head()
        bpy.ops.ed.undo_push(message="head")
        added = count()
        assert added != before
        bpy.ops.ed.undo()
        assert count() == before
        bpy.ops.ed.redo()
        assert count() == added
    """)


def test_undo_takes_the_import_back(in_blender):
    output = in_blender("""
        import json
        counts = []
        def count():
            counts.append([len(bpy.data.objects), len(bpy.data.shape_keys), len(bpy.data.actions)])
        bpy.ops.ed.undo_push(message="before")
        count()
        bpy.ops.mien.import_take(filepath=os.environ["TEST_TAKE"])
        bpy.ops.ed.undo_push(message="import")
        count()
        bpy.ops.ed.undo()
        count()
        bpy.ops.ed.redo()
        count()
        bpy.context.scene.frame_set(7)
        bpy.ops.mien.import_take(filepath=os.environ["TEST_TAKE"])
        print("COUNTS", json.dumps(counts))
    """)
    line = next(line for line in output.splitlines() if line.startswith("COUNTS"))
    before, imported, undone, redone = json.loads(line.removeprefix("COUNTS"))
    assert undone == before
    assert redone == imported != before
