# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's compiled packages inside the extension: which wheels, what of them, laid out how.

    runner/packages/shared/     what serves every Python: .py files, libraries, tagged extensions
    runner/packages/cp311/      what differs by content and so cannot lie in one place
    runner/packages/packages.json

A compiled extension carries its Python in its name (`_core.cpython-311-x86_64-linux-gnu.so`), so
the wheels of one release for two Pythons share a folder, and OpenBLAS and all .py files lie there
once. A package with a file of one name and two contents goes whole into the folders of its
Pythons, which come first on the child's path.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tools.session import Failure

SHARED = "shared"
INDEX_NAME = "packages.json"

# Below the extension's folder. Windows takes 260 characters for a whole path, and
# C:\Users\somebody\AppData\Roaming\Blender Foundation\Blender\5.2\extensions\user_default\mien\
# takes 100 of them.
LONGEST_PATH = 150


@dataclass(frozen=True)
class Platform:
    """A system that Blender and every wheel support.

    `wheel_tag` is the newest system a wheel may ask for, hence the oldest that Mien runs on.
    `pythons` are those of the Blenders there are for it; `blender_version_max`, in the manifest's
    meaning (the first version that is too new), is empty where there is no end in sight.
    """

    name: str
    wheel_tag: str
    pythons: tuple[str, ...] = ("3.11", "3.13")
    blender_version_max: str = ""


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("linux-x64", "manylinux_2_28_x86_64"),
        Platform("windows-x64", "win_amd64"),
        Platform("macos-arm64", "macosx_14_0_arm64"),
        # Blender 4.5 was the last for Intel, so its Python is the only one.
        Platform("macos-x64", "macosx_14_0_x86_64", ("3.11",), blender_version_max="5.0.0"),
    )
}


def platform_of(system: str, machine: str) -> str:
    """Blender's name of this machine's platform, from `platform.system()` and `.machine()`."""
    systems = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}
    machines = {"x86_64": "x64", "amd64": "x64", "arm64": "arm64", "aarch64": "arm64"}
    name = f"{systems.get(system, system.lower())}-{machines.get(machine.lower(), machine.lower())}"
    if name not in PLATFORMS:
        raise Failure(f"There is no extension for {name}, only for {', '.join(PLATFORMS)}.")
    return name


# --- What of a wheel is left out ---------------------------------------------------------------

# scipy's parts that neither the runner nor a part of scipy that it uses imports; a test reads the
# imports of the runner, and `inference check` runs what is left.
UNUSED_SCIPY = (
    "cluster",
    "datasets",
    "differentiate",
    "fft",
    "fftpack",
    "integrate",
    "interpolate",
    "io",
    "misc",
    "odr",
    "optimize",
    "signal",
    "stats",
)

# The detector's; the others recognise smiles, cats and number plates.
USED_CASCADES = (
    "haarcascade_frontalface_alt2.xml",
    "haarcascade_frontalface_default.xml",
    "haarcascade_profileface.xml",
)

# Patterns as of fnmatch, in which * goes across folders.
LEFT_OUT = (
    # Tests and their data. (numpy's own testing helpers want one file of its tests.)
    "*/tests/*",
    "*/conftest.py",
    # For compilers and type checkers.
    "*.pyi",
    "*.pxd",
    "*.pyx",
    "*.h",
    "*.a",
    "*.lib",
    "*/py.typed",
    # For installers: what they list is not all there any more.
    "*.dist-info/RECORD",
    "*.dist-info/WHEEL",
    "*.dist-info/DELVEWHEEL",
    "*.dist-info/entry_points.txt",
    "*.dist-info/top_level.txt",
    "*.dist-info/sboms/*",
    # Making and changing networks.
    "onnxruntime/backend/*",
    "onnxruntime/datasets/*",
    "onnxruntime/quantization/*",
    "onnxruntime/tools/*",
    "onnxruntime/transformers/*",
    # The library for programs in other languages: the module for Python is complete without it.
    "onnxruntime/capi/libonnxruntime.*",
    "onnxruntime/capi/onnxruntime.dll",
    # Building extensions with a Fortran compiler, until Python 3.11.
    "numpy/distutils/*",
    # OpenCV's own decoder on Windows, loaded only when asked for: the runner decodes with PyAV.
    "cv2/opencv_videoio_ffmpeg*.dll",
    # The same text is in the package's dist-info.
    "cv2/LICENSE*",
    *(f"scipy/{name}/*" for name in UNUSED_SCIPY),
    # What msvc-runtime puts elsewhere (see MOVED), and its own proof that it works.
    "msvc_runtime-*.data/*",
    "msvc_runtime.*.pyd",
)

