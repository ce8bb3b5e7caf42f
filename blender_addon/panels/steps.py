# SPDX-License-Identifier: GPL-3.0-or-later
"""The six steps of a capture, one panel each, in the order of the work."""

from __future__ import annotations

import bpy

from .. import thumbnails
from ..heads import head_of
from ..job import CANCELLING, STARTING
from ..layout import settings_column, tell, width_of
from ..operators.apply import MIEN_OT_apply_take, meshes_for
from ..operators.capture import MIEN_OT_cancel, MIEN_OT_capture, MIEN_OT_withdraw
from ..operators.follow import captures
from ..operators.look import MIEN_OT_look, MIEN_OT_pick_face, complaint, is_looking
from ..operators.paths import absolute
from ..operators.refine import MIEN_OT_bake, MIEN_OT_neutral_here, MIEN_OT_solve_again
from ..operators.render import (
    MIEN_OT_add_light,
    MIEN_OT_match_camera,
    MIEN_OT_render_comparison,
    MIEN_OT_show_footage,
)
from ..operators.takes import (
    MIEN_OT_add_take,
    MIEN_OT_go_to_part,
    MIEN_OT_import_take,
    MIEN_OT_remove_take,
    start_of,
)
from ..properties import choices, gain_property, offset_property
from ..scene import camera
from ..scene.apply import ApplyError
from ..scene.refine import regions_of
from ..scene.timing import scene_rate
from .tab import MienPanel

STAGES = {
    STARTING: "Starting",
    "track": "Following the face",
    "solve": "Solving the clip",
    "write": "Writing the take",
    CANCELLING: "Cancelling",
}
THUMBNAIL_SCALE = 9.0
# Pixels at a scale of 1: what one part of the confidence strip takes of a sidebar, and what the
# sidebar needs beside the strip.
PART_WIDTH, BESIDE_STRIP = 10, 52
FEWEST_PARTS = 6


class MIEN_PT_footage(MienPanel, bpy.types.Panel):
    bl_label = "1  Footage"

    def draw(self, context):
        layout = self.layout
        asked = choices(context)
        row = layout.row(align=True)
        row.prop(asked, "footage", text="")
        row.operator(MIEN_OT_look.bl_idname, text="", icon="VIEWZOOM")
        if not asked.footage:
            tell(layout, context, "A video, a picture, or a folder of pictures.", "INFO")
            return
        self._draw_what_was_seen(context, asked)
        column = settings_column(layout)
        column.prop(asked, "rotation")
        if absolute(asked.footage).is_dir():
            column.prop(asked, "picture_rate")
        row = column.row(heading="Range")
        row.prop(asked, "use_range", text="")
        sub = row.row(align=True)
        sub.enabled = asked.use_range
        sub.prop(asked, "first_frame", text="")
        sub.prop(asked, "last_frame", text="")

    def _draw_what_was_seen(self, context, asked):
        layout = self.layout
        icon = thumbnails.icon_of(context.scene.name)
        looking = is_looking(context.scene)
        if icon or looking:
            # Its place is kept free, so that no button moves from under the mouse.
            layout.template_icon(icon or thumbnails.nothing(), scale=THUMBNAIL_SCALE)
        if looking:
            layout.label(text="Looking for faces...", icon="TIME")
        elif complaint(context.scene):
            tell(layout, context, complaint(context.scene), "ERROR")
        elif not icon:
            # A file that was opened anew: pictures are not kept in it.
            layout.operator(MIEN_OT_look.bl_idname, icon="VIEWZOOM")
        elif not asked.faces:
            tell(layout, context, "No face in this frame. Is the footage upright?", "ERROR")
        elif asked.footage_frames:
            layout.label(text=_about_footage(asked))
        if len(asked.faces) > 1:
            row = layout.row(align=True)
            row.label(text="Face")
            for index in range(len(asked.faces)):
                row.operator(
                    MIEN_OT_pick_face.bl_idname, text=str(index + 1), depress=index == asked.face
                ).face = index


