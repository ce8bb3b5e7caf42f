# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the runner: a process of its own, started, followed and ended. No bpy.

The runner prints one JSON object a line. A thread turns the lines into messages, and whoever
started the job collects them with `poll`, from a timer or a loop, without ever waiting.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Sequence

from .runner import Runner

# How often its messages are best collected: smooth for the eye, nothing for the processor.
POLL_SECONDS = 0.1
# How long the runner may take to end by itself after Cancel before it is killed.
GRACE_SECONDS = 5.0
# Lines of the runner's own words kept for the error report.
REPORT_LINES = 200
# A stage younger than this says nothing yet about how long it will take.
SETTLING_SECONDS = 1.0

STARTING, CANCELLING = "starting", "cancelling"


@dataclass(frozen=True)
class Progress:
    """The work has come this far within its stage; total is 0 where the end is not known."""

    stage: str
    done: int = 0
    total: int = 0
    seconds_left: float | None = None  # of this stage; None where nothing can be said yet

    @property
    def share(self) -> float:
        return min(1.0, max(0.0, self.done / self.total)) if self.total > 0 else 0.0


@dataclass(frozen=True)
class Notice:
    """Something the person should know; the work goes on."""

    message: str


@dataclass(frozen=True)
class Finished:
    """The last message of a job that did what it was to do."""

    output: Path | None
    result: dict = field(default_factory=dict)  # the runner's own words about it
    value: object = None  # what `digest` made of the output


@dataclass(frozen=True)
class Failed:
    """The last message of a job that did not; `report` holds all the runner said."""

    message: str
    report: str


@dataclass(frozen=True)
class Cancelled:
    """The last message of a job that was told to stop."""


Message = Progress | Notice | Finished | Failed | Cancelled


class Job:
    """One run. `poll` gives what happened since the last call; the last message of a job is
    always one of `Finished`, `Failed` and `Cancelled`, and it comes once."""

    def __init__(
        self,
        runner: Runner,
        arguments: Sequence[str],
        output: Path | None = None,
        digest: Callable[[Path], object] | None = None,
    ):
        """Start the runner; where it cannot be started, the job fails.

        Args:
            arguments: the runner's command line. The process has another working directory, so
                paths in it must be absolute.
            output: the file it is to write; None where its result says all.
            digest: called with the output by a thread of the job, so that reading it keeps nobody
                waiting; it must not touch bpy. A ValueError of it is the job's failure.
        """
        self.progress = Progress(STARTING)
        self._output, self._digest = output, digest
        # The stage that runs, and when and at which step it was first heard of.
        self._stage, self._stage_start, self._stage_done = STARTING, time.monotonic(), 0
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._spoken: deque[str] = deque(maxlen=REPORT_LINES)
        self._error = ""
        self._result: dict | None = None
        self._is_cancelled = False
        self._is_over = False
        self._process: subprocess.Popen | None = None
        self._start_lock = threading.Lock()
        command = runner.command(*arguments, "--json-events")
        threading.Thread(
            target=self._run, args=(runner, command), name="mien-events", daemon=True
        ).start()

    @property
    def is_over(self) -> bool:
        """Whether `poll` has handed out the last message."""
        return self._is_over

    def poll(self) -> list[Message]:
        """The messages since the last call, oldest first. Never waits."""
        messages = []
        while not self._messages.empty():
            messages.append(self._messages.get())
            if isinstance(messages[-1], Progress) and not self._is_cancelled:
                self.progress = messages[-1]
        if messages and isinstance(messages[-1], (Finished, Failed, Cancelled)):
            self._is_over = True
        return messages

    def cancel(self) -> None:
        """Tell the process to end, and kill it if it does not. Returns at once."""
        with self._start_lock:
            process = self._process
            if self._is_cancelled or (process is not None and process.poll() is not None):
                return
            self._is_cancelled = True
        self.progress = Progress(CANCELLING)
        if process is not None:
            self._stop()

    def _run(self, runner: Runner, command: list[str]) -> None:
        """Start the process and listen to it. A busy machine takes a twentieth of a second for
        the start alone, so it is not done where Blender would wait for it."""
        try:
            process = subprocess.Popen(
                command,
                # Stays open as long as Blender lives: the runner ends when it closes.
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **runner.settings(),
            )
        except OSError as error:
            message = f"{runner.python} does not start: {error.strerror}."
            self._messages.put(Failed(message, report=""))
            return
        with self._start_lock:
            self._process = process
            is_cancelled = self._is_cancelled
        self._keeper = threading.Thread(target=self._keep_words, name="mien-words", daemon=True)
        self._keeper.start()
        if is_cancelled:
            self._stop()
        self._listen()

    def _stop(self) -> None:
        self._close_stdin()
        if os.name == "posix":
            # On Windows terminate() kills at once; there the closed stdin is the signal to end.
            self._process.terminate()
        threading.Thread(target=self._end, name="mien-end", daemon=True).start()

    def _listen(self) -> None:
        for line in self._process.stdout:
            self._take_line(line)
        self._process.wait()
        self._keeper.join()
        self._close_stdin()
        self._messages.put(self._last_message(self._process.returncode))

    def _take_line(self, line: str) -> None:
        """Queue what a line of stdout says; keep what is no event for the report."""
        try:
            event = json.loads(line)
            message = self._understand(event)
        except (ValueError, TypeError, KeyError, AttributeError):
            self._spoken.append(line.rstrip())
            return
        if message is not None:
            self._messages.put(message)

    def _understand(self, event: dict) -> Message | None:
        kind = event.get("event")
        if kind == "progress":
            return self._progress(event)
        if kind == "warning":
            return Notice(str(event["message"]))
        if kind == "error":
            self._error = str(event["message"])
        elif kind == "result":
            self._result = event
        else:
            raise ValueError(f"unknown event {kind}")
        return None

    def _progress(self, event: dict) -> Progress:
        stage, done, total = str(event["stage"]), int(event["done"]), int(event.get("total") or 0)
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._stage_start, self._stage_done = stage, now, done
        elapsed, steps = now - self._stage_start, done - self._stage_done
        left = None
        if steps > 0 and total >= done and elapsed > SETTLING_SECONDS:
            left = elapsed / steps * (total - done)
        return Progress(stage, done, total, left)

    def _last_message(self, exit_code: int) -> Message:
        is_there = self._output is None or self._output.is_file()
        if exit_code == 0 and self._result is not None and is_there:
            try:
                value = self._digest(self._output) if self._digest else None
            except ValueError as error:
                return Failed(str(error), report="\n".join(self._spoken))
            return Finished(self._output, self._result, value)
        if self._is_cancelled:
            return Cancelled()
        last_words = next((line for line in reversed(self._spoken) if line.strip()), "")
        message = self._error or (
            f"The runner broke off with exit code {exit_code}"
            + (f": {last_words.strip()}" if last_words else ".")
        )
        return Failed(message, report="\n".join(self._spoken))

    def _keep_words(self) -> None:
        for line in self._process.stderr:
            self._spoken.append(line.rstrip())

    def _end(self) -> None:
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _close_stdin(self) -> None:
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            # The process has gone already, which is all that closing is for.
            return
