# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluate command on an untrained network: crops from label boxes, speed, bad input."""

import json
import os
import shutil
import sys

import cv2
import numpy as np
import pytest

from models.__main__ import main
from models.evaluation import speed
from models.evaluation.predictor import load_predictor
from models.evaluation.real import box_crops, cut
from models.reconstruction.config import CROP_SIZE

FACE = {
    "box": [50, 50, 100, 100],
    "points68": np.random.default_rng(0).uniform(50, 150, (68, 2)).tolist(),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "untrained.onnx"
    assert main(["export", "--untrained", "--points", "70", "-o", str(path)]) == 0
    return str(path)


def test_landmarks_from_boxes(weights, tmp_path, capsys):
    (tmp_path / "img").mkdir()
    cv2.imwrite(str(tmp_path / "img/a.png"), np.full((200, 240, 3), 90, np.uint8))
    (tmp_path / "labels.json").write_text(json.dumps({"img/a.png": {"faces": [FACE]}}))
    out = tmp_path / "figures.json"
    words = ["evaluate", "landmarks", str(tmp_path), "--boxes", "--weights", weights]
    assert main([*words, "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert figures["faces"] == 1 and figures["error68"] > 0.1
    assert "51 points" in capsys.readouterr().out


def test_a_cut_out_of_a_fine_picture_is_averaged_and_in_place():
    """A checkerboard far finer than the crop turns grey; a bright half stays in its half."""
    image = (np.indices((1000, 1000)).sum(0) % 2 * 100).astype(np.uint8)
    image[:, 500:] += 100
    image = np.repeat(image[:, :, None], 3, axis=2)
    crops = box_crops(np.array([[200.0, 200.0, 599.0, 599.0]]))
    crop = cut(image, crops.picture_from_pixel(CROP_SIZE)[0]).astype(int)
    assert np.abs(crop[:, :62] - 50).max() < 6 and np.abs(crop[:, 66:] - 150).max() < 6


def test_a_cut_lies_where_it_should_whatever_the_picture_shrinks_to():
    """Values that are the picture's columns; it shrinks to half a pixel more than a whole size."""
    image = np.repeat(np.tile(np.arange(256, dtype=np.float32), (256, 1))[:, :, None], 3, axis=2)
    scale = 256 / 160.5  # picture px a pixel of the crop
    shift = np.full((2, 1), 127.5 - scale * (CROP_SIZE - 1) / 2)
    crop = cut(image, np.hstack([scale * np.eye(2), shift]))
    columns = scale * np.arange(CROP_SIZE) + shift[0]
    away = (crop - columns[:, None]).mean(axis=(0, 2))
    assert abs(away[:20].mean()) < 0.02 and abs(away[-20:].mean()) < 0.02


def test_predictor_answers_any_number_of_pictures(weights):
    predict = load_predictor(weights)
    image = np.random.default_rng(0).integers(0, 256, (35, 128, 128, 3), dtype=np.uint8)
    answer = predict(image)
    assert answer["points"].shape == (35, 70, 2)
    assert np.allclose(answer["points"][34:], predict(image[34:])["points"], atol=1e-5)


def test_bad_input_is_one_sentence(weights, tmp_path, capsys):
    empty = str(tmp_path)
    assert main(["evaluate", "landmarks", empty, "--boxes", "--weights", weights]) == 2
    (tmp_path / "labels.json").write_text(json.dumps({"img/a.png": {"faces": [FACE]}}))
    assert main(["evaluate", "landmarks", empty, "--weights", weights]) == 2
    assert main(["evaluate", "geometry", empty, "--weights", weights]) == 2
    assert main(["evaluate", "speed", "--weights", str(tmp_path / "none.onnx")]) == 2
    (tmp_path / "bad.onnx").write_text("no model")
    assert main(["evaluate", "speed", "--weights", str(tmp_path / "bad.onnx")]) == 2
    lines = [x for x in capsys.readouterr().err.splitlines() if x.startswith("models evaluate:")]
    assert len(lines) == 5


def test_speed_of_files_in_turns(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speed, "ROUNDS", {1: 3, 8: 2})
    out, second = tmp_path / "speed.json", str(tmp_path / "second.onnx")
    shutil.copy(weights, second)
    words = ["evaluate", "speed", "--weights", weights, second]
    assert main([*words, "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    assert list(figures) == [weights, second]
    for batches in figures.values():
        assert list(batches) == ["batch_1", "batch_8"]
        assert all(0 < row["best_ms"] <= row["median_ms"] for row in batches.values())
    ratio = figures[weights]["batch_8"]["best_ms"] / figures[second]["batch_8"]["best_ms"]
    assert f"best {ratio:.2f} times as fast" in capsys.readouterr().out


def test_a_peer_takes_its_turns(weights, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speed, "ROUNDS", {1: 3, 8: 2})
    figures = speed.measure_speed([weights], peer=iter(np.arange(6, 0, -1) * 1e-3).__next__)
    assert figures[speed.PEER] == {"batch_1": {"median_ms": pytest.approx(2), "best_ms": pytest.approx(1)}}
    assert set(figures[weights]) == {"batch_1", "batch_8"}
    assert speed.PEER in speed.table(figures)
    cores = os.sched_getaffinity(0)
    words = ["evaluate", "speed", "--weights", weights, "--peer", sys.executable]
    assert main(words) == 2, "no picture"
    assert main([*words, "--face", str(tmp_path / "none.png")]) == 2
    assert "does not run MediaPipe on a face in" in capsys.readouterr().err
    assert os.sched_getaffinity(0) == cores


@pytest.mark.speed
def test_a_face_takes_a_few_milliseconds(weights):
    figures = speed.measure_speed([weights])[weights]
    assert figures["batch_1"]["best_ms"] < 100
