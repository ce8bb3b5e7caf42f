# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels made up for tests of packing."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tools.session import Session

MakeWheel = Callable[..., Path]


@pytest.fixture
def session(tmp_path) -> Session:
    return Session(log_folder=tmp_path / "log")


@pytest.fixture
def make_wheel() -> MakeWheel:
    """Writes a wheel: make_wheel(folder, "tiny-1.0-cp311-cp311-win_amd64.whl", {path: text})."""

    def make(folder: Path, file: str, contents: Mapping[str, str]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        name, version, *tags = file.removesuffix(".whl").split("-")
        information = f"{name}-{version}.dist-info"
        metadata = (
            f"Metadata-Version: 2.4\nName: {name.replace('_', '-')}\nVersion: {version}\n"
            "License-Expression: MIT\nProject-URL: Issues, https://example.org/issues\n"
            f"Project-URL: Homepage, https://example.org/{name}\n\nLicense: of the description\n"
        )
        with zipfile.ZipFile(folder / file, "w") as archive:
            archive.writestr(f"{information}/METADATA", metadata)
            archive.writestr(f"{information}/WHEEL", f"Wheel-Version: 1.0\nTag: {'-'.join(tags)}\n")
            archive.writestr(f"{information}/RECORD", "")
            archive.writestr(f"{information}/licenses/LICENSE", "Do what you like.")
            for path, text in contents.items():
                archive.writestr(path, text)
        return folder / file

    return make
