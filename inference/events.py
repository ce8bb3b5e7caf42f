# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run tells the outside while it works, and how the outside ends it.

With JSON events, one object a line goes to stdout and nothing else::

    {"event": "progress", "stage": "track", "done": 40, "total": 120}
    {"event": "warning", "message": "..."}
    {"event": "result", "path": "...", ...}
    {"event": "error", "message": "...", "exit_code": 3}

``total`` is null where the length is not known. Without them a person sees a progress bar and
sentences on stderr, and the result on stdout.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO

from inference.errors import Terminated

if TYPE_CHECKING:
    from tqdm import tqdm

PROGRESS_INTERVAL = 0.1
"""Seconds between two progress events of a stage: smooth to the eye, and no load for a reader."""


MODESTY = 5
"""Which of 19 steps down in the system's queue: Blender draws smoothly, and the work goes on."""


class Events:
    """Reports to a person: a bar on stderr, the result on stdout."""

    def __init__(self, output: TextIO | None = None, log: TextIO | None = None) -> None:
        self._output = output or sys.stdout
        self._log = log or sys.stderr
        self._bar: tqdm | None = None

    def progress(self, stage: str, done: int, total: int | None) -> None:
        """Stage ``stage`` has finished ``done`` of ``total`` steps (None: length not known)."""
        if self._bar is None or self._bar.desc.rstrip(": ") != stage:
            # Only now: errors are told even where packages are missing.
            from tqdm import tqdm

            self.close()
            self._bar = tqdm(total=total, desc=stage, file=self._log, leave=False)
        self._bar.update(done - self._bar.n)

    def warning(self, message: str) -> None:
        self.close()
        print(f"warning: {message}", file=self._log)

    def error(self, message: str, exit_code: int) -> None:
        self.close()
        print(f"error: {message}", file=self._log)

    def result(self, summary: str, **values: object) -> None:
        """The run is done. ``values`` must be JSON types; a person reads ``summary``."""
        self.close()
        print(summary, file=self._output)

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class JsonEvents(Events):
    """Reports to a program: one JSON object a line on stdout."""

    def __init__(self, output: TextIO | None = None) -> None:
        super().__init__(output)
        self._stage: str | None = None
        self._last_progress = 0.0

    def progress(self, stage: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        due = now - self._last_progress >= PROGRESS_INTERVAL
        if due or stage != self._stage or done == total:
            self._stage, self._last_progress = stage, now
            self._emit("progress", stage=stage, done=done, total=total)

    def warning(self, message: str) -> None:
        self._emit("warning", message=message)

    def error(self, message: str, exit_code: int) -> None:
        self._emit("error", message=message, exit_code=exit_code)

    def result(self, summary: str, **values: object) -> None:
        self._emit("result", **values)

    def _emit(self, event: str, **values: object) -> None:
        print(json.dumps({"event": event, **values}), file=self._output, flush=True)


def terminate_cleanly() -> None:
    """Turn SIGTERM into :class:`Terminated` in the main thread, so that clean-up code runs."""

    def raise_terminated(signal_number: int, frame: object) -> None:
        raise Terminated

    signal.signal(signal.SIGTERM, raise_terminated)


def give_way() -> None:
    """Let the program that started this process have the processor first.

    On Windows, where a process is given its priority when it is made, that program sees to it.
    """
    if hasattr(os, "nice"):
        os.nice(max(0, MODESTY - os.nice(0)))


def end_with_parent() -> None:
    """End this process (as SIGTERM does) when the program at the other end of stdin is gone.

    Only a pipe or a socket has another end: a terminal, a file or the null device is left alone.
    """
    try:
        kind = os.fstat(0).st_mode
    except OSError:
        return
    if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
        threading.Thread(target=_terminate_at_end_of_stdin, daemon=True).start()


def _terminate_at_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    signal.raise_signal(signal.SIGTERM)
