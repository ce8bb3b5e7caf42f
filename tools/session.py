# SPDX-License-Identifier: GPL-3.0-or-later
"""Running commands for build.py: their output in logs, their failures in one sentence."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out"

HEARTBEAT_SECONDS = 15.0  # a silent command says that it is still at work this often
TERMINATE_SECONDS = 5.0  # a stopped command has this long to clean up
LOG_TAIL_LINES = 25  # of a failed command's output, shown
LAST_LINE_BYTES = 4096  # looked at for a command's last line, which is shorter
WORDS_SHOWN = 60  # characters of a command's last line shown while it works


class Failure(Exception):
    """Ends the build. The message is one sentence that says what to do."""


class Session:
    """One run of this script: its clock, its lines on the screen, the commands it has started."""

    def __init__(self, log_folder: Path = OUT / "log") -> None:
        self._log_folder = log_folder
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen] = set()
        self._stopped = False

    def say(self, label: str, text: str) -> None:
        with self._lock:
            print(f"{time.monotonic() - self._start:6.1f} s  {label:<8} {text}", flush=True)

    def run(
        self,
        label: str,
        command: Sequence[str | Path],
        advice: str | Callable[[str], str],
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Runs a command in the repository root, its output in a log, and returns that output.

        Raises Failure with `advice` (a sentence, or a function from the output to a sentence) after
        showing the end of the output, when the command exits with anything but 0.
        """
        self._log_folder.mkdir(parents=True, exist_ok=True)
        log_path = self._log_folder / f"{label.replace(' ', '-')}.log"
        with log_path.open("wb") as log:
            process = self._start_process(
                command, environment, stdout=log, stderr=subprocess.STDOUT
            )
            code = self._wait(process, label, log_path)
        output = log_path.read_text(encoding="utf-8", errors="replace")
        if code:
            if self._stopped:
                raise Failure("Stopped, because another step failed.")
            tail = "\n".join(output.splitlines()[-LOG_TAIL_LINES:])
            self.say(label, f"failed with exit code {code}; the end of {log_path}:\n{tail}")
            raise Failure(advice if isinstance(advice, str) else advice(output))
        return output

    def show(
        self, command: Sequence[str | Path], environment: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Runs a command with its output on the screen; returns its exit code and last line."""
        process = self._start_process(
            command, environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        end = b""
        with process.stdout:
            for chunk in iter(process.stdout.read1, b""):
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
                end = (end + chunk)[-LAST_LINE_BYTES:]
        return self._wait(process), last_line(end)

    def in_parallel(self, *tasks: Callable[[], None]) -> None:
        """Runs tasks at the same time. The first to fail stops the others, and is raised."""
        with concurrent.futures.ThreadPoolExecutor(len(tasks)) as pool:
            futures = [pool.submit(task) for task in tasks]
            try:
                for future in concurrent.futures.as_completed(futures):
                    future.result()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Ends every command still running and lets no further one start."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.terminate()
        for process in running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(TERMINATE_SECONDS)
                continue
            process.kill()

    def _start_process(self, command, environment, **streams) -> subprocess.Popen:
        with self._lock:
            if self._stopped:
                raise Failure("Stopped, because another step failed.")
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=ROOT,
                env=child_environment(environment or {}),
                stdin=subprocess.DEVNULL,
                **streams,
            )
            self._running.add(process)
            return process

    def _wait(
        self, process: subprocess.Popen, label: str = "", log_path: Path | None = None
    ) -> int:
        """Waits for the exit code; with a log, says now and then how far the command has come."""
        start = time.monotonic()
        try:
            while True:
                try:
                    return process.wait(HEARTBEAT_SECONDS if log_path else None)
                except subprocess.TimeoutExpired:
                    words = last_line(log_path.read_bytes()[-LAST_LINE_BYTES:])
                    seconds = time.monotonic() - start
                    self.say(label, f"... at work for {seconds:.0f} s   {words[:WORDS_SHOWN]}")
        finally:
            with self._lock:
                self._running.discard(process)


def last_line(output: bytes) -> str:
    """The last line with words in it; a progress bar's carriage returns end lines too."""
    lines = output.decode("utf-8", errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def child_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command: ours, without what would lead a venv's Python elsewhere."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")
    }
    environment.update(PYTHONUTF8="1", PYTHONUNBUFFERED="1")
    environment.update(PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_NO_INPUT="1")
    environment.update(changes)
    return environment
