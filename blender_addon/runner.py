# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the runner is and how it is started: its Python, its code, its environment. No bpy."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ADDON_FOLDER = Path(__file__).resolve().parent
PYTHON_VARIABLE = "MIEN_PYTHON"

# Importing the vision packages from a cold disk takes many seconds; a hung Python takes for ever.
VERSION_TIMEOUT_SECONDS = 60.0


class RunnerError(RuntimeError):
    """The runner cannot be started. The message says what to do."""


@dataclass(frozen=True)
class Runner:
    """Where the runner lives: its Python, and the folder that holds the package `inference`."""

    python: Path
    folder: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.python), "-m", "inference", *arguments]

    def settings(self) -> dict:
        """How to start the process: in its own folder, with nothing of Blender's Python about it.

        `python -m` looks into the working directory before all else, so that must be the runner's.
        """
        return {
            "cwd": self.folder,
            "env": self._environment(),
            "encoding": "utf-8",
            "errors": "replace",
            # Windows opens a console window for every child process unless told not to.
            "creationflags": subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
        }

    def _environment(self) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONHOME", "PYTHONPATH")}
        environment["PYTHONPATH"] = str(self.folder)
        environment["PYTHONIOENCODING"] = "utf-8"
        environment["PYTHONUNBUFFERED"] = "1"
        # The add-on's folder is not ours to write to, and __pycache__ would spoil its removal.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        return environment


def find_runner(preferred_python: str = "") -> Runner:
    """The runner to use.

    Its Python is the preferred one, else the one MIEN_PYTHON names, else the `.venv` beside the
    add-on in a checkout. Its code is the add-on's `runner` folder, else the checkout.

    Raises:
        RunnerError: no such Python, or no code.
    """
    return Runner(_find_python(preferred_python), _find_code())


def _find_python(preferred: str) -> Path:
    named = (
        (preferred, "the add-on's preferences name"),
        (os.environ.get(PYTHON_VARIABLE, ""), f"the environment variable {PYTHON_VARIABLE} names"),
    )
    for path, who in named:
        if path:
            if not Path(path).is_file():
                raise RunnerError(f"There is no Python at {path}, which {who}.")
            return Path(path)
    environment = ADDON_FOLDER.parent / ".venv"
    for relative in ("bin/python", "Scripts/python.exe"):
        if (environment / relative).is_file():
            return environment / relative
    raise RunnerError(
        "Mien does not know its runner's Python: name it in the add-on's preferences."
    )


def _find_code() -> Path:
    for folder in (ADDON_FOLDER / "runner", ADDON_FOLDER.parent):
        if (folder / "inference" / "__main__.py").is_file():
            return folder
    raise RunnerError("The add-on was installed without its runner: install it again.")


def runner_version(runner: Runner) -> str:
    """What the runner says about itself.

    Raises:
        RunnerError: it does not start, or it fails; the message carries its last words.
    """
    try:
        answer = subprocess.run(
            runner.command("--version"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_TIMEOUT_SECONDS,
            **runner.settings(),
        )
    except subprocess.TimeoutExpired as error:
        raise RunnerError(f"{runner.python} gave no answer in {error.timeout:.0f} s.") from error
    except OSError as error:
        raise RunnerError(f"{runner.python} does not start: {error.strerror}.") from error
    if answer.returncode != 0:
        words = answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"]
        raise RunnerError(f"The runner does not start in {runner.python}: {words[-1]}")
    return answer.stdout.strip()
