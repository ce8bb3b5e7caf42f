# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: answers the questions of the test outside, and watches the clock.

Started by `blender --python driver.py -- FOLDER`. A question is the file FOLDER/question.json,
{"number": n, "source": "..."}; its answer FOLDER/answer.json, {"number": n, "value": ...} or
{"number": n, "error": "..."}. The source is an expression, or statements that leave `answer`, or
that define a generator `steps`, whose values are the seconds to wait until its next step and
whose return value is the answer. It is run by a timer, so Blender lives on around it.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path

import bpy

FOLDER = Path(sys.argv[sys.argv.index("--") + 1])
QUESTION, ANSWER = FOLDER / "question.json", FOLDER / "answer.json"
MODULE = "bl_ext.user_default.mien"
LISTEN_SECONDS = 0.02
LONELY_SECONDS = 240.0  # without a question for this long, nobody is there any more


class Talk:
    """The questions and answers."""

    def __init__(self) -> None:
        self._names = {"bpy": bpy, "MODULE": MODULE, "clock": CLOCK, "parts": parts, "over": over}
        self._names.update(sidebar=sidebar, under_the_mouse=under_the_mouse, captures=captures)
        self._number = -1
        self._steps = None
        self._last_heard = time.monotonic()

    def listen(self) -> float:
        """The timer: begin, continue or wait for a question; seconds until the next time."""
        try:
            if self._steps is not None:
                return self._continue()
            if QUESTION.exists():
                question = json.loads(QUESTION.read_text(encoding="utf-8"))
                QUESTION.unlink()
                self._last_heard = time.monotonic()
                self._number = question["number"]
                return self._begin(question["source"])
        except BaseException:
            self._steps = None
            self._reply(error=traceback.format_exc())
        if time.monotonic() - self._last_heard > LONELY_SECONDS:
            os._exit(4)
        return LISTEN_SECONDS

    def _begin(self, source: str) -> float:
        try:
            code = compile(source, "<question>", "eval")
        except SyntaxError:
            names = {**self._names}
            exec(compile(source, "<question>", "exec"), names)
            if inspect.isgeneratorfunction(names.get("steps")):
                self._steps = names["steps"]()
                return 0.0
            self._reply(value=names.get("answer"))
        else:
            self._reply(value=eval(code, {**self._names}))
        return LISTEN_SECONDS

    def _continue(self) -> float:
        try:
            return next(self._steps)
        except StopIteration as end:
            self._steps = None
            self._reply(value=end.value)
            return LISTEN_SECONDS

    def _reply(self, **content) -> None:
        beside = ANSWER.with_suffix(".part")
        beside.write_text(json.dumps({"number": self._number, **content}), encoding="utf-8")
        beside.replace(ANSWER)


# --- The window's parts ------------------------------------------------------------------------


def parts():
    """The window, its largest 3D view, and that view's sidebar and drawing regions."""
    window = bpy.context.window_manager.windows[0]
    views = [area for area in window.screen.areas if area.type == "VIEW_3D"]
    view = max(views, key=lambda area: area.width * area.height)
    regions = {region.type: region for region in view.regions}
    return window, view, regions["UI"], regions["WINDOW"]


def over(region_type: str = "WINDOW"):
    """The context of a region of the 3D view."""
    window, view, ui, drawing = parts()
    region = ui if region_type == "UI" else drawing
    return bpy.context.temp_override(window=window, area=view, region=region)


def sidebar() -> list[int]:
    """Where the sidebar is in the window, in pixels from its upper left corner: x, y, w, h."""
    window, _, ui, _ = parts()
    return [ui.x, window.height - ui.y - ui.height, ui.width, ui.height]


def under_the_mouse() -> str:
    """What the mouse is over in the sidebar, as Blender knows it: an operator's call, such as
    `bpy.ops.mien.capture()`, a property's name, or nothing."""
    with over("UI"):
        if bpy.ops.ui.copy_python_command_button.poll():
            bpy.ops.ui.copy_python_command_button()
            return bpy.context.window_manager.clipboard
        # (what has it, its path, its index)
        found = getattr(bpy.context, "property", None)
        return found[1] if found else ""


def captures() -> dict:
    """What the add-on is doing: whether nothing, how far the capture has come (0 to 1 within its
    stage), and the names of those that wait."""
    line = sys.modules[MODULE + ".operators.follow"].captures
    progress = line.job.progress if line.job else None
    return {
        "idle": line.is_idle,
        "stage": progress.stage if progress else "",
        "share": progress.share if progress else 0.0,
        "waiting": list(line.waiting),
    }


# --- The clock ---------------------------------------------------------------------------------


