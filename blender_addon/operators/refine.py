# SPDX-License-Identifier: GPL-3.0-or-later
"""Refining a performance: solve its take again, or bake what the sliders do."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np

from ..captures import Request
from ..heads import head_of, performers
from ..job import Finished
from ..preferences import find_runner
from ..properties import MienTake, choices
from ..runner import RunnerError
from ..scene import timing
from ..scene.apply import (
    START_PROPERTY,
    ApplyError,
    ApplySettings,
    apply_to_character,
    apply_to_head,
    is_mien_head,
)
from ..scene.refine import bake
from ..take import TakeError, read_take
from .apply import has_take
from .follow import Purpose, start
from .paths import absolute, take_name
from .takes import list_take, start_of


class MIEN_OT_solve_again(bpy.types.Operator):
    """Solve the chosen take again with this smoothing and neutral frame, and give the new motion
    to all that performs it. The footage is not needed; keys changed by hand are written anew"""

    bl_idname = "mien.solve_again"
    bl_label = "Solve Again"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        return has_take(cls, context)

    def execute(self, context):
        item = choices(context).take
        path = absolute(item.path)
        if not path.is_file():
            self.report({"ERROR"}, f"There is no take at {path}.")
            return {"CANCELLED"}
        try:
            runner = find_runner(context)
        except RunnerError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        arguments = ["solve", str(path), "-o", str(path), "--smoothing", f"{item.smoothing:g}"]
        if item.has_neutral:
            arguments += ["--neutral", str(item.neutral - 1)]
        scene = context.scene.name
        request = Request(
            path.name,
            runner,
            tuple(arguments),
            path,
            read_take,
            Purpose(
                lambda operator, context, finished: _apply_anew(
                    operator, context, scene, finished
                ),
                undo=f"Solve {take_name(path)} Again",
            ),
        )
        return start(self, context, request)


def _apply_anew(operator, context, scene_name: str, finished: Finished) -> bool:
    """Give a take's new motion to every head and character that performs it."""
    scene = bpy.data.scenes.get(scene_name)
    if scene is None:
        return False
    path, take = finished.output, finished.value
    list_take(scene, path, take)
    settings = ApplySettings(set_frame_rate=False, set_frame_range=False, use_camera=False)
    done = 0
    for meshes in performers(scene, path):
        settings = replace(settings, start_frame=meshes[0].get(START_PROPERTY, timing.FIRST_FRAME))
        try:
            if is_mien_head(meshes[0]):
                apply_to_head(context, meshes[0], take, take_name(path), settings, path)
            else:
                apply_to_character(context, meshes, take, take_name(path), settings, path)
        except ApplyError as error:
            operator.report({"WARNING"}, str(error))
        else:
            done += 1
    operator.report({"INFO"}, f"{take_name(path)} was solved again; {done} performed anew.")
    return True


class MIEN_OT_neutral_here(bpy.types.Operator):
    """The face is at rest in the scene's current frame"""

    bl_idname = "mien.neutral_here"
    bl_label = "Use Current Frame"
    bl_options = {"UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context):
        return has_take(cls, context)

    def execute(self, context):
        item = choices(context).take
        try:
            item.neutral = footage_frame(context, item) + 1
        except TakeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        item.has_neutral = True
        return {"FINISHED"}


def footage_frame(context: bpy.types.Context, item: MienTake) -> int:
    """The frame of a take's footage, from 0, that shows at the scene's current frame.

    Raises:
        TakeError: the take cannot be read.
    """
    take = read_take(absolute(item.path))
    frames = context.scene.frame_current - start_of(context, item)
    seconds = frames / float(timing.scene_rate(context.scene))
    return int(take.frame[np.argmin(np.abs(take.time - take.time[0] - seconds))])


class MIEN_OT_bake(bpy.types.Operator):
    """Write gains and offsets into the keys, and drop the keys that a straight line replaces"""

    bl_idname = "mien.bake"
    bl_label = "Bake"
    bl_options = {"REGISTER", "UNDO"}

    tolerance: bpy.props.FloatProperty(
        name="Tolerance",
        description=(
            "How far a curve may leave the captured values for the sake of fewer keys. 0 keeps "
            "every key"
        ),
        default=0.0,
        min=0.0,
        max=0.2,
        precision=3,
    )

    @classmethod
    def poll(cls, context):
        head = head_of(context.object)
        if head is None or head.data.shape_keys.animation_data is None:
            cls.poll_message_set("Select a head that performs a take first.")
            return False
        return True

    def execute(self, context):
        before, after = bake(head_of(context.object), self.tolerance)
        self.report({"INFO"}, f"{after} of {before} keys stay.")
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (MIEN_OT_solve_again, MIEN_OT_neutral_here, MIEN_OT_bake)
)
