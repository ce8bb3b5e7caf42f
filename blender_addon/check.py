# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's self-check, as a job: what it finds on this machine. No bpy."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .job import POLL_SECONDS, Failed, Finished, Job
from .runner import Runner, RunnerError

# It takes some 5 s; packages on a cold disk, or a graphics card's first use, far more.
TIMEOUT_SECONDS = 180.0


@dataclass(frozen=True)
class Found:
    """What the self-check says of a runner that works."""

    mien: str
    python: str
    device: str
    devices: tuple[str, ...]
    packages: dict[str, str]
    network_ms: float  # for one face
    seconds: float


class Check:
    """A self-check under way, started by creating it; `poll` never waits, `wait` does."""

    def __init__(self, runner: Runner, timeout: float = TIMEOUT_SECONDS):
        self._runner, self._timeout = runner, timeout
        self._end = time.monotonic() + timeout
        self._job = Job(runner, ["check"])

    def poll(self) -> Found | None:
        """What was found, or None as long as the check runs.

        Raises:
            RunnerError: the runner does not work, or not in time; the message says so.
        """
        for message in self._job.poll():
            if isinstance(message, Finished):
                return self._understand(message.result)
            if isinstance(message, Failed):
                raise RunnerError(message.message)
        if time.monotonic() > self._end:
            self._job.cancel()
            raise RunnerError(f"{self._runner.python} gave no answer in {self._timeout:.0f} s.")
        return None

    def wait(self) -> Found:
        """What was found, when it is. Raises as `poll` does."""
        while (found := self.poll()) is None:
            time.sleep(POLL_SECONDS)
        return found

    def end(self) -> None:
        """Stop it, if it still runs."""
        self._job.cancel()

    def _understand(self, result: dict) -> Found:
        try:
            packages = result["packages"].items()
            return Found(
                mien=str(result["mien"]),
                python=str(result["python"]),
                device=str(result["device"]),
                devices=tuple(map(str, result["devices"])),
                packages={str(name): str(version) for name, version in packages},
                network_ms=float(result["network_ms"]),
                seconds=float(result["seconds"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RunnerError(
                f"The runner at {self._runner.folder} is of another version than the add-on: "
                "install both again."
            ) from error
