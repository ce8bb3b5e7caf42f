# SPDX-License-Identifier: GPL-3.0-or-later
"""Who performs a take: a new head, the selected one, or somebody's own character."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..heads import chosen_meshes, head_of
from ..properties import TARGETS, MienScene, choices
from ..scene.apply import (
    ApplyError,
    ApplySettings,
    apply_to_character,
    apply_to_head,
    apply_to_new_head,
    is_mien_head,
    listed,
)
from ..take import Take, TakeError, read_take
from .paths import absolute, take_name


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
        return has_take(cls, context)

    def invoke(self, context, event):
        asked = choices(context)
        self.target = asked.target
        self.fill_in(asked)
        return self.execute(context)

    def execute(self, context):
        path = absolute(choices(context).take.path)
        try:
            take = read_take(path)
            meshes = meshes_for(context, self.target)
        except (TakeError, ApplyError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        done = apply_to(self, context, self.target, meshes, path, take, self.settings())
        return {"FINISHED"} if done else {"CANCELLED"}


def has_take(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    """For a poll: whether a take is chosen, with the reason if not."""
    if choices(context).take is None:
        operator.poll_message_set("Capture or add a take first.")
        return False
    return True


def meshes_for(context: bpy.types.Context, target: str) -> list[bpy.types.Object]:
    """What is selected to perform a take; nothing for a new head.

    Raises:
        ApplyError: nothing that can is selected.
    """
    if target == "HEAD":
        head = head_of(context.object)
        if not is_mien_head(head):
            raise ApplyError("Select a Mien head first.")
        return [head]
    if target == "CHARACTER":
        meshes = chosen_meshes(context)
        if not meshes:
            raise ApplyError("Select a mesh with shape keys first.")
        return meshes
    return []


def apply_to(
    operator: bpy.types.Operator,
    context: bpy.types.Context,
    target: str,
    meshes: list[bpy.types.Object],
    path: Path,
    take: Take,
    settings: ApplySettings,
) -> bool:
    """Apply a take that lies at `path` to one of TARGETS; says what came of it, or why not.

    Args:
        meshes: as `meshes_for` gives them.
    """
    name = take_name(path)
    try:
        if target == "NEW":
            applied = apply_to_new_head(context, take, name, settings, path)
        elif target == "HEAD":
            applied = apply_to_head(context, meshes[0], take, name, settings, path)
        else:
            applied = apply_to_character(context, meshes, take, name, settings, path)
    except ApplyError as error:
        operator.report({"ERROR"}, str(error))
        return False
    if settings.use_camera and applied.camera is not None:
        look_through_camera(context)
    for warning in applied.warnings:
        operator.report({"WARNING"}, warning)
    if applied.missing:
        operator.report({"WARNING"}, f"No shape key for {listed(applied.missing)}.")
    operator.report({"INFO"}, f"{name}: {len(applied.performance.frame)} frames applied.")
    return True


def look_through_camera(context: bpy.types.Context, wanted: bool = True) -> None:
    """Let the view that is worked in see what the camera sees, or let it go again."""
    areas = context.screen.areas if context.screen else ()
    views = [area for area in (context.area, *areas) if area is not None and area.type == "VIEW_3D"]
    if views:
        view = views[0].spaces.active.region_3d
        view.view_perspective = "CAMERA" if wanted else "PERSP"


register, unregister = bpy.utils.register_classes_factory((MIEN_OT_apply_take,))
