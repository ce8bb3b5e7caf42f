# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip in a Blender of its own: install, capture, apply, solve again, undo, uninstall.

The runner inside the zip is played by a small program here; tests/end_to_end runs the real one.
"""

import base64
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

# One grey pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)

# Plays the runner: hands out the prepared take, and keeps a note of what it was asked.
RUNNER = """
import json, os, shutil, sys
def say(**event): print(json.dumps(event), flush=True)
arguments = sys.argv[1:]
if arguments[0] == "check":
    say(event="result", mien="of the test", python="3.11.0", packages={}, devices=["cpu"],
        device="cpu", network_ms=1.0, seconds=0.1)
    sys.exit()
with open(os.path.join(os.environ["TEST_FOLDER"], "asked.txt"), "a") as note:
    note.write(" ".join(arguments) + "\\n")
if "faceless" in arguments[1]:
    print("a traceback", file=sys.stderr)
    say(event="error", message="No face was found.", exit_code=3)
    sys.exit(3)
say(event="progress", stage="track", done=1, total=1)
if arguments[0] == "preview":
    picture = arguments[arguments.index("--picture") + 1]
    shutil.copy(os.environ["TEST_PICTURE"], picture)
    faces = [{"box": [0, 0, 9, 9], "place": [x, 20.5], "score": 1.0} for x in (30.0, 90.0)]
    say(event="result", picture=picture, frames=40, width=64, height=48, rate=[25, 1],
        seconds=1.6, faces=faces)
else:
    say(event="warning", message="It is dark.")
    take = arguments[arguments.index("-o") + 1]
    if arguments[0] == "capture":
        shutil.copy(os.environ["TEST_TAKE"], take)
    else:
        shutil.copy(os.environ["TEST_CALMER"], take)
    say(event="result", take=take)
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

def part(name):
    return importlib.import_module(f"{module}.{name}")

def asked():
    # What the runner was asked, once.
    note = folder / "asked.txt"
    lines = note.read_text().splitlines()
    note.unlink()
    return lines

def error_of(operator, *arguments, **options):
    try:
        operator(*arguments, **options)
    except RuntimeError as error:
        return str(error)
    raise AssertionError("no error")

