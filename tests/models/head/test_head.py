# SPDX-License-Identifier: GPL-3.0-or-later
"""The head asset and its evaluation."""

import numpy as np
import pytest

from models.head import (
    BONE_NAMES,
    EYE_BONES,
    GROUP_NAMES,
    SHAPE_NAMES,
    gaze_matrix,
    load_head,
    look_weights,
)
from models.head.head import quantise

HUNDREDTH_MM = 1e-5


@pytest.fixture(scope="module")
def head():
    return load_head()


def shape(name: str) -> int:
    return SHAPE_NAMES.index(name)


def mirrored(head, vertices):
    return vertices[..., head.mirror, :] * [-1, 1, 1]


def test_names_are_the_fields():
    assert len(SHAPE_NAMES) == len(set(SHAPE_NAMES)) == 52
    assert SHAPE_NAMES[14:18] == ("jawForward", "jawRight", "jawLeft", "jawOpen")
    assert BONE_NAMES == ("neck", "head", "jaw", "eye.L", "eye.R")


def test_arrays_fit_together(head):
    count = len(head.mean)
    assert head.identity_basis.shape == (60, count, 3)
    assert head.shapes.shape == (52, count, 3)
    assert head.quads.min() == 0 and head.quads.max() == count - 1
    assert head.group.max() < len(GROUP_NAMES)
    assert head.uv.shape == (len(head.quads), 4, 2)
    assert np.allclose(head.skin_weight.sum(axis=1), 1, atol=1e-5)
    assert head.point_vertices.shape == (68 + len(head.dense),)
    for points in (head.points68, head.dense):
        assert len(set(points.tolist())) == len(points)


def test_arrays_cannot_be_written(head):
    with pytest.raises(ValueError):
        head.mean[0] = 0


def test_head_space(head):
    eyes = head.bone_mean[0, list(EYE_BONES)]
    assert np.allclose(eyes.mean(axis=0), 0, atol=HUNDREDTH_MM)
    assert eyes[0, 0] > 0.025, "the character's left eye is on +x"
    nose_tip, chin = head.mean[head.points68[30]], head.mean[head.points68[8]]
    assert nose_tip[2] > 0.02, "the face looks along +z"
    assert -0.13 < chin[1] < -0.08, "metres, +y up"


def test_mean_and_shapes_are_symmetric(head):
    assert np.abs(mirrored(head, head.mean) - head.mean).max() < HUNDREDTH_MM
    assert np.array_equal(head.mirror[head.mirror], np.arange(len(head.mirror)))
    for index, partner in enumerate(head.shape_mirror):
        difference = mirrored(head, head.shapes[partner]) - head.shapes[index]
        assert np.abs(difference).max() < HUNDREDTH_MM, SHAPE_NAMES[index]


def test_identity_mirrors_by_its_signs(head):
    identity = np.random.default_rng(1).normal(size=60)
    face = head.neutral(identity)
    other = head.neutral(identity * head.identity_mirror)
    assert np.abs(mirrored(head, face) - other).max() < 5 * HUNDREDTH_MM


def test_point_mirror(head):
    vertices = head.point_vertices
    assert np.array_equal(vertices[head.point_mirror], head.mirror[vertices])
    # iBUG's own table: outer eye corners, mouth corners, jaw ends, nose tip.
    for point, partner in ((36, 45), (39, 42), (48, 54), (0, 16), (30, 30), (17, 26)):
        assert head.point_mirror[point] == partner


def test_ibug_points_lie_where_people_mark_them(head):
    points = head.mean[head.points68]
    right_eye, left_eye = points[36:42], points[42:48]
    assert right_eye[:, 0].max() < 0 < left_eye[:, 0].min()
    assert (points[[37, 38], 1] > points[[41, 40], 1]).all(), "upper lid above the lower"
    assert (points[17:27, 1] > points[36:48, 1].max()).all(), "brows above the eyes"
    assert points[51, 1] > points[62, 1] >= points[66, 1] > points[57, 1], "lips in order"
    assert (np.diff(points[:17, 0]) > -0.001).all(), "the jaw runs from the right ear to the left"
    assert points[:17, 1].argmin() == 8, "the chin is lowest"


