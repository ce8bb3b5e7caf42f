# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way of a person through the panel, in a real window, with the packaged runner."""

import os
import signal
import time

from window import RIGHT

FOLLOWING = "captures()['stage'] == 'track' and captures()['share'] > 0"
BUSY = "not captures()['idle']"
IDLE = "captures()['idle']"
RUNNER = "-m inference capture"
CAPTURE, CANCEL, WITHDRAW = "mien.capture(", "mien.cancel(", "mien.withdraw("
SETTLE_SECONDS = 1.0
START_SECONDS, CAPTURE_SECONDS = 120.0, 300.0
FOOTAGE = {"clip.mp4", "long.mp4", "portrait.png"}
END_SECONDS = 20.0  # the runner has five to end by itself; the machine may be busy


def choose(window, name: str) -> None:
    """Write the footage's path into the panel, and wait until its face is shown there: what is
    below it in the panel moves then."""
    window.write("footage", str(window.inside / "footage" / name))
    window.wait("len(bpy.context.scene.mien.faces) == 1", START_SECONDS)
    time.sleep(SETTLE_SECONDS)


def start(window, name: str = "long.mp4") -> None:
    """Choose footage, click Capture, and wait until the face is being followed."""
    choose(window, name)
    window.click(CAPTURE)
    window.wait(FOLLOWING, START_SECONDS)


def takes(window) -> list[str]:
    """The files beside the footage that were not there before."""
    names = {path.name for path in (window.folder / "footage").iterdir()}
    return sorted(names - FOOTAGE)


def heads(window) -> list[str]:
    """The objects that perform a take."""
    return window.run("""
answer = [
    thing.name for thing in bpy.data.objects
    if thing.type == "MESH" and thing.data.shape_keys and thing.data.shape_keys.animation_data
    and thing.data.shape_keys.animation_data.action
]
""")


def eventually(condition, seconds: float = END_SECONDS) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_cancel_capture_apply(window, pictures):
    start(window, "clip.mp4")
    [runner] = window.processes(RUNNER)
    assert "/extensions/user_default/mien/runner/packages/" in window.memory_map(runner)
    pictures(window, "capturing")

    window.press("Escape")
    window.wait(IDLE, END_SECONDS)
    assert eventually(lambda: not window.processes(RUNNER))
    assert takes(window) == [] and heads(window) == []

    _, height = window.click(CAPTURE)
    window.wait(FOLLOWING, START_SECONDS)
    window.click(CANCEL, columns=(RIGHT,), below=height)
    window.wait(IDLE, END_SECONDS)
    assert eventually(lambda: not window.processes(RUNNER))
    assert takes(window) == [] and heads(window) == []
    assert window.find(CANCEL, columns=(RIGHT,), below=height) is None

    window.click(CAPTURE)
    stages, shares = set(), []
    window.wait(BUSY)
    end = time.monotonic() + CAPTURE_SECONDS
    while not (now := window.run("captures()"))["idle"]:
        assert time.monotonic() < end
        stages.add(now["stage"])
        shares += [now["share"]] if now["stage"] == "track" else []
        time.sleep(0.2)
    assert {"track", "solve"} <= stages
    assert shares == sorted(shares) and shares[-1] > shares[0]
    assert takes(window) == ["clip.mien.npz"]
    [head] = heads(window)
    assert window.run("bpy.context.scene.frame_end") == 120
    values = window.run(f"""
key = bpy.data.objects[{head!r}].data.shape_keys
def value(frame):
    bpy.context.scene.frame_set(frame)
    return key.key_blocks["jawOpen"].value
answer = [value(frame) for frame in range(1, 121)]
""")
    assert max(values) - min(values) > 0.2  # the man talks
    assert window.run("parts()[1].spaces.active.region_3d.view_perspective") == "CAMERA"
    window.run("bpy.context.scene.frame_set(60)")
    pictures(window, "captured")

    window.press("ctrl+z")
    assert eventually(lambda: heads(window) == [])
    assert window.run("len(bpy.context.scene.mien.takes)") == 0
    window.press("ctrl+shift+z")
    assert eventually(lambda: heads(window) == [head])


def test_a_dropped_clip_is_asked_about_and_captured(window, pictures):
    # What Blender does with a file that is dropped: it invokes the operator of its FileHandler.
    window.run(f"""
window, view, ui, drawing = parts()
window.cursor_warp(view.width // 3, view.height // 2)
with over():
    bpy.ops.mien.capture("INVOKE_DEFAULT", filepath="{window.inside}/footage/long.mp4")
""")
    time.sleep(1)
    pictures(window, "dropped")
    assert window.run(IDLE)
    window.xdotool("key", "Return")
    window.wait(BUSY)
    window.press("Escape")
    window.wait(IDLE, END_SECONDS)
    assert takes(window) == []


def test_captures_wait_for_their_turn(window):
    start(window)
    for name in ("portrait.png", "clip.mp4"):
        choose(window, name)
        window.click(CAPTURE)
    assert window.wait("len(captures()['waiting']) == 2 and captures()['waiting']") == [
        "portrait.png",
        "clip.mp4",
    ]
    window.click(WITHDRAW, columns=(RIGHT,))
    window.wait("captures()['waiting'] == ['clip.mp4']")
    assert len(window.processes(RUNNER)) == 1
    window.press("Escape")
    window.wait("captures()['waiting'] == [] and not captures()['idle']", END_SECONDS)
    window.wait(IDLE, CAPTURE_SECONDS)
    assert takes(window) == ["clip.mien.npz"]
    assert len(heads(window)) == 1


def test_quitting_ends_the_capture(window):
    start(window)
    assert window.processes(RUNNER)
    assert window.quit() == 0
    assert eventually(lambda: not window.processes("inference"))
    assert takes(window) == []


def test_a_blender_that_dies_takes_the_capture_along(window):
    start(window)
    [blender] = window.processes("blender --window-geometry")
    os.kill(blender, signal.SIGKILL)
    assert eventually(lambda: not window.is_running and not window.processes("inference"))
    assert takes(window) == []


def test_a_runner_that_dies_is_told_and_leaves_the_panel_usable(window):
    start(window)
    [runner] = window.processes(RUNNER)
    os.kill(runner, signal.SIGKILL)
    window.wait(IDLE, END_SECONDS)
    report = window.run("""
text = bpy.data.texts.get("Mien error report")
answer = text.as_string() if text else ""
""")
    assert "broke off" in report
    assert takes(window) == [] and heads(window) == []
    window.click(CAPTURE)
    window.wait(FOLLOWING, START_SECONDS)
    assert window.processes(RUNNER)


def test_settings_survive_saving_and_no_capture_does(window):
    choose(window, "long.mp4")
    window.run("bpy.context.scene.mien.quality = 'live'")
    window.click(CAPTURE)
    window.wait(BUSY)
    scene = window.inside / "footage/scene.blend"
    window.run(f"bpy.ops.wm.save_as_mainfile(filepath='{scene}') and None")
    window.run(f"bpy.ops.wm.open_mainfile(filepath='{scene}') and None")
    assert window.wait(IDLE, END_SECONDS)
    assert eventually(lambda: not window.processes("inference"))
    asked = window.run("""
asked = bpy.context.scene.mien
answer = [asked.footage, asked.quality]
""")
    assert asked == [str(window.inside / "footage/long.mp4"), "live"]
    assert takes(window) == ["scene.blend"]
    window.click(CAPTURE)
    window.wait(BUSY)
