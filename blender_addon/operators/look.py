# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at the footage: a picture of its first frame, and the faces to choose from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import thumbnails
from ..job import POLL_SECONDS, Failed, Finished, Job
from ..preferences import find_runner
from ..properties import MienScene, choices
from ..runner import RunnerError
from .follow import redraw_panels
from .paths import absolute

# A path that is being typed, or a turn that is clicked through, should settle first.
SETTLE_SECONDS = 0.2


@dataclass
class _Look:
    """The look at one scene's footage: under way, or how it ended."""

    scene: str
    job: Job | None = None
    message: str = ""


# The last look that was asked for. Another one ends it: nobody waits for the old answer.
_look = _Look("")


def is_looking(scene: bpy.types.Scene) -> bool:
    """Whether the footage of a scene is being looked at."""
    return _look.scene == scene.name and _look.job is not None


def complaint(scene: bpy.types.Scene) -> str:
    """Why the last look at a scene's footage failed; empty if it did not."""
    return _look.message if _look.scene == scene.name else ""


class MIEN_OT_look(bpy.types.Operator):
    """Show the first frame of the footage, and find the faces in it"""

    bl_idname = "mien.look"
    bl_label = "Find Faces"

    @classmethod
    def poll(cls, context):
        if not choices(context).footage:
            cls.poll_message_set("Choose footage first.")
            return False
        return True

    def execute(self, context):
        _start(context.scene)
        if bpy.app.background:
            while _collect() is not None:
                time.sleep(POLL_SECONDS)
        if complaint(context.scene):
            self.report({"ERROR"}, complaint(context.scene))
            return {"CANCELLED"}
        return {"FINISHED"}


class MIEN_OT_pick_face(bpy.types.Operator):
    """Follow this face"""

    bl_idname = "mien.pick_face"
    bl_label = "Pick Face"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    face: bpy.props.IntProperty(name="Face", min=0)

    def execute(self, context):
        if self.face >= len(choices(context).faces):
            self.report({"ERROR"}, f"There is no face {self.face + 1} in the picture.")
            return {"CANCELLED"}
        choices(context).face = self.face
        return {"FINISHED"}


def look_soon(asked: MienScene) -> None:
    """Look at a scene's footage in a moment, if there is a window to show it in."""
    end_look()
    thumbnails.forget(asked.id_data.name)
    if bpy.app.background or not asked.footage:
        return
    _look.scene = asked.id_data.name
    if not bpy.app.timers.is_registered(_start_soon):
        bpy.app.timers.register(_start_soon, first_interval=SETTLE_SECONDS)


def end_look() -> None:
    """Stop the look that is under way, if one is."""
    global _look
    if _look.job is not None:
        _look.job.cancel()
    _look = _Look("")


def _start_soon() -> None:
    scene = bpy.data.scenes.get(_look.scene)
    if scene is not None:
        _start(scene)


def _start(scene: bpy.types.Scene) -> None:
    global _look
    end_look()
    _look = _Look(scene.name)
    asked = scene.mien
    footage = absolute(asked.footage)
    if not footage.exists():
        _look.message = f"There is no footage at {footage}."
        return
    # A temporary folder of this Blender, which it empties when it quits.
    picture = Path(bpy.app.tempdir) / "mien-look.png"
    picture.unlink(missing_ok=True)
    arguments = ["preview", str(footage), "--picture", str(picture), *view_arguments(asked)]
    try:
        _look.job = Job(find_runner(bpy.context), arguments, picture)
    except RunnerError as error:
        _look.message = str(error)
        return
    if not bpy.app.background:
        # Opening another file must not leave a look that nobody ends.
        bpy.app.timers.register(_collect, first_interval=POLL_SECONDS, persistent=True)


def view_arguments(asked: MienScene) -> list[str]:
    """The runner's words for which part of the footage is meant, and how it is turned."""
    arguments = ["--rotate", asked.rotation] if asked.rotation != "0" else []
    if asked.use_range:
        # People count frames from one and mean the last one too.
        first = asked.first_frame - 1
        arguments += ["--frames", f"{first}:{max(asked.last_frame, asked.first_frame)}"]
    if absolute(asked.footage).is_dir():
        arguments += ["--fps", f"{asked.picture_rate:g}"]
    return arguments


def _collect() -> float | None:
    """Hear what the look has found; seconds until the next time, None when it is over."""
    if _look.job is None:
        return None
    for message in _look.job.poll():
        if isinstance(message, Finished):
            _keep(message)
        elif isinstance(message, Failed):
            _look.message = message.message
    over = _look.job.is_over
    if over:
        _look.job = None
    redraw_panels()
    return None if over else POLL_SECONDS


def _keep(finished: Finished) -> None:
    """Let the scene know what its footage is, and show it."""
    scene = bpy.data.scenes.get(_look.scene)
    if scene is None:
        return
    asked, seen = scene.mien, finished.result
    asked.faces.clear()
    for found in seen["faces"]:
        asked.faces.add().place = found["place"]
    asked.face = min(asked.face, max(0, len(asked.faces) - 1))
    asked.footage_frames = seen["frames"] or 0
    asked.footage_size = seen["width"], seen["height"]
    asked.footage_rate = seen["rate"][0] / seen["rate"][1]
    if not asked.use_range and asked.footage_frames:
        asked.first_frame, asked.last_frame = 1, asked.footage_frames
    thumbnails.show(scene.name, finished.output)


_register_classes, _unregister_classes = bpy.utils.register_classes_factory(
    (MIEN_OT_look, MIEN_OT_pick_face)
)


def register():
    _register_classes()


def unregister():
    end_look()
    for timer in (_start_soon, _collect):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    _unregister_classes()
