# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking through the take's camera, with the footage behind, and rendering the two together."""

from __future__ import annotations

import bpy
from bpy_extras.io_utils import ExportHelper

from ..footage import find_footage
from ..heads import head_of
from ..scene import camera, studio
from ..scene.apply import START_PROPERTY, TAKE_PROPERTY
from ..scene.comparison import add_comparison, write_movie_to
from ..take import TakeError, read_take
from .apply import look_through_camera
from .paths import absolute


class MIEN_OT_match_camera(bpy.types.Operator):
    """Look through the camera that saw the footage, and render pictures of its size. Once more
    gives back the camera and the size that the scene had"""

    bl_idname = "mien.match_camera"
    bl_label = "Match Camera"
    bl_options = {"UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context):
        return _has_camera(cls, context)

    def execute(self, context):
        if camera.matched(context.scene):
            camera.unmatch(context.scene)
        else:
            camera.match(context.scene, camera.camera_of(head_of(context.object)))
        look_through_camera(context, camera.matched(context.scene))
        return {"FINISHED"}


class MIEN_OT_show_footage(bpy.types.Operator):
    """Show the footage behind the head, as seen through the take's camera, or hide it"""

    bl_idname = "mien.show_footage"
    bl_label = "Show Footage"
    bl_options = {"UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context):
        return _has_camera(cls, context)

    def execute(self, context):
        head = head_of(context.object)
        lens = camera.camera_of(head)
        if camera.shows_footage(lens):
            camera.hide_footage(lens)
            return {"FINISHED"}
        try:
            camera.show_footage(context.scene, lens, absolute(head[TAKE_PROPERTY]).parent)
        except camera.FootageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MIEN_OT_add_light(bpy.types.Operator):
    """Put three lights round the head, and a plain grey world behind it"""

    bl_idname = "mien.add_light"
    bl_label = "Add Portrait Light"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context):
        if head_of(context.object) is None:
            cls.poll_message_set("Select a head first.")
            return False
        return True

    def execute(self, context):
        head = head_of(context.object)
        target = (head.parent or head).matrix_world.translation
        studio.add_lights(context.scene, target, head.users_collection[0])
        return {"FINISHED"}


def _has_camera(operator: type[bpy.types.Operator], context: bpy.types.Context) -> bool:
    head = head_of(context.object)
    if head is None or camera.camera_of(head) is None:
        operator.poll_message_set("Select a head that has the camera of its take first.")
        return False
    return True


class MIEN_OT_render_comparison(bpy.types.Operator, ExportHelper):
    """Render a movie of the scene beside its footage, or over it"""

    bl_idname = "mien.render_comparison"
    bl_label = "Render Comparison"
    bl_options = {"REGISTER"}

    filename_ext = ".mp4"
    filter_glob: bpy.props.StringProperty(default="*.mp4", options={"HIDDEN"})
    layout_kind: bpy.props.EnumProperty(
        name="Layout",
        items=(
            ("SIDE", "Side by Side", "Footage on the left, the scene on the right"),
            ("OVER", "Over", "The scene over the footage"),
        ),
    )

    @classmethod
    def poll(cls, context):
        head = head_of(context.object)
        if head is None or not head.get(TAKE_PROPERTY):
            cls.poll_message_set("Select a head that performs a take first.")
            return False
        if context.scene.camera is None:
            cls.poll_message_set("The scene has no camera.")
            return False
        return True

    def draw(self, context):
        self.layout.prop(self, "layout_kind", expand=True)

    def execute(self, context):
        head = head_of(context.object)
        path = absolute(head[TAKE_PROPERTY])
        try:
            take = read_take(path)
        except TakeError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        footage = find_footage(take.header.source.file, path.parent)
        if footage is None:
            self.report({"ERROR"}, f"The footage is no longer at {take.header.source.file}.")
            return {"CANCELLED"}
        start = head[START_PROPERTY]
        try:
            scene = add_comparison(context.scene, take, footage, start, self.layout_kind)
        except camera.FootageError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        write_movie_to(scene, absolute(self.filepath))
        # In a window this opens Blender's own render view, with its progress and its Esc.
        call = "EXEC_DEFAULT" if bpy.app.background else "INVOKE_DEFAULT"
        return bpy.ops.render.render(call, animation=True, scene=scene.name)


register, unregister = bpy.utils.register_classes_factory(
    (
        MIEN_OT_match_camera,
        MIEN_OT_show_footage,
        MIEN_OT_add_light,
        MIEN_OT_render_comparison,
    )
)