class MIEN_PT_capture(MienPanel, bpy.types.Panel):
    bl_label = "2  Capture"

    def draw(self, context):
        layout = self.layout
        asked = choices(context)
        column = settings_column(layout)
        column.row().prop(asked, "quality", expand=True)
        column.prop(asked, "device")
        row = column.row(heading="Lens")
        row.prop(asked, "has_lens", text="")
        sub = row.row()
        sub.enabled = asked.has_lens
        sub.prop(asked, "lens", text="")
        column.prop(asked, "when_done")
        large = layout.row()
        large.scale_y = 1.4
        text = "Capture" if captures.is_idle else "Add to Queue"
        large.operator(MIEN_OT_capture.bl_idname, text=text, icon="REC").as_in_panel = True
        self._draw_line()

    def _draw_line(self):
        layout = self.layout
        job = captures.job
        if job is not None:
            row = layout.row(align=True)
            row.progress(factor=job.progress.share, text=_about_progress(job.progress))
            row.operator(MIEN_OT_cancel.bl_idname, text="", icon="CANCEL")
            layout.label(text=captures.title, icon="FILE_MOVIE")
        for index, title in enumerate(captures.waiting):
            row = layout.row(align=True)
            row.label(text=title, icon="TIME")
            row.operator(MIEN_OT_withdraw.bl_idname, text="", icon="X", emboss=False).index = index


class MIEN_UL_takes(bpy.types.UIList):
    bl_idname = "MIEN_UL_takes"

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index=0):
        row = layout.row()
        row.prop(item, "name", text="", emboss=False, icon="ACTION")
        if item.found < item.frames:
            share = row.row()
            share.alignment = "RIGHT"
            share.label(text=f"{item.found} / {item.frames}", icon="ERROR")


