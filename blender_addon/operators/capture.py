# SPDX-License-Identifier: GPL-3.0-or-later
"""Capturing footage: by the panel's button, a file browser, a dropped file, or a script."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from ..captures import Request
from ..footage import MOVIE_SUFFIXES, PICTURE_SUFFIXES
from ..job import Finished
from ..layout import settings_column
from ..preferences import find_runner
from ..properties import DEVICES, KEEP_ONLY, QUALITIES, ROTATIONS, TARGETS, choices
from ..runner import RunnerError
from ..scene.apply import ApplyError, ApplySettings
from ..take import read_take
from .apply import ApplyOptions, apply_to, meshes_for
from .follow import Purpose, captures, start
from .look import view_arguments
from .paths import absolute, take_beside
from .takes import list_take


class CaptureOptions(ApplyOptions):
    """What a capture may be asked for; a script names what it wants, the panel fills in its own."""

    take_path: bpy.props.StringProperty(
        name="Take",
        description="Where the take is written. Empty: beside the footage, under a new name",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )
    quality: bpy.props.EnumProperty(name="Quality", items=QUALITIES, options={"SKIP_SAVE"})
    device: bpy.props.EnumProperty(name="Device", items=DEVICES, options={"SKIP_SAVE"})
    rotation: bpy.props.EnumProperty(name="Rotation", items=ROTATIONS, options={"SKIP_SAVE"})
    target: bpy.props.EnumProperty(
        name="When Done", items=(*TARGETS, KEEP_ONLY), options={"SKIP_SAVE"}
    )


class MIEN_OT_capture(CaptureOptions, bpy.types.Operator, ImportHelper):
    """Capture the face in a video or picture"""

    bl_idname = "mien.capture"
    bl_label = "Capture"
    # Neither REGISTER, whose panel would capture anew at every change of an option, nor UNDO: the
    # step to undo is made when the capture is over.
    bl_options = set()

    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*{suffix}" for suffix in sorted(MOVIE_SUFFIXES | PICTURE_SUFFIXES)),
        options={"HIDDEN"},
    )
    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})
    as_in_panel: bpy.props.BoolProperty(options={"HIDDEN", "SKIP_SAVE"})

    def invoke(self, context, event):
        if self.as_in_panel:
            if choices(context).footage:
                return self.execute(context)
            # The file is picked in a browser, which begins with what the panel says of the rest.
            self._fill_in(choices(context))
            self.as_in_panel = False
        if self.filepath:  # dropped on the view
            return context.window_manager.invoke_props_dialog(
                self, title=f"Capture {Path(self.filepath).name}", confirm_text="Capture"
            )
        return ImportHelper.invoke(self, context, event)

    def draw(self, context):
        layout = settings_column(self.layout)
        layout.prop(self, "quality", expand=True)
        layout.prop(self, "rotation")
        layout.prop(self, "target")
        if Path(self.filepath).suffix.lower() in PICTURE_SUFFIXES:
            # What a picture dropped on a view is otherwise for.
            reference = layout.operator("object.empty_image_add", text="Add as Reference Instead")
            reference.filepath = self.filepath

    def execute(self, context):
        asked = choices(context)
        if self.as_in_panel:
            self._fill_in(asked)
        if not self.filepath:
            self.report({"ERROR"}, "Choose footage first.")
            return {"CANCELLED"}
        footage = absolute(self.filepath)
        if not footage.exists():
            self.report({"ERROR"}, f"There is no footage at {footage}.")
            return {"CANCELLED"}
        if not self.as_in_panel:
            # What is captured now is what the panel shows, and its range was for other footage.
            asked.use_range = asked.has_lens = False
            asked.rotation = self.rotation
            asked.footage = str(footage)
        try:
            runner = find_runner(context)
            meshes = meshes_for(context, self.target)
        except (RunnerError, ApplyError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if self.take_path:
            take = absolute(self.take_path)
        else:
            take = take_beside(footage, captures.outputs)
        arguments = ("capture", str(footage), "-o", str(take), *self._arguments(asked))
        performers = tuple(mesh.name for mesh in meshes)
        outcome = _Outcome(context.scene.name, self.target, performers, self.settings())
        request = Request(
            footage.name,
            runner,
            arguments,
            take,
            read_take,
            Purpose(outcome.conclude, undo=f"Capture {footage.name}"),
        )
        return start(self, context, request)

    def _fill_in(self, asked) -> None:
        """Take over what the panel says."""
        self.filepath = asked.footage
        self.quality, self.device, self.target = asked.quality, asked.device, asked.when_done
        self.rotation = asked.rotation
        self.fill_in(asked)

    def _arguments(self, asked) -> list[str]:
        arguments = ["--quality", self.quality, "--device", self.device, *view_arguments(asked)]
        if asked.has_lens:
            arguments += ["--lens", f"{asked.lens:g}"]
        if self.as_in_panel and asked.face < len(asked.faces):
            x, y = asked.faces[asked.face].place
            arguments += ["--face", f"{x:.1f},{y:.1f}"]
        return arguments


@dataclass(frozen=True)
class _Outcome:
    """What to do when a capture is over."""

    scene: str
    target: str
    performers: tuple[str, ...]  # names of what was selected when the capture was asked for
    settings: ApplySettings

    def conclude(self, operator, context, finished: Finished) -> bool:
        """List the take in the scene it was captured for, and apply it there."""
        scene = bpy.data.scenes.get(self.scene)
        if scene is None:
            operator.report({"WARNING"}, f"{finished.output} is done; its scene is gone.")
            return False
        list_take(scene, finished.output, finished.value)
        if self.target == KEEP_ONLY[0]:
            operator.report({"INFO"}, f"{finished.output.name} is in the list of takes.")
            return True
        if scene != context.scene:
            operator.report(
                {"WARNING"}, f"{finished.output.name} is listed in {scene.name}: apply it there."
            )
            return True
        meshes = [scene.objects[name] for name in self.performers if name in scene.objects]
        if len(meshes) < len(self.performers):
            operator.report({"WARNING"}, "What was to perform the take is gone: apply it by hand.")
            return True
        take = finished.value
        return apply_to(
            operator, context, self.target, meshes, finished.output, take, self.settings
        )


class MIEN_OT_cancel(bpy.types.Operator):
    """Stop the capture that runs (Esc). Those that wait take their turn"""

    bl_idname = "mien.cancel"
    bl_label = "Cancel Capture"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if captures.is_idle:
            cls.poll_message_set("No capture is running.")
            return False
        return True

    def execute(self, context):
        captures.cancel()
        return {"FINISHED"}


class MIEN_OT_withdraw(bpy.types.Operator):
    """Take this capture out of the line"""

    bl_idname = "mien.withdraw"
    bl_label = "Withdraw Capture"
    bl_options = {"INTERNAL"}

    index: bpy.props.IntProperty(min=0)

    def execute(self, context):
        try:
            captures.withdraw(self.index)
        except IndexError:
            self.report({"WARNING"}, "That capture has begun already.")
            return {"CANCELLED"}
        return {"FINISHED"}


register, unregister = bpy.utils.register_classes_factory(
    (MIEN_OT_capture, MIEN_OT_cancel, MIEN_OT_withdraw)
)
