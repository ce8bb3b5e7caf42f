# SPDX-License-Identifier: GPL-3.0-or-later
"""A head without a performance: add one at rest, and set its shapes to rest."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..heads import head_of, reset_shapes
from ..scene.character import add_posable_head
from ..take import read_take

# Made by `build.py package`, so it is there in every installed extension.
DEFAULT_HEAD = Path(__file__).parents[1] / "assets/default_head.mien.npz"
DEFAULT_NAME = "Mien"


class MIEN_OT_add_head(bpy.types.Operator):
    """Add a head at rest: 52 shapes, a rig with an eye target, and materials with sliders"""

    bl_idname = "mien.add_head"
    bl_label = "Mien Head"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        if not DEFAULT_HEAD.is_file():
            self.report(
                {"ERROR"}, "This copy of the add-on carries no head: `build.py package` makes one."
            )
            return {"CANCELLED"}
        add_posable_head(context, read_take(DEFAULT_HEAD), DEFAULT_NAME)
        return {"FINISHED"}


class MIEN_OT_reset_shapes(bpy.types.Operator):
    """Set shapes to rest"""

    bl_idname = "mien.reset_shapes"
    bl_label = "Reset Shapes"
    bl_options = {"REGISTER", "UNDO"}

    shapes: bpy.props.StringProperty(
        name="Shapes", description="Names, one a line. Empty: all", options={"SKIP_SAVE"}
    )

    @classmethod
    def poll(cls, context):
        return head_of(context.object) is not None

    def execute(self, context):
        reset_shapes(head_of(context.object), self.shapes.split("\n") if self.shapes else [])
        return {"FINISHED"}


def _draw_in_add_menu(self, context):
    self.layout.operator(MIEN_OT_add_head.bl_idname, icon="USER")


_register_classes, _unregister_classes = bpy.utils.register_classes_factory(
    (MIEN_OT_add_head, MIEN_OT_reset_shapes)
)


def register():
    _register_classes()
    bpy.types.VIEW3D_MT_mesh_add.append(_draw_in_add_menu)


def unregister():
    bpy.types.VIEW3D_MT_mesh_add.remove(_draw_in_add_menu)
    _unregister_classes()