KEPT = (
    "numpy/_core/tests/__init__.py",
    "numpy/_core/tests/_natype.py",
    *(f"cv2/data/{name}" for name in USED_CASCADES),
)
CASCADES = "cv2/data/*.xml"

# ONNX Runtime finds Microsoft's C++ runtime beside itself, as not every Windows has it (and Blender
# keeps its own for itself). Python brings the rest of it.
MOVED = {
    "msvc_runtime-*.data/data/Scripts/msvcp140.dll": "onnxruntime/capi/msvcp140.dll",
    "msvc_runtime-*.data/data/Scripts/msvcp140_1.dll": "onnxruntime/capi/msvcp140_1.dll",
}
GOES_WITH = {"msvc-runtime": "onnxruntime"}

# How a package was built, for a person to read: one Python's words serve the other.
EITHER_SERVES = ("*/__config__.py", "*.dist-info/METADATA")


def place(path: str) -> str | None:
    """Where a wheel's file goes, relative to the packages' folder; None if it is left out."""
    for pattern, target in MOVED.items():
        if fnmatchcase(path, pattern):
            return target
    if matches(path, KEPT):
        return path
    return None if path.endswith("/") or matches(path, (*LEFT_OUT, CASCADES)) else path


def matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


# --- Which wheels ------------------------------------------------------------------------------


def read_pins(path: Path) -> dict[str, str]:
    """The packages of a requirement file and their versions, by the names the file uses."""
    pins = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        requirement = line.split("#", 1)[0].strip()
        if requirement:
            name, version = requirement.split("==")
            pins[name] = version
    return pins


def pins_of(platform: Platform, requirements: Path) -> dict[str, str]:
    """What the runner needs on a platform: vision.txt, and the platform's own file over it."""
    pins = read_pins(requirements / "vision.txt")
    own = requirements / f"vision-{platform.name}.txt"
    if own.exists():
        pins.update(read_pins(own))
    return pins


def find_wheel(folder: Path, name: str, version: str) -> Path | None:
    """The wheel of a pinned package in a folder that has no other version of it."""
    return next(folder.glob(f"{name.replace('-', '_')}-{version}-*.whl"), None)


# --- Laying them out ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Package:
    """One package as vendored. `licence_files` are relative to the packages' folder."""

    name: str
    version: str
    licence: str
    home: str
    licence_files: tuple[str, ...]
    libraries: tuple[str, ...] = field(default=())
    """File names of the foreign libraries that the wheel brings."""


@dataclass(frozen=True)
class Vendored:
    packages: tuple[Package, ...]
    files: int
    size: int
    """Bytes, before packing."""


