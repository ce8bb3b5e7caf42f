# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators: capture footage, cancel, import a take, add a head, reset its shapes.

The work is done elsewhere.
"""

from __future__ import annotations

import time
from pathlib import Path

import bpy
from bpy_extras.io_utils import ImportHelper

from . import job as capture
from .footage import MOVIE_SUFFIXES, PICTURE_SUFFIXES
from .heads import head_of, reset_shapes
from .preferences import find_runner
from .properties import choices
from .runner import RunnerError
from .scene.character import add_posable_head
from .scene.importer import ImportSettings, import_take
from .take import TakeError, read_take

TAKE_SUFFIX = ".mien.npz"
# Made by `build.py package`, so it is there in every installed extension.
DEFAULT_HEAD = Path(__file__).parent / "assets/default_head.mien.npz"
DEFAULT_NAME = "Mien"
REPORT_NAME = "Mien error report"

# How often messages are collected: smooth for the eye, nothing for the processor.
POLL_SECONDS = 0.1

# The capture that runs, if one does. One at a time: they would only slow one another down.
_running: capture.Job | None = None


def running_job() -> capture.Job | None:
    """The capture that runs, for the panel to show."""
    return _running


class MIEN_OT_capture(bpy.types.Operator, ImportHelper):
    """Capture the face in a video or picture, and import the take"""

    bl_idname = "mien.capture"
    bl_label = "Capture"
    # Not REGISTER: its panel would capture anew at every change of an option.
    bl_options = {"UNDO"}

    filter_glob: bpy.props.StringProperty(
        default=";".join(f"*{suffix}" for suffix in sorted(MOVIE_SUFFIXES | PICTURE_SUFFIXES)),
        options={"HIDDEN"},
    )
    take_path: bpy.props.StringProperty(
        name="Take",
        description="Where the take is written. Empty: beside the footage",
        subtype="FILE_PATH",
        options={"SKIP_SAVE"},
    )

    _job: capture.Job | None = None
    _timer: bpy.types.Timer | None = None

    @classmethod
    def poll(cls, context):
        if _running is not None:
            cls.poll_message_set("A capture is running.")
            return False
        return True

    def invoke(self, context, event):
        # With footage named (dropped on the view, or in the panel) there is nothing to pick.
        self.filepath = self.filepath or bpy.path.abspath(choices(context).footage)
        if self.filepath and Path(self.filepath).exists():
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)

    def execute(self, context):
        footage = Path(bpy.path.abspath(self.filepath))
        try:
            self._start(context, footage)
        except RunnerError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if bpy.app.background:
            return self._wait(context)
        manager = context.window_manager
        self._timer = manager.event_timer_add(POLL_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC" and event.value == "PRESS":
            self._job.cancel()
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        outcome = self._collect(context)
        _redraw_panels(context)
        return outcome or {"PASS_THROUGH"}

    def cancel(self, context):
        """Blender ends the operator: it quits, or another file is opened."""
        if self._job is not None:
            self._job.cancel()
            self._close(context)

    def _start(self, context, footage: Path) -> None:
        global _running
        if not footage.exists():
            raise RunnerError(f"There is no footage at {footage}.")
        take = Path(bpy.path.abspath(self.take_path)) if self.take_path else take_beside(footage)
        options = ("--quality", choices(context).quality)
        self._job = _running = capture.Job(find_runner(context), footage, take, options)
        choices(context).footage = str(footage)

    def _wait(self, context):
        """Without a window no timer ever fires: follow the job from here until it ends."""
        try:
            while True:
                outcome = self._collect(context)
                if outcome:
                    return outcome
                time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            self.cancel(context)
            raise

    def _collect(self, context) -> set[str] | None:
        """Act on the job's messages; the operator's outcome once the job is over."""
        for message in self._job.poll():
            if isinstance(message, capture.Notice):
                self.report({"WARNING"}, message.message)
            elif not isinstance(message, capture.Progress):
                self._close(context)
                return self._conclude(context, message)
        return None

    def _conclude(self, context, message: capture.Message) -> set[str]:
        if isinstance(message, capture.Finished):
            return _import(self, context, message.take)
        if isinstance(message, capture.Failed):
            _keep_report(message)
            self.report({"ERROR"}, message.message)
        else:
            self.report({"INFO"}, "Capture cancelled.")
        return {"CANCELLED"}

    def _close(self, context) -> None:
        global _running
        _running = None
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None


class MIEN_OT_cancel(bpy.types.Operator):
    """End the capture that is running"""

    bl_idname = "mien.cancel"
    bl_label = "Cancel Capture"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        return _running is not None

    def execute(self, context):
        _running.cancel()
        return {"FINISHED"}


class MIEN_OT_import_take(bpy.types.Operator, ImportHelper):
    """Bring a take's head, animation, camera and footage into the scene"""

    bl_idname = "mien.import_take"
    bl_label = "Import Take"
    bl_options = {"REGISTER", "UNDO"}

    filename_ext = ".npz"
    filter_glob: bpy.props.StringProperty(default="*.npz", options={"HIDDEN"})

    def invoke(self, context, event):
        if self.filepath.endswith(".npz") and Path(self.filepath).is_file():
            return self.execute(context)
        return ImportHelper.invoke(self, context, event)

    def execute(self, context):
        return _import(self, context, Path(bpy.path.abspath(self.filepath)))


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