class Clock:
    """How long Blender is kept busy: by the add-on's own code, and all in all.

    Whatever of the add-on Blender calls (a modal function, a timer, a panel's drawing, a
    property's update) is found by Python's own monitoring, wherever it was registered: a call
    lasts from the entry into a function of the add-on that no other function of the add-on has
    called, until its end. What it queued for a processor core, because other programs had them
    all, is counted apart: `ms` is without it. Independently of that, a timer of our own should
    tick all the time, and the gaps between its ticks are all that keeps Blender from answering:
    also its own drawing.
    """

    TOOL = sys.monitoring.PROFILER_ID
    TICK_SECONDS = 0.005
    LONG_SECONDS = 0.030

    def __init__(self) -> None:
        self._folder = ""
        self._thread = threading.get_ident()
        self._schedule = os.open(
            f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY
        )
        self._stack: list[tuple[str, float, tuple[int, int]]] = []
        self._parts: dict[str, list[float]] = {}
        self.calls: list[dict] = []
        self.gaps: list[float] = []
        self._last_tick: float | None = None
        self._ticker = self._tick  # Blender knows a timer by its very object

    def start(self) -> None:
        """Begin anew."""
        self._folder = str(Path(sys.modules[MODULE].__file__).parent)
        self.calls, self.gaps, self._last_tick = [], [], None
        monitoring, events = sys.monitoring, sys.monitoring.events
        heard = {
            events.PY_START: self._start,
            events.PY_RESUME: self._start,
            events.PY_RETURN: self._return,
            events.PY_YIELD: self._return,
            events.PY_THROW: self._throw,
            events.PY_UNWIND: self._unwind,
        }
        if monitoring.get_tool(self.TOOL) is None:
            monitoring.use_tool_id(self.TOOL, "mien test clock")
        for event, function in heard.items():
            monitoring.register_callback(self.TOOL, event, function)
        monitoring.restart_events()
        monitoring.set_events(self.TOOL, sum(heard))
        if not bpy.app.timers.is_registered(self._ticker):
            bpy.app.timers.register(self._ticker, persistent=True)

    def stop(self) -> dict:
        """End; what was seen: {"calls": [...], "gaps": milliseconds}."""
        sys.monitoring.set_events(self.TOOL, 0)
        if bpy.app.timers.is_registered(self._ticker):
            bpy.app.timers.unregister(self._ticker)
        self._stack.clear()
        return {"calls": self.calls, "gaps": [_ms(gap) for gap in self.gaps]}

    def _tick(self) -> float:
        now = time.perf_counter()
        if self._last_tick is not None:
            self.gaps.append(now - self._last_tick)
        self._last_tick = now
        return self.TICK_SECONDS

    def _is_ours(self, code) -> bool:
        return code.co_filename.startswith(self._folder)

    def _start(self, code, offset):
        """A function begins or goes on. Code of others is never reported here again."""
        if not self._is_ours(code):
            return sys.monitoring.DISABLE
        self._enter(code)
        return None

    def _return(self, code, offset, value):
        """A function ends or pauses."""
        if not self._is_ours(code):
            return sys.monitoring.DISABLE
        self._leave()
        return None

    def _throw(self, code, offset, error) -> None:
        """A paused function goes on with an error. (Errors cannot be switched off by place.)"""
        if self._is_ours(code):
            self._enter(code)

    def _unwind(self, code, offset, error) -> None:
        """A function ends by an error."""
        if self._is_ours(code):
            self._leave()

    def _enter(self, code) -> None:
        if threading.get_ident() == self._thread:
            name = f"{Path(code.co_filename).stem}.{code.co_qualname}"
            spent = (0, 0) if self._stack else self._spent()
            self._stack.append((name, time.perf_counter(), spent))

    def _leave(self) -> None:
        if threading.get_ident() != self._thread or not self._stack:
            return
        name, start, spent = self._stack.pop()
        seconds = time.perf_counter() - start
        if self._stack:
            part = self._parts.setdefault(name, [0, 0.0])
            part[0] += 1
            part[1] += seconds
            return
        cpu, queued = ((now - then) / 1e9 for now, then in zip(self._spent(), spent))
        call = {"name": name, "at": start, "ms": _ms(seconds - queued)}
        call |= {"cpu_ms": _ms(cpu), "queued_ms": _ms(queued)}
        if seconds > self.LONG_SECONDS:
            call["parts"] = [
                {"name": part, "times": times, "ms": _ms(whole)}
                for part, (times, whole) in sorted(self._parts.items(), key=lambda p: -p[1][1])
                if whole > 0.001
            ]
        self._parts = {}
        self.calls.append(call)

    def _spent(self) -> tuple[int, int]:
        """Nanoseconds this thread has had a processor, and has queued for one."""
        cpu, queued, _ = os.pread(self._schedule, 64, 0).split()
        return int(cpu), int(queued)


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 2)


CLOCK = Clock()


def main() -> None:
    preferences = bpy.context.preferences
    preferences.view.show_splash = False
    preferences.view.smooth_view = 0
    preferences.view.use_save_prompt = False
    bpy.app.timers.register(Talk().listen, persistent=True)


main()
