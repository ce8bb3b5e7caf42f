# SPDX-License-Identifier: GPL-3.0-or-later
"""Following the runner's jobs from Blender: a modal operator in a window, a loop without one.

Jobs talk through threads; Blender is touched only here, from its main thread. What is to be done
with a job's outcome travels with its request as a `Purpose`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Callable

import bpy

from ..captures import Captures, Request, is_last
from ..job import POLL_SECONDS, Cancelled, Failed, Finished, Notice
from ..layout import redraw

REPORT_NAME = "Mien error report"


@dataclass(frozen=True)
class Purpose:
    """What a job is for.

    Attributes:
        conclude: called in Blender's main thread with the operator, the context and the job's
            `Finished`; whether it did what was asked, which it has reported itself if not.
        undo: the name of the step of undo that this makes.
    """

    conclude: Callable[[bpy.types.Operator, bpy.types.Context, Finished], bool]
    undo: str


captures = Captures()


class MIEN_OT_follow(bpy.types.Operator):
    """Collect what running captures say, until all are done"""

    bl_idname = "mien.follow"
    bl_label = "Follow Captures"
    bl_options = {"INTERNAL"}

    # Of the class: there is one follower at a time, and the add-on may be disabled under it.
    timer: bpy.types.Timer | None = None

    def execute(self, context):
        manager = context.window_manager
        MIEN_OT_follow.timer = manager.event_timer_add(POLL_SECONDS, window=context.window)
        manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if event.type == "ESC" and event.value == "PRESS" and captures.job is not None:
            captures.cancel()
            return {"RUNNING_MODAL"}
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        for request, message in captures.poll():
            if conclude(self, context, request, message):
                bpy.ops.ed.undo_push(message=request.purpose.undo)
        redraw_panels()
        if captures.is_idle:
            remove_timer(context)
            return {"FINISHED"}
        return {"PASS_THROUGH"}

    def cancel(self, context):
        """Blender ends the operator: it quits, or opens another file."""
        captures.cancel_all()
        remove_timer(context)


def remove_timer(context: bpy.types.Context) -> None:
    """Let no timer tick for a follower that is gone."""
    if MIEN_OT_follow.timer is not None:
        context.window_manager.event_timer_remove(MIEN_OT_follow.timer)
        MIEN_OT_follow.timer = None


def start(operator: bpy.types.Operator, context: bpy.types.Context, request: Request) -> set[str]:
    """Have a request done: its turn comes by itself in a window; without one, wait for it here."""
    try:
        captures.ask(request)
    except ValueError as error:
        operator.report({"ERROR"}, str(error))
        return {"CANCELLED"}
    if bpy.app.background:
        return _wait(operator, context)
    if MIEN_OT_follow.timer is None:
        bpy.ops.mien.follow()
    return {"FINISHED"}


def _wait(operator: bpy.types.Operator, context: bpy.types.Context) -> set[str]:
    """Without a window no timer ever fires: follow the job from here until it ends."""
    try:
        while True:
            for request, message in captures.poll():
                done = conclude(operator, context, request, message)
                if is_last(message):
                    return {"FINISHED"} if done else {"CANCELLED"}
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        captures.cancel_all()
        raise


def conclude(operator, context, request: Request, message) -> bool:
    """Act on one message of a job; whether the request is now done as it was asked."""
    if isinstance(message, Notice):
        operator.report({"WARNING"}, message.message)
    elif isinstance(message, Cancelled):
        operator.report({"INFO"}, f"{request.title}: cancelled.")
    elif isinstance(message, Failed):
        _keep_report(message)
        operator.report({"ERROR"}, message.message)
    elif isinstance(message, Finished):
        return request.purpose.conclude(operator, context, message)
    return False


def _keep_report(failure: Failed) -> None:
    """Leave all the runner said in a text block, for whoever has to find the cause."""
    text = bpy.data.texts.get(REPORT_NAME) or bpy.data.texts.new(REPORT_NAME)
    text.clear()
    text.write(f"{failure.message}\n\n{failure.report}\n")


def redraw_panels() -> None:
    """Have every sidebar of a 3D view drawn anew."""
    redraw("VIEW_3D", "UI")


_register_classes, _unregister_classes = bpy.utils.register_classes_factory((MIEN_OT_follow,))


def register():
    _register_classes()


def unregister():
    captures.cancel_all()
    remove_timer(bpy.context)
    _unregister_classes()
