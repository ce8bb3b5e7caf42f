# SPDX-License-Identifier: GPL-3.0-or-later
"""A tiny pool: faces of the head model drawn as coloured dots, labels exact."""

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.head import load_head
from models.synthesis.pixel_labels import Posed, label_pixels
from models.synthesis.pool import (
    IMAGE_SIDE,
    SEGMENTATION_SIDE,
    SKIN,
    SOURCE_BACKGROUND,
    SOURCE_RENDERED,
    Sample,
    write_chunk,
)
from models.synthesis.raster import vertex_normals

FOCAL = 400.0
DISTANCE = 0.55  # metres; the face then fills about half of the picture
LOOKING_AT_US = np.diag([1.0, -1.0, -1.0])
RELIEF = (40, 20, 0)  # of 127; the same everywhere, to the right and down in the camera's frame


def dotted_face(head, rng):
    """A sample whose picture shows the tracked points of a random face as dots."""
    identity = rng.standard_normal(60)
    expression = rng.random(52) * (rng.random(52) < 0.15)
    gaze = rng.normal(0, 0.2, (2, 2))
    rotation = Rotation.from_euler("yxz", rng.normal(0, 0.2, 3)).as_matrix() @ LOOKING_AT_US
    camera = head.evaluate(identity, expression, gaze) @ rotation.T + [0, 0, DISTANCE]
    screen = camera[:, :2] / camera[:, 2:] * FOCAL + (IMAGE_SIDE - 1) / 2
    points = screen[head.point_vertices]
    image = np.full((IMAGE_SIDE, IMAGE_SIDE, 3), rng.integers(40, 200, 3), np.uint8)
    for i, (x, y) in enumerate(points):
        colour = (i % 7 * 36, i % 5 * 60, 255 if i < 68 else 0)
        cv2.circle(image, (round(float(x)), round(float(y))), 2, colour, -1)
    segmentation = np.zeros((SEGMENTATION_SIDE, SEGMENTATION_SIDE), np.uint8)
    hull = cv2.convexHull((points / 2).astype(np.int32))
    cv2.fillConvexPoly(segmentation, hull, SKIN)
    return Sample(
        image=image, points=points.astype(np.float32), visible=np.ones(len(points), np.uint8),
        identity=identity.astype(np.float32), expression=expression.astype(np.float32),
        gaze=gaze.astype(np.float32), rotation=rotation.astype(np.float32), face=1,
        segmentation=segmentation, source=SOURCE_RENDERED, focal=FOCAL,
        surface=surface(head, camera, np.column_stack([screen, camera[:, 2]])),
    )  # fmt: skip


def surface(head, camera, screen):
    """The labels of the surface of a head (V,3) in camera space that appears at screen (V,3)."""
    normals = vertex_normals(camera.astype(np.float32), head.triangles)
    labels = label_pixels(
        Posed(screen, head.triangles, normals, IMAGE_SIDE, True, DISTANCE), head.mean
    )
    bent = labels["normal"] + np.array(RELIEF)
    length = np.linalg.norm(bent, axis=-1, keepdims=True)
    labels["detail"] = np.where(labels["normal"].any(axis=-1)[..., None], 127 * bent / length, 0)
    return labels


def background(head, rng):
    """A sample without a face."""
    image = rng.integers(0, 256, (IMAGE_SIDE, IMAGE_SIDE, 3), dtype=np.uint8)
    points = len(head.point_vertices)
    return Sample(
        image=image, points=np.zeros((points, 2), np.float32),
        visible=np.zeros(points, np.uint8), identity=np.zeros(60, np.float32),
        expression=np.zeros(52, np.float32), gaze=np.zeros((2, 2), np.float32),
        rotation=np.zeros((3, 3), np.float32), face=0,
        segmentation=np.zeros((SEGMENTATION_SIDE, SEGMENTATION_SIDE), np.uint8),
        source=SOURCE_BACKGROUND, focal=0.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def head_model():
    return load_head()


@pytest.fixture(scope="session")
def pool(tmp_path_factory, head_model):
    """Chunk 0, held out, and chunks 1 and 2: eleven faces and a background each."""
    folder = tmp_path_factory.mktemp("pool")
    rng = np.random.default_rng(5)
    for index in range(3):
        samples = [dotted_face(head_model, rng) for _ in range(11)] + [background(head_model, rng)]
        write_chunk(folder, index, samples)
    return folder
