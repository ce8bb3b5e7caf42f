# SPDX-License-Identifier: GPL-3.0-or-later
"""The preferences' Test button in a real window: Blender goes on while the runner is tested."""

import time

ANSWER = "bpy.context.preferences.addons[MODULE].preferences.answer"
CHECK = "-m inference check"
LONGEST_CLICK = 0.5  # seconds, with the start of a process on a busy machine

CLICK = """
import time
begin = time.perf_counter()
bpy.ops.mien.test_runner()
answer = time.perf_counter() - begin
"""


def test_the_runner_is_tested_while_blender_goes_on(window):
    assert window.run(CLICK) < LONGEST_CLICK
    assert window.run(ANSWER) == ""
    assert not window.run("bpy.ops.mien.test_runner.poll()")
    answer = window.wait(ANSWER, 120)
    assert answer.startswith("Works: Mien"), answer
    assert window.run("bpy.ops.mien.test_runner.poll()")


def test_a_python_without_the_packages_is_said_and_forgotten(window):
    window.run(f"""
preferences = bpy.context.preferences.addons[MODULE].preferences
preferences.runner_python = "/usr/bin/python3"
{CLICK}""")
    assert "cannot load scipy" in window.wait(ANSWER, 60)
    window.run(
        "setattr(bpy.context.preferences.addons[MODULE].preferences, 'runner_choice', 'BUNDLED')"
    )
    assert window.run(ANSWER) == ""


def test_disabling_ends_a_test_under_way(window):
    window.run(CLICK)
    assert window.processes(CHECK)
    window.run("""
import addon_utils
addon_utils.disable(MODULE)
""")
    end = time.monotonic() + 5.0
    while window.processes(CHECK) and time.monotonic() < end:
        time.sleep(0.1)
    assert not window.processes(CHECK)
    window.run("""
import addon_utils
addon_utils.enable(MODULE)
""")
