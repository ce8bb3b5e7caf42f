# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension as a zip for one platform, with all that it needs to work offline at once."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tools.environments import REQUIREMENTS, explain_pip_failure
from tools.licences import list_licences
from tools.session import OUT, ROOT, Failure, Session
from tools.vendoring import Platform, find_wheel, pins_of, vendor

WEIGHTS = ROOT / "models/weights/mien.onnx"

LARGEST_ZIP = 200_000_000
"""Bytes."""

DEFAULT_HEAD = "assets/default_head.mien.npz"  # in the extension; made, not committed

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

# Blender's tool leaves files out whose name starts with a dot, unless told what to leave out; the
# wheels for macOS keep their libraries in folders called .dylibs.
BUILD_TABLE = """
[build]
paths_exclude_pattern = ["__pycache__/"]
"""


@dataclass(frozen=True)
class Kit:
    """What packing takes: a Python with the runner's packages and pip, and Blender's own tool."""

    runner_python: Path
    extension_tool: tuple[Path, ...]


def build_zip(session: Session, kit: Kit, platform: Platform) -> Path:
    """Packs the extension for one platform: out/mien-VERSION-PLATFORM.zip.

    Raises:
        Failure: a wheel cannot be had, Blender's tool refuses the zip, or it is too large.
    """
    source = OUT / "package" / platform.name
    label = f"package {platform.name}"
    wheels = {python: fetch_wheels(session, kit, platform, python) for python in platform.pythons}
    assemble(source)
    make_default_head(session, kit, source / DEFAULT_HEAD)
    vendored = vendor(wheels, platform, source / "runner/packages")
    licences = source / "licences"
    licences.mkdir()
    (licences / "README.md").write_text(list_licences(vendored.packages), encoding="utf-8")
    shutil.copy2(ROOT / "tools/licence_texts.txt", licences / "texts.txt")
    finish_manifest(source / "blender_manifest.toml", platform)
    session.say(label, f"packing {vendored.size / 1e6:.0f} MB of packages")
    zip_path = OUT / f"mien-{read_manifest(source)['version']}-{platform.name}.zip"
    beside = zip_path.with_name(f"{zip_path.stem}.part.zip")
    advice = "Blender's own extension tool refuses the add-on: its words are above."
    build = [*kit.extension_tool, "build", "--source-dir", source, "--output-filepath", beside]
    session.run(f"{label} build", build, advice)
    session.run(f"{label} validate", [*kit.extension_tool, "validate", beside], advice)
    size = beside.stat().st_size
    if size > LARGEST_ZIP:
        beside.unlink()
        raise Failure(
            f"The zip for {platform.name} has {size / 1e6:.1f} MB, of which "
            f"{LARGEST_ZIP / 1e6:.0f} are allowed: leave out more in tools/vendoring.py."
        )
    beside.replace(zip_path)
    shutil.rmtree(source)  # half a gigabyte
    session.say(label, f"{zip_path.parent.name}/{zip_path.name}  {size / 1e6:.1f} MB")
    return zip_path


def fetch_wheels(session: Session, kit: Kit, platform: Platform, python: str) -> dict[str, Path]:
    """The wheel of each package for one Python, downloaded once and kept in out/cache."""
    folder = OUT / "cache/wheels" / f"{platform.name}-{python}"
    pins = pins_of(platform, REQUIREMENTS)
    missing = [
        f"{n}=={version}" for n, version in pins.items() if not find_wheel(folder, n, version)
    ]
    if missing:
        session.say(f"package {platform.name}", f"fetching {' '.join(missing)} for Python {python}")
        command: list[str | Path] = [kit.runner_python, "-m", "pip", "download", "-q", "--no-deps"]
        command += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", python]
        command += ["--platform", platform.wheel_tag, "-d", folder, *missing]
        session.run(f"package {platform.name} wheels {python}", command, explain_pip_failure)
    return {name: find_wheel(folder, name, version) for name, version in pins.items()}


def assemble(destination: Path) -> None:
    """Lays out the extension: the add-on at the top, and under runner/ what its process needs.

    runner/ holds no training code. requirements/ there is for those who run it with a Python of
    their own.
    """
    require_weights()
    shutil.rmtree(destination, ignore_errors=True)
    runner = destination / "runner"
    copy_folder("blender_addon", destination)
    copy_folder("inference", runner / "inference")
    copy_folder("models/head", runner / "models/head", *HEAD_WORKSHOP)
    copy_folder("models/weights", runner / "models/weights")
    shutil.copy2(ROOT / "models/__init__.py", runner / "models/__init__.py")
    (runner / "requirements").mkdir()
    shutil.copy2(REQUIREMENTS / "vision.txt", runner / "requirements/vision.txt")
    shutil.copy2(ROOT / "LICENSE", destination / "LICENSE")


def copy_folder(source: str, destination: Path, *left_out: str) -> None:
    ignored = shutil.ignore_patterns(*LEFTOVERS, *left_out)
    shutil.copytree(ROOT / source, destination, ignore=ignored)


def make_default_head(session: Session, kit: Kit, path: Path) -> None:
    """Writes the head of Add > Mesh > Mien Head, a take of the mean person at rest."""
    path.parent.mkdir(parents=True)
    command = [kit.runner_python, "-m", "inference", "head", "-o", path]
    session.run("package head", command, "Making the default head failed: see the lines above.")


def finish_manifest(path: Path, platform: Platform) -> None:
    """Says in the manifest for which Blenders the zip is, and that all of the folder belongs in."""
    top_level, first_table = path.read_text(encoding="utf-8").split("\n[", 1)
    top_level = f'{top_level.rstrip()}\nplatforms = ["{platform.name}"]\n'
    if platform.blender_version_max:
        top_level += f'blender_version_max = "{platform.blender_version_max}"\n'
    path.write_text(f"{top_level}\n[{first_table.rstrip()}\n{BUILD_TABLE}", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, str]:
    """The manifest's top-level strings (Python 3.10 has no TOML reader)."""
    text = (folder / "blender_manifest.toml").read_text(encoding="utf-8")
    top_level = re.split(r"^\[", text, maxsplit=1, flags=re.MULTILINE)[0]
    return dict(re.findall(r'^(\w+)\s*=\s*"([^"]*)"', top_level, re.MULTILINE))


def require_weights() -> None:
    if not WEIGHTS.exists():
        raise Failure(
            f"The network's weights, {WEIGHTS.relative_to(ROOT)}, are missing: check out the whole "
            "repository, or train them (python -m models train) and export them there."
        )
