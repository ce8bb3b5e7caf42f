# SPDX-License-Identifier: GPL-3.0-or-later
"""Mirrored labels are those of the mirrored picture; misses are misses."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.reconstruction.crop import Crops
from models.training.jitter import LOOSE_SHIFT, anywhere, jitter
from models.training.labels import Labels, MirrorTables

WIDTH = 192
FOCAL, DISTANCE = 400.0, 0.6


def project(head, identity, expression, gaze, rotation):
    """The tracked points of a face in the middle of a picture (P,2) px."""
    vertices = head.evaluate(identity, expression, gaze)[head.point_vertices]
    camera = vertices @ rotation.T + [0, 0, DISTANCE]
    return camera[:, :2] / camera[:, 2:] * FOCAL + (WIDTH - 1) / 2


@pytest.fixture(scope="module")
def labels(head_model):
    rng = np.random.default_rng(3)
    count, points = 6, len(head_model.point_vertices)
    identity, expression = rng.standard_normal((count, 60)), rng.random((count, 52))
    gaze = rng.normal(0, 0.3, (count, 2, 2))
    rotation = Rotation.random(count, rng=4).as_matrix()
    values = zip(identity, expression, gaze, rotation)
    projected = np.stack([project(head_model, *value) for value in values])
    visible = rng.integers(0, 2, (count, points))
    arrays = projected, visible, identity, expression, gaze, rotation, np.full(count, FOCAL)
    return Labels(*(np.asarray(a, np.float32) for a in arrays))


def test_mirroring_twice_changes_nothing(head_model, labels):
    tables = MirrorTables.of(head_model)
    flip = np.ones(len(labels.points), bool)
    twice = labels.mirrored(flip, tables, WIDTH).mirrored(flip, tables, WIDTH)
    for name, value in vars(labels).items():
        assert np.allclose(getattr(twice, name), value, atol=1e-4), name


def test_mirrored_parameters_make_the_mirrored_points(head_model, labels):
    """The head model itself, given the mirrored numbers, must land on the mirrored points."""
    flip = np.array([True, False] * 3)
    mirrored = labels.mirrored(flip, MirrorTables.of(head_model), WIDTH)
    for row in range(6):
        made = project(
            head_model, mirrored.identity[row], mirrored.expression[row], mirrored.gaze[row],
            mirrored.rotation[row],
        )  # fmt: skip
        assert np.abs(made - mirrored.points[row]).max() < 0.35  # px; the head is not quite even
    assert np.array_equal(mirrored.points[1], labels.points[1])


def crops(count):
    return Crops(np.full((count, 2), 95.5), np.full(count, 130.0), np.zeros(count))


def test_jitter_keeps_faces_in_and_misses_out():
    jittered = jitter(crops(4000), np.random.default_rng(0))
    assert 0.03 < jittered.miss.mean() < 0.1
    hit, miss = jittered.crops[~jittered.miss], jittered.crops[jittered.miss]
    shift = np.abs(hit.centre - 95.5).max(axis=1) / 130
    assert shift.max() <= LOOSE_SHIFT * 1.3
    assert np.abs(hit.roll).max() < np.radians(40) and hit.side.min() > 60
    away = np.linalg.norm(miss.centre - 95.5, axis=1) / 130 > 0.55
    zoomed, turned = miss.side < 0.45 * 130, np.abs(miss.roll) > np.radians(70)
    assert (away.astype(int) + zoomed + turned >= 1).all()


def test_background_crops_lie_within_the_picture():
    placed = anywhere(500, WIDTH, np.random.default_rng(1))
    corner = np.abs(placed.centre - 95.5).max(axis=1) + placed.side / 2
    assert corner.max() <= 96 + 1e-6
