# SPDX-License-Identifier: GPL-3.0-or-later
"""The licences of all that an extension holds: licences/README.md in the zip.

The makers of the wheels put the licence texts into them for the most part, and these stay where
they are. What they leave unsaid is said here: which libraries a wheel brings, under which licence
each, and where its source is. A library that no line of libraries.csv names stops the build.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.session import Failure
from tools.vendoring import Package

LIBRARIES_PATH = Path(__file__).with_name("libraries.csv")


@dataclass(frozen=True)
class Library:
    """A library that wheels bring. `stem` is a pattern for its files' names (see stem_of).

    FFmpeg as PyAV's wheels bring it holds x264 and x265 and so is under the GPL as a whole;
    OpenCV's is under the LGPL, but on Apple Silicon, where it is Homebrew's, under the GPL too.
    """

    stem: str
    name: str
    licence: str
    source: str


def read_libraries() -> list[Library]:
    with LIBRARIES_PATH.open(encoding="utf-8", newline="") as file:
        return [Library(**row) for row in csv.DictReader(file)]


# Where a wheel's metadata holds a whole text instead of a name, or only the packaging's licence.
PACKAGE_LICENCES = {
    "av": "BSD-3-Clause (the libraries it brings: see below)",
    "msvc_runtime": "BSD-3-Clause (the libraries it brings: see below)",
    "onnxruntime": "MIT",
    "opencv-python-headless": "Apache-2.0 (the packaging: MIT)",
    "scipy": "BSD-3-Clause",
}

INTRODUCTION = """\
# What this extension consists of, and under which licences

| Part | Licence | Text |
|---|---|---|
| The add-on, and the runner in `runner/inference` and `runner/models` | GPL-3.0-or-later | `LICENSE` |
| The network's weights, `runner/models/weights` | GPL-3.0-or-later | `LICENSE` |
| The head, `runner/models/head/head.npz`, from MakeHuman's data | CC0-1.0 | none needed |
| The packages in `runner/packages` | as listed here | as listed here |

The packages are unchanged files from the wheels on the Python Package Index; parts that the runner
does not use were left out. They run in a process of their own.

## Packages

Files are named from `runner/packages`.

"""

LIBRARIES_INTRODUCTION = """\
## Libraries that the packages bring

Texts: the GPL is in `LICENSE`, and whoever receives a library under the LGPL may use it under the
GPL. The other texts are in the files listed above, OpenCV's LICENSE-3RD-PARTY.txt and scipy's
LICENSE.txt above all, and in `texts.txt` beside this file. The source of a library is at its
address; PyAV builds its own with https://github.com/PyAV-Org/pyav-ffmpeg, OpenCV with
https://github.com/opencv/opencv-python, numpy and scipy with
https://github.com/MacPython/openblas-libs.

"""


def list_licences(packages: Sequence[Package]) -> str:
    """The list of everything in an extension, in Markdown.

    Raises:
        Failure: a package brings a library that libraries.csv does not name.
    """
    lines = [
        INTRODUCTION + "| Package | Version | Licence | Home | Files |",
        "|---|---|---|---|---|",
    ]
    libraries = read_libraries()
    brought: dict[Library, set[str]] = {}
    for package in packages:
        licence = PACKAGE_LICENCES.get(package.name, package.licence)
        if not package.licence_files:
            raise Failure(f"The wheel of {package.name} holds no licence.")
        files = ", ".join(f"`{path}`" for path in package.licence_files)
        lines.append(
            f"| {package.name} | {package.version} | {licence} | {package.home} | {files} |"
        )
        for file in package.libraries:
            library = find_library(libraries, file, package.name)
            brought.setdefault(library, set()).add(package.name)
    lines += [
        "",
        LIBRARIES_INTRODUCTION + "| Library | Licence | Source | In |",
        "|---|---|---|---|",
    ]
    for library in sorted(brought, key=lambda library: library.name.lower()):
        where = ", ".join(sorted(brought[library]))
        lines.append(f"| {library.name} | {library.licence} | {library.source} | {where} |")
    return "\n".join(lines) + "\n"


def find_library(libraries: Sequence[Library], file: str, package: str) -> Library:
    stem = stem_of(file)
    for library in libraries:
        if re.fullmatch(library.stem, stem):
            return library
    raise Failure(
        f"{package} brings a library whose licence nobody has looked up: add {file} to "
        "tools/libraries.csv."
    )


def stem_of(file: str) -> str:
    """A library's name without version and checksum: libvpx of libvpx-edb6de90.so.12.0.0."""
    name = re.sub(r"\.(so|dylib|dll)\b.*", "", file)
    return re.sub(r"([-.]([0-9a-f]{8,}|r?\d+))+$", "", name)
