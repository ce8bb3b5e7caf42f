# SPDX-License-Identifier: GPL-3.0-or-later
"""Who performs a take: a new head, the selected one, or somebody's own character."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..heads import chosen_meshes, head_of
from ..properties import TARGETS, MienScene, choices
from ..scene.apply import (
    Applied,
    ApplyError,
    ApplySettings,
    apply_to_character,
    apply_to_head,
    apply_to_new_head,
    is_mien_head,
)
from ..take import Take, TakeError, read_take
from .paths import absolute, take_name

# Missing shapes named in a report; the rest is counted.
NAMED_MISSING = 4


class ApplyOptions:
    """How a take is applied; a script names what it wants, the panel fills in its own."""

    target: bpy.props.EnumProperty(name="Apply To", items=TARGETS, options={"SKIP_SAVE"})
    start_frame: bpy.props.IntProperty(
        name="Start Frame",
        description="Frame of the scene on which the take begins",
        default=1,
        options={"SKIP_SAVE"},
    )
    set_frame_rate: bpy.props.BoolProperty(
        name="Set Scene Frame Rate",
        description="Give the scene the footage's frame rate; else sample the take at the scene's",
        default=True,
        options={"SKIP_SAVE"},
    )
    set_frame_range: bpy.props.BoolProperty(
        name="Set Scene Range",
        description="Let the scene play from the take's first frame to its last",
        default=True,
        options={"SKIP_SAVE"},
    )
    use_camera: bpy.props.BoolProperty(
        name="Use Camera",
        description="Look through the take's camera, at the footage's resolution",
        default=True,
        options={"SKIP_SAVE"},
    )
    head_bone: bpy.props.StringProperty(
        name="Head Bone",
        description="The bone that turns an own character's head. Empty: the one called head",
        options={"SKIP_SAVE"},
    )

    def fill_in(self, asked: MienScene) -> None:
        """Take over what the panel says."""
        self.start_frame, self.head_bone = asked.start_frame, asked.head_bone
        self.set_frame_rate, self.set_frame_range = asked.set_frame_rate, asked.set_frame_range

    def settings(self) -> ApplySettings:
        return ApplySettings(
            start_frame=self.start_frame,
            set_frame_rate=self.set_frame_rate,
            set_frame_range=self.set_frame_range,
            use_camera=self.use_camera,
            head_bone=self.head_bone,
        )


class MIEN_OT_apply_take(ApplyOptions, bpy.types.Operator):
    """Let a head perform the chosen take"""

    bl_idname = "mien.apply_take"
    bl_label = "Apply Take"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if choices(context).take is None:
            cls.poll_message_set("Capture or add a take first.")
            return False
        return True

    def invoke(self, context, event):
        asked = choices(context)
        self.target = asked.target
        self.fill_in(asked)
        return self.execute(context)

    def execute(self, context):
        path = absolute(choices(context).take.path)
        try:
            take = read_take(path)
        except TakeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        done = apply_to(self, context, self.target, path, take, self.settings())
        return {"FINISHED"} if done else {"CANCELLED"}


def obstacle(context: bpy.types.Context, target: str) -> str:
    """Why a take cannot be applied to a target as things are selected; empty if it can."""
    if target == "HEAD" and not is_mien_head(head_of(context.object)):
        return "Select a Mien head first."
    if target == "CHARACTER" and not chosen_meshes(context):
        return "Select a mesh with shape keys first."
    return ""


def apply_to(
    operator: bpy.types.Operator,
    context: bpy.types.Context,
    target: str,
    path: Path,
    take: Take,
    settings: ApplySettings,
) -> bool:
    """Apply a take that lies at `path` to one of TARGETS; says what came of it, or why not."""
    hindrance = obstacle(context, target)
    if hindrance:
        operator.report({"ERROR"}, hindrance)
        return False
    name = take_name(path)
    try:
        if target == "NEW":
            applied = apply_to_new_head(context, take, name, settings, path)
        elif target == "HEAD":
            applied = apply_to_head(context, head_of(context.object), take, name, settings, path)
        else:
            meshes = chosen_meshes(context)
            applied = apply_to_character(context, meshes, take, name, settings, path)
    except ApplyError as error:
        operator.report({"ERROR"}, str(error))
        return False
    for warning in (*applied.warnings, *_about_missing(applied)):
        operator.report({"WARNING"}, warning)
    operator.report({"INFO"}, f"{name}: {len(applied.performance.frame)} frames applied.")
    return True


def _about_missing(applied: Applied) -> list[str]:
    if not applied.missing:
        return []
    named = ", ".join(applied.missing[:NAMED_MISSING])
    more = len(applied.missing) - NAMED_MISSING
    return [f"No shape key for {named}{f' and {more} more' if more > 0 else ''}."]


register, unregister = bpy.utils.register_classes_factory((MIEN_OT_apply_take,))
