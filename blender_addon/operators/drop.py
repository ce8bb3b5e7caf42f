# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are dropped on a 3D view, and the entries of File > Import."""

from __future__ import annotations

import bpy

from ..footage import MOVIE_SUFFIXES, PICTURE_SUFFIXES
from .capture import MIEN_OT_capture
from .takes import MIEN_OT_import_take


class _OnView3D:
    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


class MIEN_FH_take(_OnView3D, bpy.types.FileHandler):
    bl_idname = "MIEN_FH_take"
    bl_label = "Mien take"
    bl_import_operator = MIEN_OT_import_take.bl_idname
    bl_file_extensions = ".npz"


class MIEN_FH_footage(_OnView3D, bpy.types.FileHandler):
    bl_idname = "MIEN_FH_footage"
    bl_label = "Footage for Mien"
    bl_import_operator = MIEN_OT_capture.bl_idname
    bl_file_extensions = ";".join(sorted(MOVIE_SUFFIXES | PICTURE_SUFFIXES))


def _draw_in_import_menu(self, context):
    self.layout.operator(MIEN_OT_capture.bl_idname, text="Facial Capture (video, picture)")
    self.layout.operator(MIEN_OT_import_take.bl_idname, text="Facial Capture Take (.mien.npz)")


_register_classes, _unregister_classes = bpy.utils.register_classes_factory(
    (MIEN_FH_take, MIEN_FH_footage)
)


def register():
    _register_classes()
    bpy.types.TOPBAR_MT_file_import.append(_draw_in_import_menu)


def unregister():
    bpy.types.TOPBAR_MT_file_import.remove(_draw_in_import_menu)
    _unregister_classes()
