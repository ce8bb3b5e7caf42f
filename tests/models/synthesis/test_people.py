# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered people: labels that fit the geometry, pictures that come back the same."""

import cv2
import numpy as np
import pytest

from models.evaluation.label_exactness import Posed
from models.head import GROUP_NAMES, SHAPE_NAMES, load_head, look_weights
from models.synthesis import pool
from models.synthesis.landmarks import project, project_points
from models.synthesis.people import possible, sample_expression, sample_gaze, sample_identity
from models.synthesis.raster import rasterize
from models.synthesis.renderer import PeopleRenderer
from models.synthesis.view import FACING, frame_face, sample_rotation

COUNT = 10


@pytest.fixture(scope="module")
def renderer():
    return PeopleRenderer()


@pytest.fixture(scope="module")
def samples(renderer):
    return [sample for k in range(COUNT // 2)
            for sample in renderer.samples(np.random.default_rng([4, k]), 2)]


def test_stored_points_are_those_of_the_parameters(samples):
    head = load_head()
    for sample in samples:
        posed = Posed.of(sample, head)
        again = project_points(head, posed.camera, posed.intrinsics)
        assert np.abs(again - sample.points).max() < 0.01


def test_shapes_types_and_ranges(samples):
    head = load_head()
    count = len(head.point_vertices)
    for sample in samples:
        assert sample.image.shape == (192, 192, 3) and sample.image.dtype == np.uint8
        assert sample.points.shape == (count, 2) and sample.visible.shape == (count,)
        assert sample.segmentation.shape == (96, 96) and sample.segmentation.max() <= 7
        assert sample.expression.min() >= 0 and sample.expression.max() <= 1
        np.testing.assert_allclose(sample.rotation @ sample.rotation.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(sample.rotation) > 0
        assert sample.face == 1 and sample.source == pool.SOURCE_RENDERED
        assert 15 < sample.image.mean() < 240 and sample.image.std() > 8


def test_face_is_framed(samples):
    for sample in samples:
        marks = sample.points[:68]
        share = np.ptp(marks, axis=0).max() / pool.IMAGE_SIDE
        centre = (marks.min(axis=0) + marks.max(axis=0)) / 2 / pool.IMAGE_SIDE - 0.5
        assert 0.38 < share < 0.62
        assert np.abs(centre).max() < 0.12


def test_segmentation_agrees_with_the_triangles(renderer):
    """Bare heads: every pixel well inside a group's triangles has that group's class."""
    head = load_head()
    wanted = {"eye_left": pool.EYES, "eye_right": pool.EYES, "lips": pool.LIPS, "skin": pool.SKIN,
              "inside_mouth": pool.INSIDE_MOUTH, "teeth_upper": pool.INSIDE_MOUTH}
    checked = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scene = renderer.compose(renderer.actors.make(rng), rng)
        bare = type(scene)(**{**scene.__dict__, "meshes": [], "strands": [], "glasses": None})
        sample = renderer.render(bare, np.full((192, 192, 3), 90, np.uint8), rng)
        view = scene.view
        screen = view.to_screen(view.to_camera(scene.vertices.astype(np.float64)))
        solid = head.triangle_group != GROUP_NAMES.index("lashes")
        triangle, _, _ = rasterize(screen, head.triangles[solid], 192, 192)
        group = head.triangle_group[solid][np.maximum(triangle, 0)]
        assert (sample.segmentation[cv2.dilate((triangle >= 0).astype(np.uint8),
                                               np.ones((5, 5)))[::2, ::2] == 0] == 0).all()
        for name, value in wanted.items():
            mask = ((group == GROUP_NAMES.index(name)) & (triangle >= 0)).astype(np.uint8)
            inside = cv2.erode(mask, np.ones((5, 5), np.uint8))[::2, ::2] > 0
            checked += inside.sum()
            assert (sample.segmentation[inside] == value).all()
    assert checked > 3000


def test_points_and_segmentation_agree(samples):
    """Visible lip points touch lips, visible skin points are not on the background."""
    lips = list(range(48, 60))
    for sample in samples:
        place = np.clip(np.rint(sample.points / 2 - 0.25).astype(int), 0, 95)
        for index in [*lips, 30, 33]:
            if sample.visible[index]:
                x, y = place[index]
                around = sample.segmentation[max(0, y - 2):y + 3, max(0, x - 2):x + 3]
                assert set(around.ravel()) & ({pool.LIPS} if index in lips else {pool.SKIN}
                                              | {pool.LIPS, pool.HAIR, pool.GLASSES, pool.OCCLUDER})


def test_deterministic(renderer, samples):
    again = renderer.samples(np.random.default_rng([4, 1]), 2)
    for name in pool.Sample.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(again[1], name), getattr(samples[3], name))
    assert (samples[2].image != samples[3].image).any()


def test_pictures_of_one_person_show_another_moment(samples):
    first, second, other = samples[:3]
    np.testing.assert_array_equal(first.identity, second.identity)
    assert (first.identity != other.identity).any()
    assert (first.expression != second.expression).any()
    assert (first.rotation != second.rotation).any()


def test_bare_heads_wear_nothing():
    bare = PeopleRenderer(bare=True)
    for sample in bare.samples(np.random.default_rng(3), 3):
        assert set(np.unique(sample.segmentation)) <= {
            pool.BACKGROUND, pool.SKIN, pool.EYES, pool.LIPS, pool.INSIDE_MOUTH}


def test_hidden_points_of_a_profile(renderer):
    """In a view from the side the far eye is hidden and the near one seen."""
    head = load_head()
    rng = np.random.default_rng(0)
    scene = renderer.compose(renderer.actors.make(rng), rng)
    turn = np.deg2rad(80)
    rotation = FACING @ np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0],
                                  [-np.sin(turn), 0, np.cos(turn)]])
    view = frame_face(head, head.mean, rotation, pool.IMAGE_SIDE, rng)
    bare = type(scene)(**{**scene.__dict__, "vertices": head.mean, "view": view, "meshes": [],
                          "strands": [], "glasses": None})
    sample = renderer.render(bare, np.zeros((192, 192, 3), np.uint8), rng)
    # Turned towards the character's left (+x), which is the picture's right: that side is far.
    assert sample.points[30, 0] > sample.points[2, 0]
    assert sample.visible[36:42].mean() > 0.6
    assert sample.visible[42:48].mean() < 0.4