def vendor(
    wheels: Mapping[str, Mapping[str, Path]], platform: Platform, destination: Path
) -> Vendored:
    """Unpacks wheels into `destination` (runner/packages), and writes the index there.

    `wheels` gives, for each Python ("3.11"), the wheel of each package.

    Raises:
        Failure: a path is too long for Windows, or a package of one Python is missing.
    """
    packages = []
    files = size = 0
    folders: dict[str, dict[str, str]] = {}  # of each package, for each Python
    for name in sorted(wheels[platform.pythons[0]], key=lambda name: name in GOES_WITH):
        contents = {python: read_contents(wheels[python][name]) for python in platform.pythons}
        if name in GOES_WITH:
            folders[name] = folders[GOES_WITH[name]]
        elif is_the_same(contents.values()):
            folders[name] = {python: SHARED for python in platform.pythons}
        else:
            folders[name] = {python: tag(python) for python in platform.pythons}
        written: dict[str, int] = {}
        for python, members in contents.items():
            folder = folders[name][python]
            new = {f"{folder}/{path}": member for path, member in members.items()}
            new = {path: member for path, member in new.items() if path not in written}
            unpack(wheels[python][name], new, destination)
            written.update({path: member.size for path, member in new.items()})
        too_long = [path for path in written if len(f"runner/packages/{path}") > LONGEST_PATH]
        if too_long:
            raise Failure(f"This path is too long for Windows: {too_long[0]}.")
        packages.append(describe(wheels[platform.pythons[0]][name], sorted(written)))
        files += len(written)
        size += sum(written.values())
    packages.sort(key=lambda package: package.name)
    write_index(destination / INDEX_NAME, platform, packages)
    return Vendored(tuple(packages), files, size)


def tag(python: str) -> str:
    """The folder of one Python: cp311 of "3.11"."""
    return "cp" + python.replace(".", "")


@dataclass(frozen=True)
class Member:
    """A file in a wheel."""

    path: str
    size: int
    checksum: int


def read_contents(wheel: Path) -> dict[str, Member]:
    """The wanted files of a wheel, by where they go."""
    with zipfile.ZipFile(wheel) as archive:
        members = archive.infolist()
    return {
        target: Member(member.filename, member.file_size, member.CRC)
        for member in members
        for target in [place(member.filename)]
        if target is not None
    }


def is_the_same(contents: Iterable[Mapping[str, Member]]) -> bool:
    """True if no path has another content for another Python."""
    seen: dict[str, int] = {}
    return all(
        seen.setdefault(path, member.checksum) == member.checksum or matches(path, EITHER_SERVES)
        for members in contents
        for path, member in members.items()
    )


def unpack(wheel: Path, members: Mapping[str, Member], destination: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for path, member in members.items():
            target = destination / path
            if destination.resolve() not in target.resolve().parents:
                raise Failure(f"{wheel.name} holds a path that leads out of it: {path}.")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(archive.read(member.path))


HOME_LABELS = ("homepage", "home", "source", "repository", "github")


def describe(wheel: Path, written: Sequence[str]) -> Package:
    """A package by its wheel's metadata, with what was written of it."""
    with zipfile.ZipFile(wheel) as archive:
        path = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        lines = archive.read(path).decode("utf-8").split("\n\n", 1)[0].splitlines()
    pairs = [line.partition(": ")[::2] for line in lines]
    values = dict(reversed(pairs))  # the first of a name counts
    urls = dict(
        reversed(value.partition(", ")[::2]) for key, value in pairs if key == "Project-URL"
    )
    home = values.get("Home-page") or next(
        (url for url, label in urls.items() if label.lower() in HOME_LABELS), ""
    )
    return Package(
        values["Name"],
        values["Version"],
        values.get("License-Expression") or values.get("License", ""),
        home,
        tuple(path for path in written if is_licence(path)),
        tuple(sorted({Path(path).name for path in written if is_foreign_library(path)})),
    )


def is_licence(path: str) -> bool:
    name = Path(path).name.lower()
    if "cascade" in name or name.endswith((".py", ".so", ".pyd")):
        return False
    words = ("licen", "copying", "notice")
    return ".dist-info/licen" in path.lower() or any(word in name for word in words)


def is_foreign_library(path: str) -> bool:
    """True for what the wheel's makers put beside the package, in NAME.libs or .dylibs."""
    return re.search(r"\.(libs|dylibs)/[^/]+$|/msvcp140", path) is not None


def write_index(path: Path, platform: Platform, packages: Sequence[Package]) -> None:
    """What the add-on asks: for which Pythons the packages are."""
    index = {
        "platform": platform.name,
        "pythons": list(platform.pythons),
        "packages": {package.name: package.version for package in packages},
    }
    path.write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
