# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of takes that a scene knows of."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from bpy_extras.io_utils import ImportHelper

from ..heads import head_of
from ..properties import MienTake, choices
from ..scene.apply import START_PROPERTY, TAKE_PROPERTY, ApplyError
from ..take import Take, TakeError, read_take
from .apply import ApplyOptions, apply_to, has_take, meshes_for
from .paths import absolute, take_name

# Parts into which a take's confidence is summed up; more than fit a sidebar side by side.
PARTS = 96
SUREST = 9


class MIEN_OT_import_take(ApplyOptions, bpy.types.Operator, ImportHelper):
    """Bring a take's head, animation, camera and footage into the scene"""

    bl_idname = "mien.import_take"
    bl_label = "Import Take"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".npz"
    filter_glob: bpy.props.StringProperty(default="*.npz", options={"HIDDEN"})
    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def invoke(self, context, event):
        self.fill_in(choices(context))
        if self.filepath.endswith(".npz") and Path(self.filepath).is_file():
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)

    def execute(self, context):
        path = absolute(self.filepath)
        take = _read(self, path)
        if take is None:
            return {"CANCELLED"}
        list_take(context.scene, path, take)
        try:
            meshes = meshes_for(context, self.target)
        except ApplyError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        done = apply_to(self, context, self.target, meshes, path, take, self.settings())
        return {"FINISHED"} if done else {"CANCELLED"}


class MIEN_OT_add_take(bpy.types.Operator, ImportHelper):
    """Add a take from a file to the list"""

    bl_idname = "mien.add_take"
    bl_label = "Add Take"
    bl_options = {"UNDO", "INTERNAL"}

    filename_ext = ".npz"
    filter_glob: bpy.props.StringProperty(default="*.npz", options={"HIDDEN"})

    def execute(self, context):
        path = absolute(self.filepath)
        take = _read(self, path)
        if take is None:
            return {"CANCELLED"}
        list_take(context.scene, path, take)
        return {"FINISHED"}


class MIEN_OT_remove_take(bpy.types.Operator):
    """Take the chosen take off the list; its file and what it animates stay"""

    bl_idname = "mien.remove_take"
    bl_label = "Remove Take"
    bl_options = {"UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context):
        return has_take(cls, context)

    def execute(self, context):
        asked = choices(context)
        asked.takes.remove(asked.active_take)
        asked.active_take = max(0, min(asked.active_take, len(asked.takes) - 1))
        return {"FINISHED"}


class MIEN_OT_go_to_part(bpy.types.Operator):
    """Go to this part of the take"""

    bl_idname = "mien.go_to_part"
    bl_label = "Go to Part"
    bl_options = {"INTERNAL"}

    frame: bpy.props.IntProperty(name="Frame")

    @classmethod
    def description(cls, context, properties):
        return f"Go to frame {properties.frame}"

    def execute(self, context):
        context.scene.frame_set(self.frame)
        return {"FINISHED"}


def start_of(context: bpy.types.Context, item: MienTake) -> int:
    """The scene frame on which a take begins: as the chosen head performs it, else as the panel
    says."""
    head = head_of(context.object)
    if head is not None and head.get(TAKE_PROPERTY) == str(absolute(item.path)):
        return head[START_PROPERTY]
    return choices(context).start_frame


def list_take(scene: bpy.types.Scene, path: Path, take: Take) -> MienTake:
    """Have a take in the scene's list, once, and choose it."""
    asked = scene.mien
    known = [absolute(item.path) for item in asked.takes]
    item = asked.takes[known.index(path)] if path in known else asked.takes.add()
    item.name, item.path = take_name(path), str(path)
    item.frames, item.found = len(take.time), int(take.found.sum())
    item.rate = float(take.header.source.frame_rate)
    item.confidence = summed_up(take.confidence, take.found)
    item.warnings = "\n".join(take.header.warnings)
    settings = take.header.settings
    item.smoothing = float(settings.get("smoothing") or 0.0) if "smoothing" in settings else 1.0
    neutral = settings.get("neutral")
    item.has_neutral = neutral is not None
    item.neutral = int(neutral or 0) + 1
    asked.active_take = list(asked.takes).index(item)
    return item


def summed_up(confidence: np.ndarray, found: np.ndarray) -> str:
    """Confidence (T,) from 0 to 1 along a take as at most PARTS digits; the worst frame counts.

    Frames without a face, `found` (T,) bool, count nothing.
    """
    levels = np.clip(np.round(np.where(found, confidence, 0.0) * SUREST), 0, SUREST).astype(int)
    parts = np.array_split(levels, min(PARTS, len(levels)))
    return "".join(str(part.min()) for part in parts)


def _read(operator: bpy.types.Operator, path: Path) -> Take | None:
    """The take at a path; says why there is none."""
    try:
        return read_take(path)
    except TakeError as error:
        operator.report({"ERROR"}, str(error))
        return None


register, unregister = bpy.utils.register_classes_factory(
    (MIEN_OT_import_take, MIEN_OT_add_take, MIEN_OT_remove_take, MIEN_OT_go_to_part)
)
