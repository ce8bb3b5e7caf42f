# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the runner is and how it is started: its Python, its code, its packages. No bpy."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

ADDON_FOLDER = Path(__file__).resolve().parent
PYTHON_VARIABLE = "MIEN_PYTHON"
LIBRARY_VARIABLE = "MIEN_PYTHON_DLL"  # for the runner's process

PACKAGES = "packages"  # in the runner's folder; made by tools/vendoring.py
PACKAGES_INDEX = "packages.json"

# Of Windows' CreateProcess; Python names them on Windows alone.
CREATE_NO_WINDOW, BELOW_NORMAL_PRIORITY_CLASS = 0x08000000, 0x00004000


class RunnerError(RuntimeError):
    """The runner cannot be started. The message says what to do."""


@dataclass(frozen=True)
class Runner:
    """Where the runner lives: its Python, and the folder that holds the package `inference`.

    `packages` are the folders of the packages that came with the extension, first come first
    served. Empty: the Python brings its own.
    """

    python: Path
    folder: Path
    packages: tuple[Path, ...] = ()

    @property
    def is_bundled(self) -> bool:
        """Whether it runs with what came in the extension, by Blender's own Python."""
        return bool(self.packages)

    def command(self, *arguments: str) -> list[str]:
        # -S and -s: no site-packages, neither Blender's (with another numpy) nor the user's.
        switches = ["-S", "-s"] if self.is_bundled else []
        return [str(self.python), *switches, "-m", "inference", *arguments]

    def settings(self) -> dict:
        """How to start the process: in its own folder, with nothing of Blender's Python about it.

        `python -m` looks into the working directory before all else, so that must be the runner's.
        """
        return {
            "cwd": self.folder,
            "env": self._environment(),
            "encoding": "utf-8",
            "errors": "replace",
            "creationflags": _windows_flags(),
        }

    def _environment(self) -> dict[str, str]:
        # PYTHONHOME, PYTHONPATH and the like are meant for another Python than this one.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTHON") and name != "__PYVENV_LAUNCHER__"
        }
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (self.folder, *self.packages)))
        environment["PYTHONIOENCODING"] = "utf-8"
        environment["PYTHONUNBUFFERED"] = "1"
        # The add-on's folder is not ours to write to, and __pycache__ would spoil its removal.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        library = _python_library() if self.is_bundled and sys.platform == "win32" else None
        if library:
            environment[LIBRARY_VARIABLE] = str(library)
        return environment


def _python_library() -> Path | None:
    """python3.dll, where Blender's Python program does not find it by itself; see `inference`.

    Blender for Windows has it in its own folder, two above its Python's (VERSION/python).
    """
    home = Path(sys.exec_prefix)
    if (home / "bin/python3.dll").is_file():
        return None
    library = home.parent.parent / "python3.dll"
    return library if library.is_file() else None


def _windows_flags() -> int:
    """No console window for the child process, and Blender before it where both want to work."""
    if sys.platform != "win32":
        return 0
    return CREATE_NO_WINDOW | BELOW_NORMAL_PRIORITY_CLASS


def find_runner(preferred_python: str = "") -> Runner:
    """The runner to use.

    Its Python is the preferred one, else the one MIEN_PYTHON names, else Blender's own with the
    packages that came in the extension, else the `.venv` beside the add-on in a checkout. Its code
    is the add-on's `runner` folder, else the checkout.

    Raises:
        RunnerError: no such Python, no packages for it, or no code.
    """
    code = _find_code()
    named = (
        (preferred_python, "the add-on's preferences name"),
        (os.environ.get(PYTHON_VARIABLE, ""), f"the environment variable {PYTHON_VARIABLE} names"),
    )
    for path, who in named:
        if path:
            if not Path(path).is_file():
                raise RunnerError(f"There is no Python at {path}, which {who}.")
            return Runner(Path(path), code)
    if (code / PACKAGES).is_dir():
        return Runner(_blenders_python(), code, _find_packages(code / PACKAGES))
    environment = ADDON_FOLDER.parent / ".venv"
    for relative in ("bin/python", "Scripts/python.exe"):
        if (environment / relative).is_file():
            return Runner(environment / relative, code)
    raise RunnerError(
        "Mien does not know its runner's Python: name it in the add-on's preferences."
    )


def _find_code() -> Path:
    for folder in (ADDON_FOLDER / "runner", ADDON_FOLDER.parent):
        if (folder / "inference" / "__main__.py").is_file():
            return folder
    raise RunnerError("The add-on was installed without its runner: install it again.")


def _blenders_python() -> Path:
    """The Python program that belongs to the Python inside Blender."""
    major, minor = sys.version_info[:2]
    places = [Path(sys.executable)] if sys.executable else []
    for prefix in dict.fromkeys((sys.exec_prefix, sys.base_exec_prefix)):
        for name in (f"bin/python{major}.{minor}", "bin/python.exe", "python.exe"):
            places.append(Path(prefix, name))
    for place in places:
        # sys.executable may be Blender itself.
        if place.name.lower().startswith("python") and place.is_file():
            return place
    raise RunnerError(
        "This Blender comes without its Python program, which runs the capture: name another "
        "Python in Mien's preferences."
    )


def _find_packages(folder: Path) -> tuple[Path, ...]:
    """The folders for the Python inside Blender, which serves as the runner's."""
    try:
        index = json.loads((folder / PACKAGES_INDEX).read_text(encoding="utf-8"))
        pythons = [str(python) for python in index["pythons"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunnerError("The add-on's packages are incomplete: install it again.") from error
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if own not in pythons:
        raise RunnerError(
            f"This Mien holds packages for Python {' and '.join(pythons)}, and this Blender has "
            f"Python {own}: install a Mien made for it, or name another Python in its preferences."
        )
    places = (folder / f"cp{own.replace('.', '')}", folder / "shared")
    return tuple(place for place in places if place.is_dir())