def test_tracked_points_follow_the_head_bone_alone(head):
    neck = (head.skin_weight * (head.skin_index == BONE_NAMES.index("neck"))).sum(axis=1)
    assert neck[head.point_vertices].max() == 0
    assert neck[head.contour].max() == 0
    assert neck.max() > 0.9, "the collar hangs on the neck"


def test_neutral_is_the_sum_of_its_parts(head):
    identity = np.random.default_rng(2).normal(size=60)
    byhand = head.mean + np.einsum("k,kvc->vc", identity, head.identity_basis)
    assert np.abs(head.neutral(identity) - byhand).max() < HUNDREDTH_MM


def test_shapes_do_what_they_say(head):
    person = head.person(np.zeros(60))

    def opening(weights):
        points = person.express(weights)[head.points68]
        return {"left": points[43, 1] - points[47, 1], "right": points[38, 1] - points[40, 1],
                "lips": points[62, 1] - points[66, 1]}  # fmt: skip

    one = np.eye(52)
    rest, blink = opening(np.zeros(52)), opening(one[shape("eyeBlinkLeft")])
    assert blink["left"] < 0.25 * rest["left"] and blink["right"] == pytest.approx(rest["right"])
    jaw = opening(one[shape("jawOpen")])
    assert jaw["lips"] > 0.02
    closed = opening(one[shape("jawOpen")] + one[shape("mouthClose")])
    assert abs(closed["lips"] - rest["lips"]) < 0.2 * jaw["lips"]
    wide = person.express(one[shape("mouthSmileLeft")])[head.points68]
    moved = wide - person.neutral[head.points68]
    assert moved[54, 0] > 0.003 and np.abs(moved[48]).max() < 0.002


def test_eyeballs_are_left_to_the_bones(head):
    eyes = np.concatenate(head.eye_vertices)
    assert not head.shapes[:, eyes].any()
    turned = head.evaluate(np.zeros(60), np.zeros(52), np.array([[0.3, 0.0], [0.3, 0.0]]))
    still = np.setdiff1d(np.arange(len(head.mean)), eyes)
    assert np.array_equal(turned[still], head.evaluate(np.zeros(60), np.zeros(52), np.zeros((2, 2)))[still])


def test_gaze_frame():
    forward = np.array([0, 0, 1.0])
    left = gaze_matrix(np.array([0.4, 0.0])) @ forward
    up = gaze_matrix(np.array([0.0, 0.4])) @ forward
    assert left[0] > 0.3 and left[1] == pytest.approx(0)
    assert up[1] > 0.3 and up[0] == pytest.approx(0)
    both = gaze_matrix(np.random.default_rng(3).normal(size=(5, 2, 2)))
    assert np.allclose(both @ both.swapaxes(-1, -2), np.eye(3))


def test_look_weights_follow_the_eyes():
    weights = look_weights(np.array([[0.6, 0.25], [0.6, 0.25]]))
    assert weights[shape("eyeLookOutLeft")] == 1 and weights[shape("eyeLookInRight")] == 1
    assert weights[shape("eyeLookUpLeft")] == pytest.approx(0.5)
    assert weights.sum() == pytest.approx(3.0)


def test_quantised_rows_come_back():
    rows = np.random.default_rng(4).normal(size=(3, 10, 3))
    stored, scale = quantise(rows)
    error = np.abs(stored * scale[:, None, None] - rows).max(axis=(1, 2))
    assert (error <= scale * 0.51).all()


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "head.npz"
    np.savez(path, mean=np.zeros((3, 3)))
    with pytest.raises(ValueError, match="not a head asset"):
        load_head(path)
