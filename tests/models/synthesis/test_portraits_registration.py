# SPDX-License-Identifier: GPL-3.0-or-later
"""The second look at the portraits: what the network sees, the gaps, and fits that follow both."""

import cv2
import numpy as np
import pytest

from models.head import SHAPE_NAMES, load_head
from models.reconstruction.config import CROP_SIZE
from models.synthesis.landmarks import project_points
from models.synthesis.portraits_correspondence import LID_CORNERS, LID_CORNERS_RIGHT, Correspondence
from models.synthesis.portraits_gaps import (
    MEDIAPIPE_INNER,
    Mixture,
    measure,
    mediapipe_points,
    with_gaps,
)
from models.synthesis.portraits_observation import largest_face, observe
from models.synthesis.portraits_registration import (
    PORTRAIT_FOCAL,
    Own,
    Registrar,
    _seen_by_both,
    typical_offset,
)

SIDE = 400
FACING = np.diag([1.0, -1.0, -1.0])
TRANSLATION = np.array([0.01, -0.02, 1.0])


@pytest.fixture(scope="module")
def head():
    return load_head()


def seen(head, identity=None, yaw=0.0, **weights):
    """The tracked points (P,2) px of a head in a picture of SIDE px."""
    identity = np.zeros(60) if identity is None else identity
    shape = np.zeros(52)
    for name, weight in weights.items():
        shape[SHAPE_NAMES.index(name)] = weight
    focal, middle = PORTRAIT_FOCAL * SIDE, (SIDE - 1) / 2
    turn = cv2.Rodrigues(np.array([0.0, yaw, 0.0]))[0]
    camera = head.evaluate(identity, shape, np.zeros((2, 2))) @ (FACING @ turn).T + TRANSLATION
    intrinsics = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1]])
    return project_points(head, camera, intrinsics)


@pytest.fixture(scope="module")
def table(head):
    """MediaPipe's inner landmarks exactly where the iBUG points are."""
    vertices = head.points68[17:]
    ones = np.tile([1.0, 0, 0], (len(vertices), 1))
    return Correspondence(np.array(MEDIAPIPE_INNER), np.repeat(vertices[:, None], 3, axis=1), ones)


EVENLY = Mixture(np.zeros(6), np.full(6, 0.5), np.full(6, 0.5))


def as_mediapipe(points):
    landmarks = np.zeros((478, 2))
    landmarks[list(MEDIAPIPE_INNER)] = points[17:68]
    landmarks[[473, 468]] = points[42:48].mean(axis=0), points[36:42].mean(axis=0)
    assert landmarks[LID_CORNERS[0]].any() and landmarks[LID_CORNERS_RIGHT[0]].any()
    return landmarks


def test_the_network_is_asked_in_crops_and_answers_in_the_picture(head):
    """A stand-in for the network finds points by the colour of the picture, mirrored or not."""
    rows, columns = np.mgrid[:240, :240]
    image = np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)
    true = seen(head) * 240 / SIDE

    def predict(crops):
        u = (np.arange(CROP_SIZE) + 0.5) * 2 / CROP_SIZE - 1
        x, y = np.meshgrid(u[40:90], u[40:90])
        design = np.column_stack([x.ravel(), y.ravel(), np.ones(x.size)])
        points = []
        for crop in crops:
            colours = crop[40:90, 40:90, :2].reshape(-1, 2).astype(float)
            linear = np.linalg.lstsq(design, colours, rcond=None)[0]
            mirrored = linear[0, 0] < 0
            wanted = true[head.point_mirror] if mirrored else true
            points.append((wanted - linear[2]) @ np.linalg.inv(linear[:2]))
        return {"points": np.array(points), "point_sigma": np.full((len(crops), len(true)), 0.02)}

    points, sigma = observe(predict, head, image, true[:68])
    assert np.abs(points - true).max() < 0.5
    size = np.ptp(true[:68], axis=0).max()
    assert (sigma > 0.005 * size).all() and (sigma < 0.05 * size).all()


def test_the_largest_face_of_a_picture_is_taken(head):
    small, large = seen(head)[:68] / 3, seen(head)[:68]
    assert np.array_equal(largest_face([{"points68": small}, {"points68": large}]), large)
    assert largest_face([]) is None


def test_gaps_do_not_depend_on_place_size_and_roll(head):
    points = seen(head, jawOpen=0.4)[:68]
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    assert np.allclose(measure(points), measure(1.7 * points @ turn.T + 30))


def test_gaps_grow_with_what_they_measure(head):
    rest = measure(seen(head)[:68])
    blink = measure(seen(head, eyeBlinkLeft=0.8)[:68])
    assert blink[1] < rest[1] - 0.1 and abs(blink[0] - rest[0]) < 0.02
    assert measure(seen(head, jawOpen=0.5)[:68])[2] > rest[2] + 0.1
    assert measure(seen(head, mouthSmileLeft=0.8, mouthSmileRight=0.8)[:68])[3] > rest[3] + 0.02
    raised = measure(seen(head, browOuterUpRight=1, browInnerUp=1)[:68])
    assert raised[4] > rest[4] + 0.02


