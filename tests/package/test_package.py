# SPDX-License-Identifier: GPL-3.0-or-later
"""Install, capture, save, reload, uninstall: offline, with nothing but the zip and Blender.

The tests share one Blender's home and run in the order in which they stand here.
"""

import os
import re
import signal
import time
import zipfile
from pathlib import Path

LARGEST = 200_000_000


def test_the_zip_holds_licences_and_no_leftovers(package):
    assert package.stat().st_size <= LARGEST
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        listed = archive.read("licences/README.md").decode()
    assert "LICENSE" in names and "licences/texts.txt" in names
    texts = re.findall(r"`((?:shared|cp3\d+)/[^`]+)`", listed)
    assert len(texts) > 10
    assert not [text for text in texts if f"runner/packages/{text}" not in names]
    for package_name in ("av", "numpy", "onnxruntime", "opencv-python-headless", "scipy", "tqdm"):
        assert f"| {package_name} |" in listed
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_runner_is_the_bundled_one_and_sees_nothing_else(blender):
    blender.run("""
        found = part("preferences").find_runner(bpy.context)
        assert found.is_bundled and found.python == Path(sys.executable), found
        packages = extension / "runner/packages"
        assert found.packages and all(place.parent == packages for place in found.packages)
        code = '''if True:
            import importlib, json, sys
            names = ("numpy", "scipy", "cv2", "av", "onnxruntime", "tqdm", "inference", "models")
            files = [importlib.import_module(name).__file__ for name in names]
            print(json.dumps([sys.path, files]))
        '''
        command = found.command()
        command[command.index("-m") :] = ["-c", code]
        words = subprocess.run(command, capture_output=True, check=True, **found.settings()).stdout
        path, files = json.loads(words)
        assert all(Path(file).is_relative_to(extension / "runner") for file in files), files
        assert not [p for p in path if "site-packages" in p or "dist-packages" in p], path
    """)


def test_the_self_check_says_what_it_found(blender):
    blender.run("""
        assert bpy.ops.mien.test_runner() == {"FINISHED"}
        preferences = bpy.context.preferences.addons[module].preferences
        python = ".".join(map(str, sys.version_info[:3]))
        assert preferences.answer.endswith(f"with Python {python}"), preferences.answer
        found = part("preferences")._answer
        index = json.loads((extension / "runner/packages/packages.json").read_text())
        assert found.packages["numpy"] == index["packages"]["numpy"]
        assert found.devices[0] and found.network_ms > 0

        preferences.runner_python = str(folder / "no-python")
        assert preferences.runner_choice == "OTHER" and not preferences.answer
        assert "There is no Python" in error_of(bpy.ops.mien.test_runner)
        preferences.runner_choice = "BUNDLED"
        assert part("preferences").find_runner(bpy.context).is_bundled
    """)


def test_a_clip_is_captured_applied_and_saved(blender):
    blender.run("""
        clip = folder / "Szene 1 (schön).mp4"
        assert bpy.ops.mien.capture(filepath=str(clip)) == {"FINISHED"}
        assert not {"cv2", "av", "onnxruntime", "scipy"} & set(sys.modules)
        assert not children()
        (head,) = [thing for thing in bpy.data.objects if thing.get("mien_take")]
        bpy.context.scene["test_head"] = head
        assert bpy.ops.wm.save_as_mainfile(filepath=str(folder / "scene.blend")) == {"FINISHED"}
    """)
    names = {path.name for path in blender.folder.iterdir()}
    assert names == {"Szene 1 (schön).mp4", "Szene 1 (schön).mien.npz", "scene.blend"}


def test_the_reloaded_weights_are_the_takes(blender):
    blender.run("""
        bpy.ops.wm.open_mainfile(filepath=str(folder / "scene.blend"))
        take = part("take").read_take(folder / "Szene 1 (schön).mien.npz")
        assert len(take.time) == 120 and take.found.mean() > 0.95
        names = list(take.header.shape_names)
        scene = bpy.context.scene
        keys = scene["test_head"].data.shape_keys
        rate = scene.render.fps / scene.render.fps_base
        for column, name in enumerate(names):
            points = curve_of(keys, name).keyframe_points
            frames = [point.co.x for point in points]
            weights = [point.co.y for point in points]
            assert len(points) == 120
            errors = [abs(w - float(t)) for w, t in zip(weights, take.weights[:, column])]
            assert max(errors) < 1e-5, (name, max(errors))
            late = [abs((f - frames[0]) / rate - float(t - take.time[0]))
                    for f, t in zip(frames, take.time)]
            assert max(late) < 1e-3, (name, max(late))
        # What Blender shows, too: the mouth wide open half-way.
        jaw = names.index("jawOpen")
        widest = int(take.weights[:, jaw].argmax())
        frame = curve_of(keys, "jawOpen").keyframe_points[widest].co.x
        scene.frame_set(int(frame), subframe=frame - int(frame))
        shown = keys.evaluated_get(bpy.context.evaluated_depsgraph_get()).key_blocks["jawOpen"].value
        assert 0.5 < shown and abs(shown - float(take.weights[widest, jaw])) < 1e-3
    """)


def test_the_runner_dies_with_blender(blender):
    process = blender.start("""
        bpy.ops.mien.capture(filepath=str(folder / "Szene 1 (schön).mp4"))
    """)
    try:
        child = wait_for(lambda: runners(blender), seconds=60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert child
    assert wait_for(lambda: not runners(blender), seconds=20)


def test_nothing_is_left_behind(blender):
    blender.run("""
        extension_files = {path for path in extension.rglob("*") if path.is_file()}
        assert not [path for path in extension_files if path.suffix == ".pyc"
                    and (extension / "runner") in path.parents]
        assert bpy.ops.mien.test_runner() == {"FINISHED"}
        addon_utils.disable(module)
        assert not traces(), traces()
        assert not [thread for thread in __import__("threading").enumerate()
                    if thread.name.startswith("mien")]
        addon_utils.enable(module)
        assert traces()
        repositories = bpy.context.preferences.extensions.repos
        index = [repository.module for repository in repositories].index("user_default")
        bpy.ops.extensions.package_uninstall(repo_index=index, pkg_id="mien")
        assert module not in bpy.context.preferences.addons
        assert not traces(), traces()
        assert not children()
        if bpy.app.version < (4, 3):
            # As a module, it frees its space types after Python at the end of a process in which
            # modules were uninstalled, and crashes.
            sys.stdout.flush()
            os._exit(0)
    """)
    left = [path.relative_to(blender.home) for path in blender.home.rglob("*")]
    assert not [path for path in left if "mien" in path.name.lower()]
    compiled = [path for path in left if path.suffix in (".so", ".pyd", ".dylib", ".onnx", ".whl")]
    assert not compiled
    assert not list(blender.temporary.rglob("*mien*"))
    # The scene stays, and opens without the add-on.
    blender.run("""
        bpy.ops.wm.open_mainfile(filepath=str(folder / "scene.blend"))
        keys = bpy.context.scene["test_head"].data.shape_keys
        assert len(curve_of(keys, "jawOpen").keyframe_points) == 120
    """)


def runners(blender) -> list[int]:
    """The processes at work in the extension's folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(place / "cwd")).is_relative_to(blender.home / "extensions"):
                found.append(int(place.name))
        except OSError:
            continue
    return found


def wait_for(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if held := condition():
            return held
        time.sleep(0.1)
    return condition()