def curve(keys, name):
    # The values of a shape's keys.
    action = keys.animation_data.action
    if hasattr(action, "slots"):
        slot = keys.animation_data.action_slot
        curves = action.layers[0].strips[0].channelbag(slot).fcurves
    else:
        curves = action.fcurves
    return [point.co.y for point in curves.find(f'key_blocks["{name}"].value').keyframe_points]
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
    prepared = fabricate.small_take()
    take = fabricate.write(tmp_path / "prepared.npz", prepared)
    calmer = fabricate.write(tmp_path / "calmer.npz", fabricate.calmer(prepared))
    picture = tmp_path / "picture.png"
    picture.write_bytes(PICTURE)
    (tmp_path / "clip.mp4").write_bytes(b"footage")
    (tmp_path / "faceless.mp4").write_bytes(b"footage")
    environment = {
        **os.environ,
        "BLENDER_USER_RESOURCES": str(tmp_path / "user"),
        "MIEN_PYTHON": sys.executable,
        "TEST_FOLDER": str(tmp_path),
        "TEST_TAKE": str(take),
        "TEST_CALMER": str(calmer),
        "TEST_PICTURE": str(picture),
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
        assert not [name for name in dir(bpy.types) if name.startswith("MIEN_")]
        assert not hasattr(bpy.types.Scene, "mien") and not hasattr(bpy.types.Object, "mien")
        addon_utils.enable(module)
        assert hasattr(bpy.types, "MIEN_PT_capture")
        assert bpy.ops.mien.import_take(filepath=os.environ["TEST_TAKE"]) == {"FINISHED"}
        repositories = bpy.context.preferences.extensions.repos
        index = [repository.module for repository in repositories].index("user_default")
        bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="mien")
        assert module not in bpy.context.preferences.addons
        assert not (Path(repositories[index].directory) / "mien").exists()
        if bpy.app.version < (4, 3):
            # As a module, it frees its space types after Python at the end of a process in which
            # modules were uninstalled, and crashes.
            sys.stdout.flush()
            os._exit(0)
    """)


def test_capture_without_a_window(in_blender, tmp_path):
    output = in_blender("""
        assert bpy.ops.mien.capture(filepath=str(folder / "clip.mp4")) == {"FINISHED"}
        head = bpy.data.objects["clip head"]
        assert head.data.shape_keys.animation_data.action is not None
        assert part("operators.follow").captures.is_idle
    """)
    assert (tmp_path / "clip.mien.npz").is_file()
    assert "It is dark." in output


def test_the_panels_choices_reach_the_runner(in_blender, tmp_path):
    in_blender("""
        asked_for = bpy.context.scene.mien
        assert "Choose footage first" in error_of(bpy.ops.mien.look)
        asked_for.footage = str(folder / "clip.mp4")
        asked_for.rotation = "90"
        asked_for.use_range = True
        asked_for.first_frame, asked_for.last_frame = 11, 20
        assert bpy.ops.mien.look() == {"FINISHED"}
        [line] = asked()
        assert line.startswith(f"preview {folder / 'clip.mp4'} --picture ")
        assert "--rotate 90 --frames 10:20" in line
        assert [tuple(face.place) for face in asked_for.faces] == [(30, 20.5), (90, 20.5)]
        assert (asked_for.footage_frames, asked_for.footage_rate) == (40, 25)
        assert (asked_for.first_frame, asked_for.last_frame) == (11, 20)
        assert bpy.ops.mien.pick_face(face=1) == {"FINISHED"}
        assert "no face 4" in error_of(bpy.ops.mien.pick_face, face=3)
        asked_for.quality, asked_for.device = "live", "cpu"
        asked_for.has_lens, asked_for.lens = True, 85
        asked_for.when_done = "NONE"
        objects = len(bpy.data.objects)
        bpy.ops.mien.capture("INVOKE_DEFAULT", as_in_panel=True)
        [line] = asked()
        clip, take = folder / "clip.mp4", folder / "clip.mien.npz"
        assert line == (
            f"capture {clip} -o {take} --quality live --device cpu --rotate 90 --frames 10:20 "
            "--lens 85 --face 90.0,20.5 --json-events"
        ), line
        assert len(bpy.data.objects) == objects and asked_for.take.name == "clip"
        # Other footage is another story: nothing that was seen of the first holds for it.
        asked_for.footage = str(folder / "faceless.mp4")
        assert not asked_for.faces and asked_for.face == 0 and asked_for.footage_frames == 0
        assert "No face was found." in error_of(bpy.ops.mien.look)
        # A script says what it wants itself.
        asked()
        bpy.ops.mien.capture(filepath=str(folder / "clip.mp4"), take_path=str(folder / "b.npz"))
        [line] = asked()
        assert line == (
            f"capture {clip} -o {folder / 'b.npz'} --quality take --device auto --json-events"
        ), line
        assert "b head" in bpy.data.objects
    """)


def test_takes_are_listed_once_and_kept_in_the_file(in_blender):
    in_blender("""
        scene = bpy.context.scene
        assert bpy.ops.mien.apply_take.poll() is False
        bpy.ops.mien.add_take(filepath=os.environ["TEST_TAKE"])
        bpy.ops.mien.add_take(filepath=os.environ["TEST_CALMER"])
        bpy.ops.mien.add_take(filepath=os.environ["TEST_TAKE"])
        assert [item.name for item in scene.mien.takes] == ["prepared", "calmer"]
        item = scene.mien.take
        take = part("take").read_take(item.path)
        assert item.name == "prepared" and item.frames == len(take.time)
        assert item.found == take.found.sum() < item.frames
        assert len(item.confidence) == item.frames
        assert ("0" in item.confidence) and item.confidence[0] != "0"
        scene.mien.start_frame, scene.mien.rotation = 40, "270"
        bpy.ops.wm.save_as_mainfile(filepath=str(folder / "a.blend"))
        bpy.ops.wm.read_homefile(use_empty=True)
        assert not bpy.context.scene.mien.takes
        bpy.ops.wm.open_mainfile(filepath=str(folder / "a.blend"))
        kept = bpy.context.scene.mien
        assert [item.name for item in kept.takes] == ["prepared", "calmer"]
        assert (kept.take.name, kept.start_frame, kept.rotation) == ("prepared", 40, "270")
        bpy.ops.mien.remove_take()
        assert [item.name for item in kept.takes] == ["calmer"] and kept.take.name == "calmer"
        bpy.ops.mien.remove_take()
        assert kept.take is None and bpy.ops.mien.remove_take.poll() is False
        assert Path(os.environ["TEST_TAKE"]).is_file()
        Path(os.environ["TEST_CALMER"]).write_bytes(b"no take")
        assert "calmer.npz" in error_of(bpy.ops.mien.add_take, filepath=os.environ["TEST_CALMER"])
        assert not kept.takes
    """)


def test_confidence_is_summed_up_by_its_worst(in_blender):
    in_blender("""
        import numpy as np
        takes = part("operators.takes")
        found = np.ones(960, bool)
        found[500] = False
        digits = takes.summed_up(np.linspace(0.95, 1.0, 960), found)
        assert len(digits) == takes.PARTS and digits[50] == "0"
        assert set(digits[:50] + digits[51:]) == {"9"}
        assert takes.summed_up(np.array([0.5, 1.0]), np.array([True, True])) == "49"
    """)


def test_apply_to_the_selected_head_and_to_a_character(in_blender):
    in_blender("""
        words = error_of(bpy.ops.mien.import_take, filepath=os.environ["TEST_TAKE"], target="HEAD")
        assert "Select a Mien head first" in words
        bpy.ops.mien.add_head()
        head = bpy.context.object
        assert bpy.ops.mien.apply_take(target="HEAD", start_frame=21) == {"FINISHED"}
        assert head["mien_take"] == os.environ["TEST_TAKE"] and head["mien_start"] == 21
        take = part("take").read_take(os.environ["TEST_TAKE"])
        column = take.header.shape_names.index("jawOpen")
        jaw = curve(head.data.shape_keys, "jawOpen")
        assert max(abs(a - b) for a, b in zip(jaw, take.weights[:, column], strict=True)) < 1e-6

        # Who is selected when a capture is asked for performs it.
        bpy.ops.mien.capture(filepath=str(folder / "clip.mp4"), target="HEAD")
        assert head["mien_take"] == str(folder / "clip.mien.npz") and head["mien_start"] == 1
        bpy.context.scene.mien.active_take = 0

        mesh = bpy.data.meshes.new("own")
        mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 0, 1)], [], [(0, 1, 2)])
        own = bpy.data.objects.new("own", mesh)
        bpy.context.collection.objects.link(own)
        bpy.ops.object.select_all(action="DESELECT")
        own.select_set(True)
        bpy.context.view_layer.objects.active = own
        assert "mesh with shape keys" in error_of(bpy.ops.mien.apply_take, target="CHARACTER")
        asked()
        words = error_of(
            bpy.ops.mien.capture, filepath=str(folder / "clip.mp4"), target="CHARACTER"
        )
        assert "mesh with shape keys" in words and not (folder / "asked.txt").exists()
        for name in ("Basis", "Jaw_Open", "Something"):
            own.shape_key_add(name=name)
        assert bpy.ops.mien.apply_take(target="CHARACTER") == {"FINISHED"}
        assert curve(mesh.shape_keys, "Jaw_Open") == jaw
    """)


def test_solve_again_reaches_all_that_perform_the_take(in_blender):
    in_blender("""
        path = folder / "shown.mien.npz"
        path.write_bytes(Path(os.environ["TEST_TAKE"]).read_bytes())
        bpy.ops.mien.import_take(filepath=str(path), start_frame=5)
        bpy.ops.mien.import_take(filepath=os.environ["TEST_TAKE"])
        first, second = bpy.data.objects["shown head"], bpy.data.objects["prepared head"]
        before = curve(first.data.shape_keys, "jawOpen")
        actions = len(bpy.data.actions)
        asked_for = bpy.context.scene.mien
        asked_for.active_take = 0
        item = asked_for.take
        assert item.name == "shown"
        bpy.context.view_layer.objects.active = first
        bpy.context.scene.frame_set(8)
        bpy.ops.mien.neutral_here()
        assert item.has_neutral and item.neutral == 4
        item.smoothing = 2.5
        assert bpy.ops.mien.solve_again() == {"FINISHED"}
        [line] = asked()
        assert line == f"solve {path} -o {path} --smoothing 2.5 --neutral 3 --json-events", line
        after = curve(first.data.shape_keys, "jawOpen")
        assert max(after) < max(before) and first["mien_start"] == 5
        assert len(bpy.data.actions) == actions
        assert curve(second.data.shape_keys, "jawOpen") == before
        path.unlink()
        assert "no take at" in error_of(bpy.ops.mien.solve_again)
    """)


def test_refining_a_head(in_blender):
    in_blender("""
        assert bpy.ops.mien.bake.poll() is False
        bpy.ops.mien.import_take(filepath=os.environ["TEST_TAKE"])
        scene, head = bpy.context.scene, bpy.context.object
        keys = head.data.shape_keys.key_blocks
        scene.frame_set(7)
        plain = keys["jawOpen"].value
        assert plain > 0.05
        head.mien.gain_jaw = 1.5
        head.mien.offset_jaw = 0.1
        scene.frame_set(8)
        scene.frame_set(7)
        assert abs(keys["jawOpen"].value - (1.5 * plain + 0.1)) < 1e-5
        assert abs(head.mien.gain_jaw - 1.5) < 1e-6 and head.mien.gain_mouth == 1
        head.mien.start_frame = 11
        assert head["mien_start"] == 11
        scene.frame_set(17)
        assert abs(keys["jawOpen"].value - (1.5 * plain + 0.1)) < 1e-5
        assert bpy.ops.mien.bake() == {"FINISHED"}
        assert head.mien.gain_jaw == 1 and head.mien.offset_jaw == 0
        scene.frame_set(18)
        scene.frame_set(17)
        assert abs(keys["jawOpen"].value - (1.5 * plain + 0.1)) < 1e-5
        count = len(curve(head.data.shape_keys, "jawOpen"))
        bpy.ops.mien.bake(tolerance=0.05)
        assert len(curve(head.data.shape_keys, "jawOpen")) < count
    """)


def test_the_camera_and_what_is_behind_can_be_switched(in_blender):
    in_blender("""
        scene = bpy.context.scene
        assert bpy.ops.mien.match_camera.poll() is False
        before = scene.camera, scene.render.resolution_x, scene.render.resolution_y
        bpy.ops.mien.import_take(filepath=os.environ["TEST_TAKE"])
        own = scene.camera
        assert own is not before[0] and own.name == "prepared camera"
        bpy.ops.mien.match_camera()
        assert (scene.camera, scene.render.resolution_x, scene.render.resolution_y) == before
        bpy.ops.mien.match_camera()
        assert scene.camera is own
        assert bpy.ops.mien.add_light() == {"FINISHED"}
        lamps = [lamp for lamp in scene.objects if lamp.name.startswith("Mien ")]
        assert len(lamps) == 3 and scene.world.name == "Mien studio"
        assert "footage" in error_of(bpy.ops.mien.show_footage).lower()
        words = error_of(bpy.ops.mien.render_comparison, filepath=str(folder / "movie.mp4"))
        assert "footage" in words.lower()
    """)


def test_a_second_take_of_the_same_footage_leaves_the_first_alone(in_blender, tmp_path):
    in_blender("""
        bpy.ops.mien.capture(filepath=str(folder / "clip.mp4"), target="NONE")
        first = (folder / "clip.mien.npz").read_bytes()
        (folder / "clip.mien.npz").write_bytes(first + b" ")
        bpy.ops.mien.capture(filepath=str(folder / "clip.mp4"), target="NONE")
        assert (folder / "clip.mien.npz").read_bytes() == first + b" "
        names = [item.name for item in bpy.context.scene.mien.takes]
        assert names == ["clip", "clip 2"], names
        promised = {folder / "clip 3.mien.npz"}
        take = part("operators.paths").take_beside(folder / "clip.mp4", promised)
        assert take == folder / "clip 4.mien.npz"
    """)


def test_a_failed_capture_reports_and_changes_nothing(in_blender, tmp_path):
    in_blender("""
        words = error_of(bpy.ops.mien.capture, filepath=str(folder / "faceless.mp4"))
        assert "No face was found." in words
        assert "Mien error report" in bpy.data.texts
        assert "a traceback" in bpy.data.texts["Mien error report"].as_string()
        assert not [thing for thing in bpy.data.objects if "head" in thing.name]
        assert bpy.ops.mien.capture(filepath=str(folder / "clip.mp4")) == {"FINISHED"}
    """)
    assert not (tmp_path / "faceless.mien.npz").exists()


def test_what_cannot_start_says_so(in_blender):
    in_blender("""
        assert "no footage at" in error_of(bpy.ops.mien.capture, filepath="/nowhere.mp4")
        assert "no take at" in error_of(bpy.ops.mien.import_take, filepath="/nowhere.npz")
        assert "not a Mien take" in error_of(
            bpy.ops.mien.import_take, filepath=str(folder / "clip.mp4")
        )
        preferences = bpy.context.preferences.addons[module].preferences
        assert bpy.ops.mien.test_runner() == {"FINISHED"}
        assert preferences.answer == "Works: Mien of the test with Python 3.11.0"
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
        assert all(block.value == 0 for block in keys[1:])
        keys["mouthSmileLeft"].value = keys["jawOpen"].value = 0.5
        bpy.ops.mien.reset_shapes(shapes="mouthSmileLeft\\nmouthSmileRight")
        assert (keys["mouthSmileLeft"].value, keys["jawOpen"].value) == (0.0, 0.5)
        bpy.context.view_layer.objects.active = head.parent
        bpy.ops.mien.reset_shapes()
        assert keys["jawOpen"].value == 0.0
        assert bpy.ops.mien.add_head() == {"FINISHED"}
        assert bpy.context.object is not head and bpy.context.object["mien_age"] == head["mien_age"]
        (Path(importlib.import_module(module).__file__).parent / "assets").rename(folder / "gone")
        assert "carries no head" in error_of(bpy.ops.mien.add_head)
    """)


def test_the_panels_regions_hold_every_shape_once(in_blender):
    in_blender("""
        bpy.ops.mien.add_head()
        panel = part("panels.head")
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
