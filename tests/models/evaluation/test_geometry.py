# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures on rendered pictures: a perfect answer, and errors of known size."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.evaluation.geometry import (
    correlation,
    gaze_direction,
    gaze_errors,
    measure,
    rotation_error,
    table,
)
from models.evaluation.vertices import vertex_errors
from models.head import SHAPE_NAMES, gaze_matrix

COUNT, POINTS = 20, 80


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.6, 0.6, (COUNT, POINTS, 2))
    points[:, 36], points[:, 45] = (-0.4, 0), (0.4, 0)
    return {
        "image": np.zeros((COUNT, 128, 128, 3), np.uint8),
        "points": points,
        "visible": np.ones((COUNT, POINTS)),
        "identity": rng.standard_normal((COUNT, 60)),
        "expression": rng.random((COUNT, 52)),
        "gaze": rng.normal(0, 0.2, (COUNT, 2, 2)),
        "rotation": Rotation.random(COUNT, rng=1).as_matrix(),
        "face": np.array([1.0] * (COUNT - 2) + [0.0, 0.0]),
    }


def perfect(batch):
    names = ("points", "identity", "expression", "gaze", "rotation", "face")
    return {name: batch[name].copy() for name in names}


def test_a_perfect_answer(batch):
    figures = measure([batch], lambda image: perfect(batch))
    assert figures["point_error"] == 0 and figures["expression_r"] == pytest.approx(1)
    assert figures["gaze_degrees"] < 1e-4 and figures["pose_degrees"] < 1e-4
    assert figures["face_accuracy"] == 1 and figures["class_iou"] == {}
    assert figures["faces"] == COUNT - 2 and len(figures["shape_r"]) == 52
    assert "jawOpen" in table(figures)


def test_errors_of_known_size(batch):
    answer = perfect(batch)
    answer["points"] = answer["points"] + (0.04, 0)  # a twentieth of the eye distance of 0.8
    turn = Rotation.from_rotvec([0, 0, np.radians(5)]).as_matrix()
    answer["rotation"] = turn @ answer["rotation"]
    answer["expression"] = 0.5 * answer["expression"]
    answer["face"][0] = 0.0
    batch["visible"][:, 70:] = 0
    answer["points"][:, 70:] += 9  # nobody sees them
    figures = measure([batch], lambda image: answer)
    assert figures["point_error"] == pytest.approx(0.05, rel=1e-4)
    assert figures["pose_degrees"] == pytest.approx(5, rel=1e-4)
    assert figures["expression_r"] == pytest.approx(1)
    assert figures["shape_slope"]["jawOpen"] == pytest.approx(0.5)
    assert figures["shape_error"]["jawOpen"] == pytest.approx(0.25, abs=0.1)
    assert figures["face_accuracy"] == pytest.approx(1 - 1 / COUNT)


def test_shapes_that_are_seen_and_not_seen_are_named(batch):
    answer = perfect(batch)
    answer["expression"][:, 3:5] = 0.2  # two shapes that never move
    text = table(measure([batch], lambda image: answer))
    unseen = f"{SHAPE_NAMES[3]}, {SHAPE_NAMES[4]}"
    assert f"r >= 0.85: 50 of 52 shapes; below 0.30: {unseen}\n" in text


def test_vertex_errors_of_the_truth_and_of_the_mean_head(head):
    """Nothing but a rigid motion is forgiven; expression does not touch the neutral shape."""
    rng = np.random.default_rng(2)
    truth = {"identity": rng.standard_normal((4, 60)), "expression": np.zeros((4, 52))}
    truth["expression"][:, SHAPE_NAMES.index("jawOpen")] = 0.8
    right = vertex_errors(truth, truth, head)
    assert right["neutral_mm"] < 1e-3 and right["expressive_p90_mm"] < 1e-3
    shut = vertex_errors(truth | {"expression": np.zeros((4, 52))}, truth, head)
    assert shut["neutral_mm"] < 1e-3 and 1 < shut["expressive_mm"] < 10
    mean = vertex_errors({name: np.zeros_like(v) for name, v in truth.items()}, truth, head)
    for name in ("neutral_mm", "expressive_mm", "neutral_p90_mm", "expressive_p90_mm"):
        assert mean[name] == pytest.approx(mean["mean_head_" + name], rel=1e-4)
    assert 0.5 < mean["neutral_mm"] < mean["expressive_mm"]
    assert mean["neutral_mm"] < mean["neutral_p90_mm"]


def test_gaze_of_eyes_that_nobody_sees_counts_apart(batch):
    batch["expression"][:] = 0
    batch["expression"][:5, SHAPE_NAMES.index("eyeBlinkLeft")] = 0.9
    batch["visible"][5:7, 36:40] = 0  # most of the right lids' points
    answer = perfect(batch)
    answer["gaze"][:5, 0, 1] += np.radians(40)
    answer["gaze"][5:7, 1, 1] += np.radians(40)
    figures = measure([batch], lambda image: answer)
    assert figures["seen_eyes"] == pytest.approx(1 - 7 / (2 * figures["faces"]))
    assert figures["seen_gaze_degrees"] < 1e-4
    assert figures["gaze_degrees"] == pytest.approx(40 * (1 - figures["seen_eyes"]))


def test_correlation_of_constants():
    varied = np.arange(5.0)
    assert np.isnan(correlation(varied, np.zeros(5)))
    assert correlation(np.zeros(5), varied) == 0


def test_gaze_error_follows_the_head_models_eyes():
    gaze = np.array([[[0.3, -0.2], [-0.1, 0.4]]])
    assert np.allclose(gaze_direction(gaze), gaze_matrix(gaze)[..., 2], atol=1e-6)
    looked_up = gaze + [0, np.radians(3)]
    assert gaze_errors(looked_up, gaze) == pytest.approx(3)
    assert rotation_error(np.eye(3)[None], np.eye(3)[None]) == 0
