# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner as a person runs it: real footage, the shipped network, a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inference.network import WEIGHTS

Runner = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def runner() -> Runner:
    """Runs `python -m inference` with arguments and returns what became of it."""
    if not WEIGHTS.exists():
        pytest.skip("models/weights/mien.onnx does not exist yet: the network is in training")

    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "inference", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture(scope="session")
def carphone_take(runner, carphone, tmp_path_factory) -> Path:
    """The take of the carphone clip."""
    path = tmp_path_factory.mktemp("carphone") / "clip.mien.npz"
    result = runner("capture", carphone, "-o", path)
    assert result.returncode == 0, result.stderr
    return path
