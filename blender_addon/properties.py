# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel asks. Nothing of a running capture is kept here, where a .blend could save it."""

from __future__ import annotations

import bpy


class MienChoices(bpy.types.PropertyGroup):
    footage: bpy.props.StringProperty(
        name="Footage",
        description="A video, a picture, or a folder of numbered pictures",
        subtype="FILE_PATH",
    )
    quality: bpy.props.EnumProperty(
        name="Quality",
        items=(
            ("take", "Take", "Solve the whole clip at once: steady and without lag"),
            ("live", "Live", "Frame by frame: faster, less steady"),
        ),
    )
    wanted_shapes: bpy.props.StringProperty(
        name="Find Shapes",
        description="Show only the shapes whose names hold these words, such as: smile left",
        options={"TEXTEDIT_UPDATE"},
    )
    set_frame_rate: bpy.props.BoolProperty(
        name="Set Scene Frame Rate",
        description=(
            "Give the scene the footage's frame rate. Else the take is sampled at the scene's own"
        ),
        default=True,
    )


def choices(context: bpy.types.Context) -> MienChoices:
    return context.window_manager.mien


def register():
    bpy.utils.register_class(MienChoices)
    bpy.types.WindowManager.mien = bpy.props.PointerProperty(type=MienChoices)


def unregister():
    del bpy.types.WindowManager.mien
    bpy.utils.unregister_class(MienChoices)
