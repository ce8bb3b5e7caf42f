# SPDX-License-Identifier: GPL-3.0-or-later
"""The self-check, as installed: with the shipped network, in a folder that holds what ships."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import inference.__main__ as program
from inference.check import CLOSE_ENOUGH, check, drawn_clip
from inference.network import WEIGHTS, Network
from tests.inference.painted import PaintedNetwork

ROOT = Path(program.__file__).parent.parent
SHIPPED = ("inference", "models/__init__.py", "models/head", "models/weights/mien.onnx")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with a copy of what the extension holds of the runner."""
    if not WEIGHTS.exists():
        pytest.skip("models/weights/mien.onnx does not exist: build.py fetches nothing, train it")
    folder = tmp_path_factory.mktemp("runner")
    for name in SHIPPED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignored)
        elif source.exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    return folder


def run(folder, *arguments, code=None):
    start = ["-c", code] if code else ["-m", "inference", "check"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=folder, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_check_answers_as_json(installed):
    result = run(installed, "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert set(found) == {
        "mien", "python", "packages", "devices", "device", "network_ms", "seconds"
    }  # fmt: skip
    assert set(found["packages"]) == {
        "numpy", "scipy", "opencv-python-headless", "av", "onnxruntime", "tqdm"
    }  # fmt: skip
    assert found["device"] in found["devices"] and "cpu" in found["devices"]
    assert 0 < found["network_ms"] < 1000 and found["python"] == sys.version.split()[0]


def test_the_check_answers_a_person_in_one_line(installed):
    result = run(installed)
    assert result.returncode == 0 and len(result.stdout.splitlines()) == 1
    assert "works" in result.stdout and "ms a face" in result.stdout


@pytest.mark.parametrize("module, package", [("cv2", "opencv-python-headless"), ("av", "av")])
def test_a_missing_package_is_named(installed, module, package):
    code = (
        f"import sys, runpy; sys.modules[{module!r}] = None;"
        "runpy.run_module('inference', run_name='__main__')"
    )
    result = run(installed, "check", "--json", code=code)
    assert result.returncode == 5 and result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert f"cannot load {package}:" in line and "requirements/vision.txt" in line
    events = run(installed, "capture", "a", "-o", "b", "--json-events", code=code)
    (event,) = [json.loads(line) for line in events.stdout.splitlines()]
    assert event["event"] == "error" and event["exit_code"] == events.returncode == 5


@pytest.mark.parametrize("name, damage, what", [
    ("models/weights/mien.onnx", "gone", "network's weights"),
    ("models/weights/mien.onnx", "cut short", "cannot be run on cpu"),
    ("models/head/head.npz", "gone", "head model"),
    ("models/head/head.npz", "cut short", "head model"),
    ("inference/preview.py", "gone", "not whole"),
])  # fmt: skip
def test_a_missing_or_damaged_file_is_told_of(installed, name, damage, what):
    path = installed / name
    data = path.read_bytes()
    try:
        path.unlink() if damage == "gone" else path.write_bytes(data[: len(data) // 2])
        result = run(installed)
    finally:
        path.write_bytes(data)
    assert result.returncode == 5, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and what in line and "install" in line


def test_a_network_that_answers_wrongly_is_told_of(monkeypatch, capsys):
    class Shifted(Network):
        def __call__(self, crops):
            answer = super().__call__(crops)
            return dataclasses.replace(answer, points=answer.points + np.float32([0, 0.1]))

    for wrong, sentence in ((Shifted, "misses a face's points"), (Blind, "sees no face")):
        monkeypatch.setattr("inference.check.Network", wrong)
        assert program.main(["check"]) == 5
        assert sentence in capsys.readouterr().err


class Blind(PaintedNetwork):
    """Sees faces in painted discs alone."""

    def __init__(self, device):
        super().__init__()


def test_the_drawn_face_is_well_within_what_is_asked():
    pictures, points, opening = drawn_clip()
    assert len(pictures) == len(points) == len(opening)
    face = pictures[0][60:180, 110:210].astype(int)
    assert (face[..., 0] > face[..., 2] + 20).mean() > 0.8, "skin is redder than blue"
    assert np.ptp(points[:, 8, 1]) > 3, "the chin goes down with the jaw"
    assert CLOSE_ENOUGH < 0.05 and check("cpu")["device"] == "cpu"
