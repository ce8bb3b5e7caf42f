# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner is asked to do: one job runs, the others wait for their turn. No bpy."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .job import Cancelled, Failed, Finished, Job, Message
from .runner import Runner


@dataclass(frozen=True)
class Request:
    """One job to be done.

    Attributes:
        title: what the person calls it.
        arguments: the runner's command line; paths in it are absolute.
        output: the file it is to write.
        digest: see `Job`.
        purpose: whatever the asker needs when the job is over.
    """

    title: str
    runner: Runner
    arguments: tuple[str, ...]
    output: Path
    digest: Callable[[Path], object] | None = None
    purpose: object = None


class Captures:
    """The jobs of one Blender, done one after the other: together they would only be slower."""

    def __init__(self) -> None:
        self._job: Job | None = None
        self._request: Request | None = None
        self._waiting: deque[Request] = deque()

    @property
    def job(self) -> Job | None:
        """The job that runs."""
        return self._job

    @property
    def title(self) -> str:
        """What runs; empty if nothing does."""
        return self._request.title if self._request else ""

    @property
    def waiting(self) -> tuple[str, ...]:
        """The titles of what waits, the next one first."""
        return tuple(request.title for request in self._waiting)

    @property
    def is_idle(self) -> bool:
        return self._request is None and not self._waiting

    @property
    def outputs(self) -> set[Path]:
        """The files that are being written, or will be."""
        requests = (self._request, *self._waiting)
        return {request.output for request in requests if request is not None}

    def ask(self, request: Request) -> None:
        """Put a request at the end of the line.

        Raises:
            ValueError: a request that writes the same file is not done yet.
        """
        if request.output in self.outputs:
            raise ValueError(f"{request.output.name} is being written already.")
        self._waiting.append(request)

    def poll(self) -> list[tuple[Request, Message]]:
        """What happened since the last call. Starts the next job when one is over. Never waits."""
        heard: list[tuple[Request, Message]] = []
        if self._request is None and self._waiting:
            self._request = request = self._waiting.popleft()
            self._job = Job(request.runner, request.arguments, request.output, request.digest)
        if self._job is not None:
            heard += [(self._request, message) for message in self._job.poll()]
            if self._job.is_over:
                self._job = self._request = None
        return heard

    def cancel(self) -> None:
        """Stop the job that runs; the next one takes its turn."""
        if self._job is not None:
            self._job.cancel()

    def withdraw(self, index: int) -> None:
        """Take back a request that waits.

        Raises:
            IndexError: there is none at this place.
        """
        del self._waiting[index]

    def cancel_all(self) -> None:
        """Stop everything, and forget it: nobody will ask how it ended."""
        self._waiting.clear()
        self.cancel()
        self._job = self._request = None


def is_last(message: Message) -> bool:
    """Whether a job says no more after this message."""
    return isinstance(message, (Finished, Failed, Cancelled))
