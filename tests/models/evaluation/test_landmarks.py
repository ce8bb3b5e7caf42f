# SPDX-License-Identifier: GPL-3.0-or-later
"""Landmark measures on cases worked out by hand."""

import json

import numpy as np
import pytest

from models.evaluation.landmarks import (
    LabelledFace,
    expression_ratios,
    match,
    offsets_table,
    points_from,
    score,
    table,
    typical_offsets,
)
from models.evaluation.real import load_labels, score_predictions


def face(offset=(0.0, 0.0), seed=0):
    """A labelled face some 100 px wide whose outer eye corners are 50 px apart."""
    points = np.random.default_rng(seed).uniform(0, 100, (68, 2))
    points[36], points[45] = (25, 40), (75, 40)
    points += offset
    low, high = points.min(0), points.max(0)
    return LabelledFace(np.concatenate([low, high - low]), points)


def test_errors_are_fractions_of_the_eye_distance():
    first, second = face(), face(seed=1)
    shifted = second.points.copy()
    shifted[:17] += (0, 10)  # a fifth of the eye distance, on the jaw alone
    figures = score([first, second], [first.points + (3, 4), shifted])
    assert figures["error51"] == pytest.approx((0.1 + 0) / 2)
    assert figures["error68"] == pytest.approx((0.1 + 0.2 * 17 / 68) / 2)
    assert figures["regions"]["jaw"] == pytest.approx((0.1 + 0.2) / 2)
    assert figures["regions"]["mouth"] == pytest.approx(0.05)
    assert figures["undetected"] == 0 and "faces 2" in table(figures)


def test_failures_count_large_errors_and_faces_not_found():
    faces = [face(seed=i) for i in range(4)]
    predictions = [faces[0].points, faces[1].points + (5.5, 0), faces[2].points + (4.5, 0), None]
    figures = score(faces, predictions)
    assert figures["failures"] == pytest.approx(2 / 4) and figures["undetected"] == 1
    assert score(faces, [None] * 4) == {"faces": 4, "undetected": 4, "failures": 1.0}
    assert "none found" in table(score(faces, [None] * 4))


def test_typical_offsets_lie_in_the_frame_of_the_eyes():
    upright = face().points
    upright[36:42], upright[42:48] = (30, 40), (70, 40)
    upright[30] = (50, 60)
    said = upright.copy()
    said[8] -= (4, 8)  # the label lies to the right of the prediction and below it
    quarter = np.array([[0.0, -1.0], [1.0, 0.0]])  # the picture turned by a right angle
    labels, answers = (np.stack([p, p @ quarter.T * 3]) for p in (upright, said))
    offsets = typical_offsets(labels, answers)
    assert offsets[8] == pytest.approx((0.1, 0.2))
    assert np.allclose(np.delete(offsets, 8, axis=0), 0)
    assert "| 8 | +10.0 | +20.0 |" in offsets_table(offsets)
    turned = upright.copy()
    turned[30] = (62, 60)
    assert np.isnan(typical_offsets(turned[None], said[None])).all()


def test_a_point_that_is_missing_is_left_out():
    labelled = face()
    values = (labelled.points + (5, 0)).tolist()
    values[20], values[21][0] = None, None
    figures = score([labelled], [points_from(values)])
    assert figures["error68"] == pytest.approx(0.1)
    with pytest.raises(ValueError, match="68 points"):
        points_from(values[:5])


def test_each_prediction_serves_the_closest_face_once():
    left, right = face(), face((60, 0), seed=1)
    predictions = [right.points + 2, left.points + 1, left.points + 500, right.points * 5]
    matched = match([left, right], predictions)
    assert matched[0] is predictions[1] and matched[1] is predictions[0]
    assert match([left, right], [predictions[0]]) == [None, predictions[0]]


def test_expression_ratios_read_the_gaps():
    points = np.zeros((68, 2))
    points[36], points[39], points[42], points[45] = (0, 0), (30, 0), (70, 0), (100, 0)
    points[[37, 38, 43, 44]] = [(10, -3), (20, -3), (80, -3), (90, -3)]
    points[[41, 40, 47, 46]] = [(10, 3), (20, 3), (80, 3), (90, 3)]
    points[17:22], points[22:27] = (15, -20), (85, -20)
    points[48], points[54] = (25, 80), (75, 80)
    points[[61, 62, 63]], points[[67, 66, 65]] = (50, 78), (50, 88)
    ratios = expression_ratios(points)
    assert ratios["eyes"] == pytest.approx(6 / 30)
    assert ratios["lips"] == pytest.approx(0.1) and ratios["width"] == pytest.approx(0.5)
    assert ratios["brows"] == pytest.approx(0.2)


def test_correlation_sees_what_a_constant_offset_does_not_spoil():
    faces, predictions = [], []
    for i in range(12):
        labelled = face(seed=2)
        points = labelled.points.copy()
        points[[65, 66, 67]] = points[[63, 62, 61]] + (0, i)
        faces.append(LabelledFace(labelled.box, points))
        said = points.copy()
        said[[65, 66, 67]] = points[[63, 62, 61]] + (0, 2 + 0.5 * i)
        predictions.append(said)
    ratios = score(faces, predictions)["r"]
    assert set(ratios) == {"lips"}, "a ratio that never varies has no correlation"
    ratio = ratios["lips"]
    assert ratio["r"] == pytest.approx(1.0) and ratio["slope"] == pytest.approx(0.5)


def test_labels_are_read_and_predictions_found_by_either_key(tmp_path):
    labelled = face()
    entry = {"box": labelled.box.tolist(), "points68": labelled.points.tolist()}
    (tmp_path / "labels.json").write_text(json.dumps({"img/a.jpg": {"faces": [entry]}}))
    labels = load_labels(tmp_path)
    answer = [{"points68": (labelled.points + (0, 5)).tolist()}]
    for key in ("img/a.jpg", "a.jpg"):
        assert score_predictions(labels, {key: answer})["error68"] == pytest.approx(0.1)
    assert score_predictions(labels, {})["undetected"] == 1
    (tmp_path / "labels.json").write_text('{"img/a.jpg": {}}')
    with pytest.raises(ValueError, match="labelled faces"):
        load_labels(tmp_path)
    (tmp_path / "labels.json").write_text("{}")
    with pytest.raises(ValueError, match="no labelled face"):
        load_labels(tmp_path)
    with pytest.raises(FileNotFoundError):
        load_labels(tmp_path / "none")
