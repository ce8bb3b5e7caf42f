# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar of the 3D view: footage, capture, import, and the shapes by region."""

from __future__ import annotations

import bpy

from .operators import MIEN_OT_cancel, MIEN_OT_capture, MIEN_OT_import_take, running_job
from .properties import choices

# Regions of the face by the start of a shape's name, in the order from brow to tongue.
REGIONS = (
    ("Brows", ("brow",)),
    ("Eyes", ("eye",)),
    ("Nose and Cheeks", ("nose", "cheek")),
    ("Jaw", ("jaw",)),
    ("Mouth", ("mouth",)),
    ("Tongue", ("tongue",)),
)
OTHER_REGION = "Correctives"


class MienPanel:
    """Where the add-on's panels live."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mien"


class MIEN_PT_capture(MienPanel, bpy.types.Panel):
    bl_label = "Capture"

    def draw(self, context):
        layout = self.layout
        job = running_job()
        if job is not None:
            row = layout.row(align=True)
            row.progress(factor=job.progress.share, text=job.progress.stage)
            row.operator(MIEN_OT_cancel.bl_idname, text="", icon="CANCEL")
            return
        asked = choices(context)
        column = layout.column(align=True)
        column.prop(asked, "footage", text="")
        column.row(align=True).prop(asked, "quality", expand=True)
        layout.operator(MIEN_OT_capture.bl_idname, icon="REC")
        layout.prop(asked, "set_frame_rate")
        layout.operator(MIEN_OT_import_take.bl_idname, icon="IMPORT")


class MIEN_PT_shapes(MienPanel, bpy.types.Panel):
    bl_label = "Shapes"

    @classmethod
    def poll(cls, context):
        return head_of(context.object) is not None

    def draw(self, context):
        blocks = head_of(context.object).data.shape_keys.key_blocks[1:]
        for region, members in by_region(blocks).items():
            header, body = self.layout.panel(f"mien_{region}", default_closed=True)
            header.label(text=region)
            if body is not None:
                column = body.column(align=True)
                for block in members:
                    column.prop(block, "value", text=block.name)


def head_of(chosen: bpy.types.Object | None) -> bpy.types.Object | None:
    """The mesh with shape keys that is chosen, or that hangs on the chosen armature."""
    if chosen is None:
        return None
    for candidate in (chosen, *chosen.children):
        if candidate.type == "MESH" and candidate.data.shape_keys is not None:
            return candidate
    return None


def by_region(blocks) -> dict[str, list[bpy.types.ShapeKey]]:
    """Shape keys in the regions that hold any; what no region claims comes last."""
    regions: dict[str, list[bpy.types.ShapeKey]] = {title: [] for title, _ in REGIONS}
    regions[OTHER_REGION] = []
    for block in blocks:
        title = next((t for t, starts in REGIONS if block.name.startswith(starts)), OTHER_REGION)
        regions[title].append(block)
    return {title: members for title, members in regions.items() if members}


register, unregister = bpy.utils.register_classes_factory((MIEN_PT_capture, MIEN_PT_shapes))
