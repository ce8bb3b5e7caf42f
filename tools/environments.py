# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine and the virtual environments that build.py makes with them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.session import ROOT, Failure, Session, child_environment

REQUIREMENTS = ROOT / "requirements"

# Blender has a wheel for one Python each (requirements/blender.txt); the first is looked for first.
PYTHON_VERSIONS = ((3, 11), (3, 13))

STAMP_NAME = "mien-setup.json"
BLENDER_PINS = "blender"  # the requirement file of .venv-blender


@dataclass(frozen=True)
class BlenderRelease:
    """A Blender that Mien is tested in: the Python its wheel is for, and the file that pins it."""

    python: tuple[int, int]
    requirement: str = BLENDER_PINS


# The oldest and the newest that are maintained for long, and the one between.
BLENDERS = {
    "4.2": BlenderRelease((3, 11), "blender-4.2"),
    "4.5": BlenderRelease((3, 11)),
    "5.2": BlenderRelease((3, 13)),
}


@dataclass(frozen=True)
class Interpreter:
    path: Path
    version: tuple[int, int, int]

    @property
    def series(self) -> str:
        return f"{self.version[0]}.{self.version[1]}"


def find_interpreter() -> Interpreter:
    """The Python at hand where Blender has a wheel for it, else another one on this machine."""
    for path in interpreter_candidates():
        interpreter = probe_interpreter(path)
        if interpreter and interpreter.version[:2] in PYTHON_VERSIONS:
            return interpreter
    wanted = " or ".join(f"{major}.{minor}" for major, minor in PYTHON_VERSIONS)
    raise Failure(
        f"Blender has no module for Python {sys.version_info[0]}.{sys.version_info[1]}: install "
        f"Python {wanted} with its venv module (on Debian and Ubuntu: apt-get install python3-venv)"
        " and run this command again."
    )


def find_python(version: tuple[int, int]) -> Interpreter | None:
    """A Python of this machine of one version, or None."""
    for path in interpreter_candidates():
        interpreter = probe_interpreter(path)
        if interpreter and interpreter.version[:2] == version:
            return interpreter
    return None


def interpreter_candidates() -> Iterator[Path]:
    """Pythons to try: the running one (its base, if it is a venv's), then PATH, then pyenv."""
    yield Path(getattr(sys, "_base_executable", None) or sys.executable)
    pyenv_root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for major, minor in PYTHON_VERSIONS:
        for folder in os.get_exec_path():
            found = shutil.which(f"python{major}.{minor}", path=folder)
            if found:
                yield Path(found)
        yield from sorted(pyenv_root.glob(f"versions/{major}.{minor}.*/bin/python"), reverse=True)


def probe_interpreter(path: Path) -> Interpreter | None:
    """The interpreter at this path, or None if it does not start or cannot make a venv."""
    command = [
        str(path),
        "-c",
        "import ensurepip, sys, venv; print('%d.%d.%d' % sys.version_info[:3])",
    ]
    try:
        result = subprocess.run(
            command,
            env=child_environment({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", result.stdout.strip())
    if result.returncode or not match:
        return None
    return Interpreter(path, tuple(int(part) for part in match.groups()))


@dataclass(frozen=True)
class Environment:
    """A venv in the repository root, and the stamp in it that says what was installed."""

    label: str
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def stamp_path(self) -> Path:
        return self.folder / STAMP_NAME

    def read_stamp(self) -> dict:
        """The stamp: {"python": "3.11", "requirements": {name: sha256}}; empty if there is none."""
        try:
            stamp = json.loads(self.stamp_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def is_ready(self, interpreter: Interpreter, names: Sequence[str]) -> bool:
        """True if these requirement files, as they read now, were installed for this Python."""
        stamp = self.read_stamp()
        installed = stamp.get("requirements", {})
        return (
            stamp.get("python") == interpreter.series
            and self.python.exists()
            and all(installed.get(name) == requirement_digest(name) for name in names)
        )

    def prepare(self, session: Session, interpreter: Interpreter, names: Sequence[str]) -> None:
        """Makes the environment hold these requirement files; at once if it does already."""
        if self.is_ready(interpreter, names):
            session.say(self.label, f"{self.folder.name} is ready")
            return
        self._make_venv(session, interpreter)
        installed = self.read_stamp().get("requirements", {})
        self.stamp_path.unlink(missing_ok=True)  # what is half installed must not count
        session.say(self.label, f"installing {', '.join(names)} into {self.folder.name}")
        command: list[str | Path] = [self.python, "-m", "pip", "install", "-q", "--no-compile"]
        for name in names:
            command += ["-r", REQUIREMENTS / f"{name}.txt"]
        session.run(f"{self.label} install", command, explain_pip_failure)
        installed.update({name: requirement_digest(name) for name in names})
        stamp = {"python": interpreter.series, "requirements": installed}
        write_text(self.stamp_path, json.dumps(stamp, indent=1) + "\n")
        session.say(self.label, f"{self.folder.name} is ready")

    def _make_venv(self, session: Session, interpreter: Interpreter) -> None:
        existing = probe_interpreter(self.python)
        if existing and existing.version[:2] == interpreter.version[:2]:
            return
        session.say(
            self.label,
            f"making {self.folder.name} with Python {interpreter.series}"
            + (" in place of the one there" if self.folder.exists() else ""),
        )
        session.run(
            f"{self.label} venv",
            [interpreter.path, "-m", "venv", "--clear", self.folder],
            f"Make sure that {interpreter.path} can make virtual environments here "
            f"(try: {interpreter.path} -m venv {self.folder}), then run this command again.",
        )


VISION = Environment("vision", ROOT / ".venv")
BLENDER = Environment("blender", ROOT / ".venv-blender")


def blender_environment(name: str, interpreter: Interpreter) -> Environment:
    """The environment of a Blender: .venv-blender if the chosen Python's, else one by its name."""
    if BLENDERS[name] == BlenderRelease(interpreter.version[:2]):
        return BLENDER
    return Environment(f"blender {name}", ROOT / f".venv-blender-{name}")


def requirement_digest(name: str) -> str:
    """SHA-256 of a requirement file's lines that count, so that a comment costs no install."""
    lines = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    stripped = (line.split("#", 1)[0].strip() for line in lines)
    return hashlib.sha256("\n".join(line for line in stripped if line).encode()).hexdigest()


def write_text(path: Path, text: str) -> None:
    """Writes beside and renames: a stopped build leaves no half file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def explain_pip_failure(output: str) -> str:
    """What to do about a failed `pip install`, judged by what it printed."""
    if "No space left on device" in output:
        return "The disk is full: free 6 GB and run this command again."
    if re.search(
        r"NewConnectionError|Temporary failure in name resolution|timed out|SSLError|"
        r"ProxyError|ConnectionResetError|Connection aborted",
        output,
    ):
        return "The package index cannot be reached: check the network and run this command again."
    match = re.search(r"No matching distribution found for (\S+)", output)
    if match:
        return (
            f"The package index has no {match.group(1)} for this machine: check that the network "
            "reaches the index and that pip's index settings are right, then run this again."
        )
    return "pip could not install the packages: its own words are above."