def test_points_get_the_gaps_that_are_asked_for(head):
    points = seen(head, jawOpen=0.2, yaw=0.3)[:68]
    wanted = measure(points) + [0.1, -0.15, 0.05, -0.08, 0.03, -0.02]
    moved = with_gaps(points, wanted)
    assert np.allclose(measure(moved), wanted, atol=1e-6)
    still = [*range(17), *range(27, 36), 36, 39, 42, 45]
    assert np.array_equal(moved[still], points[still])


def test_mediapipe_points_take_their_places(head):
    points = seen(head)
    again = mediapipe_points(as_mediapipe(points))
    assert np.isnan(again[:17]).all() and np.array_equal(again[17:], points[17:68])


def test_a_mixture_errs_less_than_either_tool_and_varies_as_the_truth():
    rng = np.random.default_rng(0)
    true = rng.normal(0.3, 0.1, (4000, 6))
    own = 0.25 + 0.8 * (true - 0.3) + rng.normal(0, 0.03, true.shape)
    mediapipe = 0.4 + (true - 0.3) + rng.normal(0, 0.05, true.shape)
    mixed = Mixture.of(own, mediapipe)(own, mediapipe)

    def alike(seen):
        return np.corrcoef(seen.ravel(), true.ravel())[0, 1]

    assert alike(mixed) > max(alike(own), alike(mediapipe)) + 0.01
    assert mixed.std(axis=0) == pytest.approx(0.1, rel=0.06)
    assert mixed.mean(axis=0) == pytest.approx(own.mean(axis=0), abs=1e-3)


def test_fits_follow_the_gaps_that_both_tools_together_show(head, table):
    """Half closed eyes, a raised brow and a smile, of which MediaPipe sees but a part."""
    weights = {"eyeBlinkLeft": 0.5, "eyeBlinkRight": 0.4, "browInnerUp": 0.8, "jawOpen": 0.3,
               "mouthSmileLeft": 0.5, "mouthSmileRight": 0.5}  # fmt: skip
    identity = np.random.default_rng(3).normal(0, 0.6, 60)
    points = seen(head, identity, 0.2, **weights)
    landmarks = as_mediapipe(0.7 * points + 0.3 * seen(head, identity, 0.2))
    own = Own(points, np.full(len(points), 1.5))
    wanted = EVENLY(measure(points[:68]), measure(mediapipe_points(landmarks)))
    fit = Registrar(head, table, mixture=EVENLY).fit(landmarks, SIDE, SIDE, own)
    vertices = head.evaluate(fit.identity, fit.weights, fit.gaze)
    camera = vertices @ fit.rotation.T + fit.translation
    middle = (SIDE - 1) / 2
    intrinsics = np.array([[fit.focal, 0, middle], [0, fit.focal, middle], [0, 0, 1]])
    fitted = project_points(head, camera, intrinsics)
    assert np.abs(measure(fitted[:68]) - wanted).max() < 0.012
    eyes = np.linalg.norm(points[36] - points[45])
    assert np.linalg.norm(fitted - points, axis=1)[68:].mean() < 0.02 * eyes
    assert np.linalg.norm(fitted - points, axis=1)[:17].mean() < 0.03 * eyes, "the outline"


def test_where_mediapipe_puts_its_landmarks_is_found_out(head, table):
    """A landmark that always lies beside the table's place is told from one that errs."""
    registrar = Registrar(head, table, mixture=EVENLY)
    points = seen(head)
    landmarks = as_mediapipe(points)
    eyes = landmarks[LID_CORNERS[0]] - landmarks[LID_CORNERS_RIGHT[0]]
    landmarks[5] += 0.05 * np.array([-eyes[1], eyes[0]])
    own = Own(points, np.full(len(points), 1.0))
    fits = [registrar.fit(landmarks, SIDE, SIDE, own)]
    offset = typical_offset(registrar, fits, [landmarks], [np.full(2, (SIDE - 1) / 2)])
    row = MEDIAPIPE_INNER.index(5)
    assert np.allclose(offset[row], [0, 0.05], atol=0.015)
    others = np.delete(offset, [row], axis=0)[10:25]
    assert np.abs(others).max() < 0.015
    taken_off = Registrar(head, table, None, offset, EVENLY).evidence(landmarks, own)
    assert np.allclose(taken_off.seen[row], points[head.points68.tolist().index(table.corners[row, 0])], atol=1.5)


def test_two_tools_must_mean_the_same_face(head, tmp_path):
    points = seen(head)
    landmarks = as_mediapipe(points)
    elsewhere = points + 120
    path = tmp_path / "observed.npz"
    np.savez(path, name=np.array(["a", "b"]), points=np.stack([points, elsewhere]),
             sigma=np.ones((2, len(points))))  # fmt: skip
    names, kept, own = _seen_by_both(np.array(["a", "b", "c"]), np.stack([landmarks] * 3), path)
    assert list(names) == ["a"] and len(kept) == len(own) == 1
