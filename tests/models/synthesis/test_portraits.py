# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs tied to the head and rendered again; a rendered head stands for the photograph."""

import cv2
import numpy as np
import pytest

from models.head import GROUP_NAMES, SHAPE_NAMES, load_head, look_weights
from models.synthesis import pool, portraits
from models.synthesis.landmarks import project, project_points
from models.synthesis.portraits import SUPERSAMPLING, PortraitRenderer
from models.synthesis.portraits_correspondence import BROWS, IRIS_CENTRES, Correspondence
from models.synthesis.portraits_registration import LIDS, LIPS, PORTRAIT_FOCAL, Registrar
from models.synthesis.raster import interpolate, rasterize
from models.synthesis.view import frame_face

SIDE = 240
FACING = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def photograph(tmp_path_factory, head):
    """A folder with one painted "portrait" and the true fit beside it."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(5)
    identity, weights = rng.normal(0, 0.5, 60), np.zeros(52)
    weights[SHAPE_NAMES.index("mouthSmileLeft")] = 0.4
    rotation, translation = FACING, np.array([0.0, -0.02, 0.9])
    focal = PORTRAIT_FOCAL * SIDE
    intrinsics = np.array([[focal, 0, (SIDE - 1) / 2], [0, focal, (SIDE - 1) / 2], [0, 0, 1]])
    vertices = head.evaluate(identity, weights, np.zeros((2, 2)))
    camera = vertices @ rotation.T + translation
    screen = np.concatenate([project(camera, intrinsics), camera[:, 2:]], axis=1)
    triangle, bary, _ = rasterize(screen, head.triangles, SIDE, SIDE)
    # Colour tells the place on the head, so that a pixel of a new picture can be traced back.
    place = interpolate(head.mean, triangle, bary, head.triangles)
    image = np.where(triangle[..., None] >= 0, 128 + 900 * place, (40, 90, 60))
    cv2.imwrite(str(folder / "one.png"), np.clip(image, 0, 255).astype(np.uint8)[..., ::-1])
    np.savez(
        folder / "fits.npz", name=np.array(["one.png"]), rotation=rotation[None],
        translation=translation[None], focal=np.array([focal]), identity=identity[None],
        weights=weights[None], gaze=np.zeros((1, 2, 2)), residual=np.array([0.005]),
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def renderer(photograph):
    return PortraitRenderer(photograph, photograph / "fits.npz")


def test_labels_belong_to_one_head_in_one_view(renderer, head):
    (sample,) = renderer.samples(np.random.default_rng(1), 1)
    assert sample.image.shape == (192, 192, 3) and sample.image.dtype == np.uint8
    assert sample.source == pool.SOURCE_PORTRAIT and sample.face == 1
    look = np.array([name.startswith("eyeLook") for name in SHAPE_NAMES])
    assert (sample.expression[look] <= look_weights(sample.gaze)[look] + 1e-6).all()
    # Pose, focal length and parameters give the points but for the translation: solve for it.
    vertices = head.evaluate(sample.identity, sample.expression, sample.gaze)
    intrinsics = np.array([[sample.focal, 0, 95.5], [0, sample.focal, 95.5], [0, 0, 1]])
    dense = slice(68, None)
    turned = vertices[head.point_vertices][dense] @ sample.rotation.T
    offset = (sample.points[dense] - 95.5) / sample.focal
    system = np.zeros((2 * len(turned), 3))
    system[0::2, 0], system[1::2, 1] = 1, 1
    system[:, 2] = -offset.ravel()
    right = (offset * turned[:, 2:] - turned[:, :2]).ravel()
    translation = np.linalg.lstsq(system, right, rcond=None)[0]
    again = project_points(head, vertices @ sample.rotation.T + translation, intrinsics)
    assert np.abs(again - sample.points).max() < 0.05


def test_the_photograph_moves_with_the_head(renderer, head, monkeypatch):
    """Where the new picture shows a tracked point, it has the colour of that place of the head."""
    monkeypatch.setattr("models.synthesis.portraits.RELIGHT", 0.0)
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(6):
        (sample,) = renderer.samples(rng, 1)
        wanted = 128 + 900 * head.mean[head.point_vertices]
        inner = np.r_[27:36, 68 : len(wanted)]
        inner = inner[(sample.visible[inner] == 1) & (np.abs(wanted[inner] - 128).max(axis=1) < 110)]
        column, row = np.round(sample.points[inner]).astype(int).T
        found = sample.image[row, column].astype(float)
        errors.append(np.median(np.abs(found - wanted[inner])) / 900)
    assert np.median(errors) < 0.003, "metres on the head"


def drawn(renderer, head, rng, own_mouth=False, closing=0.0, **shapes):
    """A picture from the front (192,192,3) and its buffers, with given shape weights."""
    portrait = renderer.portrait(0)
    weights = np.zeros(52)
    for name, weight in shapes.items():
        weights[SHAPE_NAMES.index(name)] = weight
    vertices = head.evaluate(portrait.identity, weights, np.zeros((2, 2)))
    view = frame_face(head, vertices, FACING, pool.IMAGE_SIDE, np.random.default_rng(0))
    picture = portraits._Picture(renderer, portrait, vertices, view.enlarged(SUPERSAMPLING))
    return picture.image(True, own_mouth, np.full(2, closing), rng), picture, view.to_camera(vertices)


def test_the_mouth_is_dark_behind_its_teeth(renderer, head, monkeypatch):
    monkeypatch.setattr(portraits, "RELIGHT", 0.0)
    image, picture, _ = drawn(renderer, head, np.random.default_rng(0), jawOpen=0.8)
    group = np.array(GROUP_NAMES)[head.triangle_group[np.append(picture.drawn, 0)]]
    seen = np.where((picture.triangle >= 0) & (picture.triangle < len(picture.drawn)), picture.triangle, -1)
    # Pixels of the small picture whose surroundings are of one kind.
    teeth, depth = (np.isin(group, names)[seen] & (seen >= 0) for names in
                    (("teeth_upper", "teeth_lower"), ("inside_mouth", "tongue")))  # fmt: skip
    side = (pool.IMAGE_SIDE, pool.IMAGE_SIDE)
    teeth, depth = (cv2.resize(m.astype(np.float32), side, interpolation=cv2.INTER_AREA) > 0.99 for m in (teeth, depth))
    assert teeth.sum() > 20 and depth.sum() > 50
    assert image[teeth].mean() > 1.5 * image[depth].mean()
    assert np.ptp(image[teeth].mean(axis=1)) > 20, "shaded, not flat"
    photographed, _, _ = drawn(renderer, head, np.random.default_rng(0), own_mouth=True, jawOpen=0.8)
    assert np.abs(photographed[depth].astype(float) - image[depth]).mean() > 20


def test_lids_that_come_down_bring_their_lashes(renderer, head, monkeypatch):
    monkeypatch.setattr(portraits, "RELIGHT", 0.0)
    shapes = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
    bare, _, _ = drawn(renderer, head, np.random.default_rng(0), True, 0.0, **shapes)
    lashed, _, camera = drawn(renderer, head, np.random.default_rng(0), True, 1.0, **shapes)
    darker = bare.astype(int).sum(axis=2) - lashed.astype(int).sum(axis=2)
    assert darker.min() >= 0 and darker.max() > 100
    rows, _ = np.nonzero(darker > 60)
    view = frame_face(head, head.evaluate(renderer.portrait(0).identity, np.zeros(52), np.zeros((2, 2))),
                      FACING, pool.IMAGE_SIDE, np.random.default_rng(0))  # fmt: skip
    lids = project(camera[head.points68[36:48]], view.intrinsics)[:, 1]
    assert np.median(np.abs(rows - lids.mean())) < 8, "at the lids"


def test_shoulders_and_walls_do_not_turn_with_the_head(renderer, head):
    portrait = renderer.portrait(0)
    vertices = portrait.fitted
    turned = cv2.Rodrigues(np.array([0.0, 0.7, 0.0]))[0] @ portrait.rotation
    view = frame_face(head, vertices, turned, pool.IMAGE_SIDE, np.random.default_rng(0))
    picture = portraits._Picture(renderer, portrait, vertices, view)
    there = picture.screen[len(vertices) :]
    corner = np.argmin(portrait.grid_uv.sum(axis=1))
    still = portrait.grid[corner] @ portrait.rotation.T + view.translation
    assert np.allclose(there[corner, :2], project(still, view.intrinsics), atol=0.5)
    on_face = np.argmin(np.linalg.norm(portrait.grid_uv - portrait.vertex_uv[head.points68[30]], axis=1))
    moving = portrait.grid[on_face] @ turned.T + view.translation
    assert np.allclose(there[on_face, :2], project(moving, view.intrinsics), atol=0.5)


def test_pictures_of_one_person_differ_in_all_but_the_person(renderer):
    samples = renderer.samples(np.random.default_rng(4), 3)
    assert len(samples) == 3
    for one, other in zip(samples, samples[1:], strict=False):
        assert np.array_equal(one.identity, other.identity)
        assert not np.allclose(one.rotation, other.rotation)
        assert not np.allclose(one.expression, other.expression)


def test_samples_repeat(renderer):
    one, two = (renderer.samples(np.random.default_rng(9), 2)[1] for _ in range(2))
    assert np.array_equal(one.image, two.image) and np.array_equal(one.points, two.points)


def test_registration_finds_the_face_again(head):
    rng = np.random.default_rng(11)
    vertices = head.point_vertices[17:]
    # A made-up landmark scheme: MediaPipe's numbers 0… but for those that weigh more, with its eye
    # corners and irises in place.
    landmark = np.setdiff1d(np.arange(468), [*LIDS, *BROWS, *LIPS])[: len(vertices)]
    corners = np.repeat(vertices[:, None], 3, axis=1)
    table = Correspondence(landmark, corners, np.tile([1.0, 0, 0], (len(vertices), 1)))
    identity, weights = rng.normal(0, 0.7, 60), np.zeros(52)
    weights[[SHAPE_NAMES.index("jawOpen"), SHAPE_NAMES.index("browInnerUp")]] = 0.6, 0.7
    gaze = np.full((2, 2), 0.12)
    weights += look_weights(gaze)
    width = height = 400
    focal = PORTRAIT_FOCAL * width
    pose = cv2.Rodrigues(np.array([0.1, 0.3, 0.05]))[0] @ FACING
    translation = np.array([0.02, -0.01, 1.1])
    camera = head.evaluate(identity, weights, gaze) @ pose.T + translation
    pixels = camera[:, :2] / camera[:, 2:] * focal + (width - 1) / 2
    seen = np.zeros((478, 2))
    seen[landmark] = pixels[vertices]
    seen[33], seen[263] = pixels[head.points68[36]], pixels[head.points68[45]]
    eyes = head.bones(identity)[0][3:]
    registrar = Registrar(head, table)
    for iris, eye in zip(IRIS_CENTRES, eyes, strict=True):
        ahead = np.array([np.sin(0.12) * np.cos(0.12), np.sin(0.12), np.cos(0.12) ** 2])
        place = (eye + ahead * registrar.eye_radius * 0.92) @ pose.T + translation
        seen[iris] = place[:2] / place[2] * focal + (width - 1) / 2
    fit = registrar.fit(seen, width, height)
    angle = np.linalg.norm(cv2.Rodrigues(fit.rotation @ pose.T)[0])
    assert np.degrees(angle) < 2.0
    assert fit.residual < 0.01
    # Identity explains a part of any expression in a single picture.
    assert abs(fit.weights[SHAPE_NAMES.index("jawOpen")] - 0.6) < 0.25
    assert np.abs(fit.gaze - gaze).max() < 0.06
