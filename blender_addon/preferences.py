# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: which Python runs the capture, and whether it does."""

from __future__ import annotations

import bpy

from . import runner


class MienPreferences(bpy.types.AddonPreferences):
    bl_idname = __package__

    runner_python: bpy.props.StringProperty(
        name="Runner's Python",
        description=(
            "The Python that has numpy, scipy, OpenCV and ONNX Runtime. Empty: the environment "
            "variable MIEN_PYTHON, else the .venv of the checkout the add-on runs from"
        ),
        subtype="FILE_PATH",
    )
    answer: bpy.props.StringProperty(name="Answer", options={"SKIP_SAVE"})

    def draw(self, context):
        row = self.layout.row(align=True)
        row.prop(self, "runner_python")
        row.operator(MIEN_OT_test_runner.bl_idname, text="Test")
        if self.answer:
            self.layout.label(text=self.answer)


class MIEN_OT_test_runner(bpy.types.Operator):
    """Start the runner once and show what it says"""

    bl_idname = "mien.test_runner"
    bl_label = "Test Mien's Runner"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        preferences = context.preferences.addons[__package__].preferences
        try:
            found = find_runner(context)
            preferences.answer = f"Works: {runner.runner_version(found)} in {found.python}"
        except runner.RunnerError as error:
            preferences.answer = str(error)
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        self.report({"INFO"}, preferences.answer)
        return {"FINISHED"}


def find_runner(context: bpy.types.Context) -> runner.Runner:
    """The runner by the preferences; see `runner.find_runner`."""
    addon = context.preferences.addons.get(__package__)
    preferred = addon.preferences.runner_python if addon else ""
    return runner.find_runner(bpy.path.abspath(preferred) if preferred else "")


register, unregister = bpy.utils.register_classes_factory((MienPreferences, MIEN_OT_test_runner))
