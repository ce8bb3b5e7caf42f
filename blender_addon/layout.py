# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender's layouts lack: sentences that wrap, settings in one call, and being drawn anew."""

from __future__ import annotations

import textwrap

import bpy

# A letter of Blender's interface font is about this wide, in pixels at a scale of 1.
LETTER_WIDTH = 6.5
# What a panel's margins and a label's icon take of its width, likewise.
MARGIN = 60
NARROWEST = 16


def width_of(context: bpy.types.Context) -> float:
    """The region's width in pixels at an interface scale of 1."""
    return context.region.width / context.preferences.system.ui_scale


def tell(layout: bpy.types.UILayout, context: bpy.types.Context, text: str, icon="NONE") -> None:
    """Write a sentence in as many lines as it needs: a label does not wrap by itself."""
    letters = max(NARROWEST, int((width_of(context) - MARGIN) / LETTER_WIDTH))
    column = layout.column(align=True)
    column.scale_y = 0.8
    for line in textwrap.wrap(text, letters):
        column.label(text=line, icon=icon)
        icon = "BLANK1" if icon != "NONE" else icon


def settings_column(layout: bpy.types.UILayout) -> bpy.types.UILayout:
    """A column for properties that are no animation: names on the left, no dots for keys."""
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    return column


def redraw(area_type: str, region_type: str = "WINDOW") -> None:
    """Have the regions of a type drawn anew, in the areas of a type of all windows."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == area_type:
                for region in area.regions:
                    if region.type == region_type:
                        region.tag_redraw()
