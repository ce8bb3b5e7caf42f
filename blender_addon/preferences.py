# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: which Python runs the capture, and whether it does."""

from __future__ import annotations

import bpy

from . import runner
from .check import Check, Found
from .job import POLL_SECONDS
from .layout import redraw, tell

BUNDLED, OTHER = "BUNDLED", "OTHER"

_check: Check | None = None
_answer: Found | runner.RunnerError | None = None


def _python_named(preferences, context) -> None:
    """Naming a Python means using it; a new choice makes the last answer stale."""
    if preferences.runner_python:
        preferences.runner_choice = OTHER
    _choice_made(preferences, context)


def _choice_made(preferences, context) -> None:
    global _answer
    _end_check()
    _answer = None


def _in_words(preferences) -> str:
    if isinstance(_answer, Found):
        return f"Works: Mien {_answer.mien} with Python {_answer.python}"
    return str(_answer or "")


class MienPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    runner_choice: bpy.props.EnumProperty(
        name="Runner",
        description="What captures: a process beside Blender, so that Blender stays free",
        items=(
            (
                BUNDLED,
                "Bundled",
                "What came with Mien, run by Blender's own Python. Nothing needs to be installed",
            ),
            (
                OTHER,
                "Another Python",
                "A Python of yours with the packages of Mien's runner/requirements/vision.txt, "
                + "for example with an ONNX Runtime for your graphics card",
            ),
        ),
        default=BUNDLED,
        update=_choice_made,
    )
    runner_python: bpy.props.StringProperty(
        name="Python",
        description=(
            "The Python program, for example .venv/bin/python or .venv\\Scripts\\python.exe"
        ),
        subtype="FILE_PATH",
        update=_python_named,
    )
    answer: bpy.props.StringProperty(
        name="Answer", description="What the last test said", get=_in_words
    )

    def draw(self, context):
        box = self.layout.box()
        box.label(text="Runner", icon="CONSOLE")
        box.row().prop(self, "runner_choice", expand=True)
        if self.runner_choice == OTHER:
            row = box.row()
            row.alert = not self.runner_python
            row.prop(self, "runner_python")
        row = box.row()
        if _check is not None:
            row.enabled = False
            row.operator(MIEN_OT_test_runner.bl_idname, text="Testing...", icon="SORTTIME")
        else:
            row.operator(MIEN_OT_test_runner.bl_idname, text="Test", icon="PLAY")
        if isinstance(_answer, Found):
            tell(box, context, self.answer, icon="CHECKMARK")
            for line in _details(_answer):
                tell(box, context, line, icon="BLANK1")
        elif _answer is not None:
            tell(box, context, self.answer, icon="ERROR")


class MIEN_OT_test_runner(bpy.types.Operator):
    """Let the runner capture a face that is drawn for it, and show what it found on this machine"""

    bl_idname = "mien.test_runner"
    bl_label = "Test Mien's Runner"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if _check is not None:
            cls.poll_message_set("The runner is being tested")
            return False
        return True

    def execute(self, context):
        global _check, _answer
        _answer = None
        try:
            _check = Check(find_runner(context))
            if not bpy.app.background:
                bpy.app.timers.register(_look, first_interval=POLL_SECONDS)
                redraw("PREFERENCES")
                return {"FINISHED"}
            _answer = _check.wait()
        except runner.RunnerError as error:
            _answer = error
        _check = None
        words = context.preferences.addons[__package__].preferences.answer
        if isinstance(_answer, Found):
            self.report({"INFO"}, words)
            return {"FINISHED"}
        self.report({"ERROR"}, words)
        return {"CANCELLED"}


def _look() -> float | None:
    """Timer: whether the check has an answer. Never waits."""
    global _check, _answer
    if _check is None:
        return None
    try:
        _answer = _check.poll()
    except runner.RunnerError as error:
        _answer = error
    if _answer is None:
        return POLL_SECONDS
    _check = None
    redraw("PREFERENCES")
    return None


def _details(found: Found) -> list[str]:
    """What a check found, beside the first line."""
    others = [device for device in found.devices if device != found.device]
    also = f" (also there: {', '.join(others)})" if others else ""
    packages = ", ".join(f"{name} {version}" for name, version in found.packages.items())
    return [f"Device: {found.device}, {found.network_ms:.0f} ms a face{also}", packages]


def _end_check() -> None:
    global _check
    if _check is not None:
        _check.end()
        _check = None
    if bpy.app.timers.is_registered(_look):
        bpy.app.timers.unregister(_look)


def find_runner(context: bpy.types.Context) -> runner.Runner:
    """The runner by the preferences; see `runner.find_runner`.

    Raises:
        runner.RunnerError: there is none.
    """
    addon = context.preferences.addons.get(__package__)
    if addon is None or addon.preferences.runner_choice == BUNDLED:
        return runner.find_runner()
    preferred = addon.preferences.runner_python
    if not preferred:
        raise runner.RunnerError(
            "Mien's preferences ask for another Python but name none: choose one, or Bundled."
        )
    return runner.find_runner(bpy.path.abspath(preferred))


_register, _unregister = bpy.utils.register_classes_factory((MienPreferences, MIEN_OT_test_runner))


def register():
    _register()


def unregister():
    global _answer
    _end_check()
    _answer = None
    _unregister()