class MIEN_FH_take(bpy.types.FileHandler):
    bl_idname = "MIEN_FH_take"
    bl_label = "Mien take"
    bl_import_operator = MIEN_OT_import_take.bl_idname
    bl_file_extensions = ".npz"

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


class MIEN_FH_footage(bpy.types.FileHandler):
    bl_idname = "MIEN_FH_footage"
    bl_label = "Footage for Mien"
    bl_import_operator = MIEN_OT_capture.bl_idname
    bl_file_extensions = ";".join(sorted(MOVIE_SUFFIXES))

    @classmethod
    def poll_drop(cls, context):
        return context.area is not None and context.area.type == "VIEW_3D"


def take_beside(footage: Path) -> Path:
    """Where the take of some footage goes: the same folder, the same name."""
    name = footage.name if footage.is_dir() else footage.stem
    return footage.parent / f"{name}{TAKE_SUFFIX}"


def take_name(path: Path) -> str:
    """What a take is called in the scene."""
    return path.name.removesuffix(".npz").removesuffix(".mien")


def _import(operator: bpy.types.Operator, context: bpy.types.Context, path: Path) -> set[str]:
    settings = ImportSettings(set_frame_rate=choices(context).set_frame_rate)
    try:
        take = read_take(path)
    except TakeError as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    imported = import_take(context, take, take_name(path), settings, beside=path.parent)
    for warning in imported.warnings:
        operator.report({"WARNING"}, warning)
    operator.report({"INFO"}, f"Imported {len(imported.performance.frame)} frames of {path.name}.")
    return {"FINISHED"}


def _keep_report(failure: capture.Failed) -> None:
    """Leave all the runner said in a text block, for whoever has to find the cause."""
    text = bpy.data.texts.get(REPORT_NAME) or bpy.data.texts.new(REPORT_NAME)
    text.clear()
    text.write(f"{failure.message}\n\n{failure.report}\n")


def _redraw_panels(context: bpy.types.Context) -> None:
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                area.tag_redraw()


_CLASSES = (
    MIEN_OT_capture,
    MIEN_OT_cancel,
    MIEN_OT_import_take,
    MIEN_OT_add_head,
    MIEN_OT_reset_shapes,
    MIEN_FH_take,
    MIEN_FH_footage,
)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(_CLASSES)


def _draw_in_add_menu(self, context):
    self.layout.operator(MIEN_OT_add_head.bl_idname, icon="USER")


def register():
    _register_classes()
    bpy.types.VIEW3D_MT_mesh_add.append(_draw_in_add_menu)


def unregister():
    global _running
    if _running is not None:
        _running.cancel()
        _running = None
    bpy.types.VIEW3D_MT_mesh_add.remove(_draw_in_add_menu)
    _unregister_classes()
