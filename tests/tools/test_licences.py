# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of licences in a zip names everything, or there is no zip."""

import pytest

from tools import licences
from tools.session import Failure
from tools.vendoring import Package


def package(*libraries, files=("shared/tiny.dist-info/LICENSE",)):
    return Package("tiny", "1.0", "MIT", "https://example.org", files, libraries)


@pytest.mark.parametrize(
    ("file", "stem"),
    [
        ("libvpx-edb6de90.so.12.0.0", "libvpx"),
        ("libopenblasp-r0-59ffcd50.3.15.so", "libopenblasp"),
        ("libgfortran-040039e1-0352e75f.so.5.0.0", "libgfortran"),
        ("libscipy_openblas64_-32a4b2a6.so", "libscipy_openblas64_"),
        ("avcodec-62-984de33114b7fa384296817dec999c9d.dll", "avcodec"),
        ("libstdc++-6-2d5c346d47ad531ef9f5185db0e8cef3.dll", "libstdc++"),
        ("libx264.165.dylib", "libx264"),
        ("libpcre2-8.0.dylib", "libpcre2"),
        ("msvcp140.dll", "msvcp140"),
    ],
)
def test_stems(file, stem):
    assert licences.stem_of(file) == stem


def test_packages_and_libraries_are_listed_once_with_their_source():
    text = licences.list_licences([package("libx264-0123abcd.so.165", "libx264.165.dylib")])
    assert "| tiny | 1.0 | MIT | https://example.org | `shared/tiny.dist-info/LICENSE` |" in text
    (line,) = [line for line in text.splitlines() if line.startswith("| x264")]
    assert line.split(" | ")[1] == "GPL-2.0-or-later" and line.endswith("| tiny |")


def test_a_library_nobody_looked_up_stops_the_build():
    with pytest.raises(Failure, match=r"add libnew-1\.so to tools/libraries\.csv"):
        licences.list_licences([package("libnew-1.so")])


def test_a_package_without_a_licence_stops_the_build():
    with pytest.raises(Failure, match="tiny holds no licence"):
        licences.list_licences([package(files=())])


def test_each_library_is_named_once():
    libraries = licences.read_libraries()
    assert len({library.stem for library in libraries}) == len(libraries) > 60
    assert all(library.licence and library.source.startswith("http") for library in libraries)