def test_jaw_points_glide():
    """The labels of the outline move smoothly as the head turns, and stay on the face's outline."""
    head = load_head()
    intrinsics = np.array([[400.0, 0, 95.5], [0, 400.0, 95.5], [0, 0, 1]])
    previous = None
    for degrees in np.arange(-60, 61, 1.0):
        turn = np.deg2rad(degrees)
        rotation = FACING @ np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0],
                                      [-np.sin(turn), 0, np.cos(turn)]])
        camera = head.mean @ rotation.T + (0, 0, 0.7)
        points = project_points(head, camera, intrinsics)[:17]
        plain = project(camera[head.points68[:17]], intrinsics)
        if previous is not None:
            assert np.abs(points - previous).max() < 4.0
        if degrees == 0:
            assert np.abs(points - plain).max() < 2.0
        previous = points


def test_gaze_sets_the_lids_and_faces_vary():
    rng = np.random.default_rng(0)
    head = load_head()
    weights = []
    for _ in range(400):
        gaze = sample_gaze(rng)
        expression = sample_expression(rng, gaze)
        look = [k for k, name in enumerate(SHAPE_NAMES) if name.startswith("eyeLook")]
        np.testing.assert_allclose(expression[look], look_weights(gaze)[look], atol=1e-6)
        weights.append(expression)
    weights = np.array(weights)
    index = {name: k for k, name in enumerate(SHAPE_NAMES)}
    assert (weights.max(axis=0) > 0.5).all(), "each shape occurs in strength"
    assert 0.1 < (weights[:, index["eyeBlinkLeft"]] > 0.8).mean() < 0.4
    assert (weights[:, index["mouthClose"]] <= weights[:, index["jawOpen"]] + 1e-6).all()
    wink = np.abs(weights[:, index["eyeBlinkLeft"]] - weights[:, index["eyeBlinkRight"]]) > 0.6
    assert 0.01 < wink.mean() < 0.3
    assert np.abs(sample_identity(rng, len(head.identity_basis))).max() <= 2.6


def test_what_is_seldom_in_life_is_not_seldom_in_pictures():
    """Shapes that move the skin little, and half-closed lids that do not look down."""
    rng = np.random.default_rng(2)
    weights = np.array([sample_expression(rng, sample_gaze(rng)) for _ in range(1500)])
    shape = {name: weights[:, index] for index, name in enumerate(SHAPE_NAMES)}
    for name in ("jawForward", "jawLeft", "jawRight", "mouthLeft", "mouthRight", "mouthShrugUpper",
                 "mouthDimpleLeft", "cheekPuff", "noseSneerRight"):
        assert (shape[name] > 0.25).mean() > 0.05, name
        assert (shape[name] > 0.9).mean() > 0.015, name
    half = np.abs(shape["eyeBlinkLeft"] - 0.5) < 0.25
    assert (half & (shape["eyeLookDownLeft"] < 0.15)).mean() > 0.1, "level gaze"
    rest = weights[:, [not name.startswith("eyeLook") for name in SHAPE_NAMES]]
    assert (rest.max(axis=1) == 0).mean() > 0.05, "faces at rest stay"


def test_puffed_cheeks_keep_the_lips_closed():
    weights = np.zeros(len(SHAPE_NAMES))
    weights[[SHAPE_NAMES.index(name) for name in ("jawOpen", "mouthClose", "mouthUpperUpLeft",
                                                  "tongueOut", "cheekPuff")]] = 1.0
    assert {SHAPE_NAMES[index] for index in np.flatnonzero(possible(weights))} == {"cheekPuff"}


def test_poses_cover_the_range():
    rng = np.random.default_rng(0)
    forward = np.array([FACING @ sample_rotation(rng) for _ in range(500)])[:, :, 2]
    yaw = np.rad2deg(np.arctan2(forward[:, 0], forward[:, 2]))
    assert yaw.min() < -60 and yaw.max() > 60
    assert (np.abs(yaw) < 20).mean() > 0.3