class MIEN_PT_take(MienPanel, bpy.types.Panel):
    bl_label = "3  Take"

    def draw(self, context):
        layout = self.layout
        asked = choices(context)
        row = layout.row()
        row.template_list(
            MIEN_UL_takes.bl_idname, "", asked, "takes", asked, "active_take", rows=2, maxrows=5
        )
        buttons = row.column(align=True)
        buttons.operator(MIEN_OT_add_take.bl_idname, text="", icon="ADD")
        buttons.operator(MIEN_OT_remove_take.bl_idname, text="", icon="REMOVE")
        take = asked.take
        if take is None:
            tell(layout, context, "Takes appear here when a capture is done.", "INFO")
            return
        layout.prop(take, "path", text="")
        if take.frames > 1:
            share = take.found / take.frames
            layout.label(text=f"A face in {take.found} of {take.frames} frames ({share:.0%})")
            self._draw_confidence(context, take)
        for warning in take.warnings.splitlines():
            tell(layout, context, warning, "ERROR")

    def _draw_confidence(self, context, take):
        """The take from left to right, red where no face was seen; a click goes there."""
        if not take.confidence:
            return
        parts = max(FEWEST_PARTS, int((width_of(context) - BESIDE_STRIP) / PART_WIDTH))
        levels = [int(level) for level in take.confidence]
        parts = min(parts, len(levels))
        start = start_of(context, take)
        rate = float(scene_rate(context.scene))
        row = self.layout.grid_flow(
            row_major=True, columns=parts, even_columns=True, even_rows=True, align=True
        )
        row.scale_y = 0.6
        for part in range(parts):
            first = part * len(levels) // parts
            last = max(first + 1, (part + 1) * len(levels) // parts)
            seconds = take.frames * part / parts / take.rate if take.rate else 0.0
            row.operator(
                MIEN_OT_go_to_part.bl_idname,
                text="",
                icon_value=thumbnails.swatch(min(levels[first:last])),
                emboss=False,
            ).frame = start + round(seconds * rate)


class MIEN_PT_apply(MienPanel, bpy.types.Panel):
    bl_label = "4  Apply"

    def draw(self, context):
        layout = self.layout
        asked = choices(context)
        layout.column(align=True).prop(asked, "target", expand=True)
        column = settings_column(layout)
        if asked.target == "CHARACTER":
            armature = _armature_of(context.object)
            if armature is not None:
                column.prop_search(asked, "head_bone", armature.data, "bones", icon="BONE_DATA")
        column.prop(asked, "start_frame")
        options = column.column(heading="Scene", align=True)
        options.prop(asked, "set_frame_rate", text="Set Frame Rate")
        options.prop(asked, "set_frame_range", text="Set Range")
        hindrance = _hindrance(context, asked.target) if asked.take else ""
        button = layout.row()
        button.enabled = not hindrance
        button.operator(MIEN_OT_apply_take.bl_idname, icon="CHECKMARK")
        if hindrance:
            tell(layout, context, hindrance, "INFO")
        layout.operator(MIEN_OT_import_take.bl_idname, text="Import Take...", icon="IMPORT")


class MIEN_PT_refine(MienPanel, bpy.types.Panel):
    bl_label = "5  Refine"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        take = choices(context).take
        if take is not None:
            self._draw_solve(take)
        head = head_of(context.object)
        regions = regions_of(head) if head is not None else []
        if not regions:
            tell(layout, context, "Select a head that performs a take.", "INFO")
            return
        column = settings_column(layout)
        column.prop(head.mien, "start_frame")
        grid = layout.column(align=True)
        numbers = _numbers_beside(grid, "Region")
        numbers.label(text="Gain")
        numbers.label(text="Offset")
        for region in regions:
            numbers = _numbers_beside(grid, region)
            numbers.prop(head.mien, gain_property(region), text="", slider=True)
            numbers.prop(head.mien, offset_property(region), text="", slider=True)
        layout.operator(MIEN_OT_bake.bl_idname, icon="KEYFRAME")

    def _draw_solve(self, take):
        box = self.layout.box()
        column = settings_column(box)
        column.prop(take, "smoothing", slider=True)
        row = column.row(heading="Neutral Frame")
        row.prop(take, "has_neutral", text="")
        sub = row.row(align=True)
        number = sub.row(align=True)
        number.enabled = take.has_neutral
        number.prop(take, "neutral", text="")
        sub.operator(MIEN_OT_neutral_here.bl_idname, text="", icon="EYEDROPPER")
        box.operator(MIEN_OT_solve_again.bl_idname, icon="FILE_REFRESH")


class MIEN_PT_render(MienPanel, bpy.types.Panel):
    bl_label = "6  Render"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        head = head_of(context.object)
        lens = camera.camera_of(head) if head is not None else None
        shown = lens is not None and camera.shows_footage(lens)
        column = layout.column(align=True)
        matched = camera.matched(context.scene)
        column.operator(MIEN_OT_match_camera.bl_idname, icon="CAMERA_DATA", depress=matched)
        row = column.row(align=True)
        row.operator(MIEN_OT_show_footage.bl_idname, icon="IMAGE_BACKGROUND", depress=shown)
        if shown:
            row.prop(lens.data.background_images[0], "alpha", text="Opacity", slider=True)
        layout.operator(MIEN_OT_add_light.bl_idname, icon="LIGHT_AREA")
        for text, kind in (("Side by Side", "SIDE"), ("Over Footage", "OVER")):
            layout.operator(
                MIEN_OT_render_comparison.bl_idname,
                text=f"Render {text}...",
                icon="RENDER_ANIMATION",
            ).layout_kind = kind


def _numbers_beside(layout, title: str):
    """Room for numbers beside a title."""
    split = layout.split(factor=0.46, align=True)
    split.label(text=title)
    return split.row(align=True)


def _hindrance(context, target: str) -> str:
    """Why a take cannot be applied as things are selected; empty if it can."""
    try:
        meshes_for(context, target)
    except ApplyError as error:
        return str(error)
    return ""


def _about_footage(asked) -> str:
    width, height = asked.footage_size
    if asked.footage_frames == 1:
        return f"{width} × {height}"
    rate = asked.footage_rate
    seconds = asked.footage_frames / rate if rate else 0.0
    return f"{width} × {height}, {asked.footage_frames} frames, {rate:.4g} fps, {seconds:.1f} s"


def _about_progress(progress) -> str:
    text = STAGES.get(progress.stage, progress.stage)
    if progress.seconds_left is None:
        return text
    seconds = round(progress.seconds_left)
    left = f"{seconds // 60}:{seconds % 60:02d} min" if seconds >= 60 else f"{seconds} s"
    return f"{text}, {left} left"


def _armature_of(chosen: bpy.types.Object | None) -> bpy.types.Object | None:
    if chosen is None or chosen.type == "ARMATURE":
        return chosen
    return chosen.find_armature()


register, unregister = bpy.utils.register_classes_factory(
    (
        MIEN_UL_takes,
        MIEN_PT_footage,
        MIEN_PT_capture,
        MIEN_PT_take,
        MIEN_PT_apply,
        MIEN_PT_refine,
        MIEN_PT_render,
    )
)
