# SPDX-License-Identifier: GPL-3.0-or-later
"""The chosen head: its shapes by region, and its looks."""

from __future__ import annotations

import bpy

from ..heads import head_of, is_driven
from ..operators.head import MIEN_OT_reset_shapes
from ..properties import choices
from ..scene.controls import EYE_TARGET
from ..scene.regions import REGION_TITLES, region_of
from ..scene.sliders import SLIDERS
from .tab import MienPanel

DRIVEN_REGION = "Correctives"


class MIEN_PT_shapes(MienPanel, bpy.types.Panel):
    bl_label = "Shapes"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        return head_of(context.object) is not None

    def draw(self, context):
        head = head_of(context.object)
        layout = self.layout
        rig = head.parent
        if rig is not None and EYE_TARGET in rig:
            layout.prop(rig, f'["{EYE_TARGET}"]', text="Eye Target", slider=True)
        row = layout.row(align=True)
        row.prop(choices(context), "wanted_shapes", text="", icon="VIEWZOOM")
        row.operator(MIEN_OT_reset_shapes.bl_idname, text="", icon="LOOP_BACK").shapes = ""
        blocks = head.data.shape_keys.key_blocks[1:]
        wanted = matching(blocks, choices(context).wanted_shapes)
        if len(wanted) < len(blocks):
            _draw_shapes(layout, wanted)
            return
        for region, members in by_region(blocks).items():
            header, body = layout.panel(f"mien_{region}", default_closed=True)
            header.label(text=region)
            if region != DRIVEN_REGION:
                names = "\n".join(block.name for block in members)
                reset = header.operator(MIEN_OT_reset_shapes.bl_idname, text="", icon="LOOP_BACK")
                reset.shapes = names
            if body is not None:
                _draw_shapes(body, members)


class MIEN_PT_look(MienPanel, bpy.types.Panel):
    bl_label = "Look"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context):
        head = head_of(context.object)
        return head is not None and any(slider.name in head for slider in SLIDERS)

    def draw(self, context):
        head = head_of(context.object)
        layout = self.layout
        layout.use_property_split = True
        for slider in SLIDERS:
            if slider.name in head:
                layout.prop(head, f'["{slider.name}"]', text=slider.label, slider=True)


def _draw_shapes(layout: bpy.types.UILayout, blocks: list[bpy.types.ShapeKey]) -> None:
    column = layout.column(align=True)
    for block in blocks:
        row = column.row(align=True)
        # What follows other shapes is for looking at.
        row.enabled = not is_driven(block)
        row.prop(block, "value", text=block.name, slider=True)


def matching(blocks, words: str) -> list[bpy.types.ShapeKey]:
    """Shape keys whose name holds every one of the words, whatever their case."""
    parts = words.lower().split()
    return [block for block in blocks if all(part in block.name.lower() for part in parts)]


def by_region(blocks) -> dict[str, list[bpy.types.ShapeKey]]:
    """Shape keys in the regions that hold any; what follows others comes last."""
    titles = (*REGION_TITLES, DRIVEN_REGION)
    regions: dict[str, list[bpy.types.ShapeKey]] = {title: [] for title in titles}
    for block in blocks:
        regions[DRIVEN_REGION if is_driven(block) else region_of(block.name)].append(block)
    return {title: members for title, members in regions.items() if members}


register, unregister = bpy.utils.register_classes_factory(
    (MIEN_PT_shapes, MIEN_PT_look)
)
