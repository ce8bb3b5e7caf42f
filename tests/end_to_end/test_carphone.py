# SPDX-License-Identifier: GPL-3.0-or-later
"""A man talking in a car, 176x144: what he does must be in the take at the moment he does it."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from blender_addon.take import read_take
from models.head import SHAPE_NAMES

FRAMES = 120
MIDDLE = slice(45, 75)
"""He opens his mouth wide here."""
PARTED = 0.25
"""Nearly closed is not closed: his lips are parted from the start, in the first frame by a tenth of
the eyes' distance, which on the mean head is what a jaw of 0.19 does."""


@pytest.fixture(scope="module")
def take(carphone_take):
    return read_take(carphone_take)


def column(take, name):
    return take.weights[:, SHAPE_NAMES.index(name)]


def test_every_frame_is_there_at_its_time(take):
    assert np.array_equal(take.frame, np.arange(FRAMES))
    assert np.allclose(take.time, np.arange(FRAMES) * 1001 / 30000, atol=1e-6)
    assert take.header.source.frame_rate.denominator == 1001


def test_the_face_is_found(take):
    assert take.found.mean() >= 0.95


def test_the_jaw_follows_the_mouth(take):
    jaw = column(take, "jawOpen")
    assert jaw[MIDDLE].max() >= 0.5
    assert jaw[:10].max() <= PARTED


def test_gaze_and_blinks_move(take):
    for side in ("Left", "Right"):
        assert np.ptp(column(take, f"eyeBlink{side}")) > 0.2
    turns = Rotation.from_quat(take.eye_rotation.reshape(-1, 4), scalar_first=True)
    forward = turns.apply([0, 0, 1])
    angles = np.degrees(np.arcsin(np.clip(forward[:, :2], -1, 1))).reshape(FRAMES, 2, 2)
    assert (np.ptp(angles, axis=0).max(axis=1) > 3.0).all()


def test_the_head_is_where_the_points_are(take):
    """The head's pose, expression and camera put its points on those tracked in the picture."""
    from models.head import load_head

    inner = load_head().points68[17:]
    face = take.neutral[inner] + np.tensordot(take.weights, take.shapes[:, inner], axes=1)
    turn = Rotation.from_quat(take.head_rotation, scalar_first=True).as_matrix()
    seen = face @ np.swapaxes(turn, 1, 2) + take.head_position[:, None]
    pixels = take.focal * seen[..., :2] / seen[..., 2:] + take.principal
    error = np.linalg.norm(pixels - take.points68[:, 17:], axis=-1)
    eyes = np.linalg.norm(take.points68[:, 36] - take.points68[:, 45], axis=-1)
    assert np.nanmean(error / eyes[:, None]) < 0.08


def test_the_head_moves_without_jumps(take):
    turns = Rotation.from_quat(take.head_rotation, scalar_first=True)
    steps = np.degrees((turns[1:] * turns[:-1].inv()).magnitude())
    assert steps.max() < 10.0
    assert np.degrees((turns * turns[0].inv()).magnitude()).max() > 3.0
    assert 0.2 < np.median(take.head_position[:, 2]) < 5.0


def test_the_points_lie_on_the_mans_face(take, carphone):
    """Against a place that does not depend on us: OpenCV's cascade finds the same face."""
    import cv2

    from inference.footage import open_footage

    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    agreed = seen = 0
    for frame in open_footage(carphone):
        windows = cascade.detectMultiScale(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), 1.1, 3)
        if len(windows) == 1 and take.found[frame.index]:
            x, y, width, height = windows[0]
            nose = take.points68[frame.index, 30]
            seen += 1
            agreed += bool(x < nose[0] < x + width and y < nose[1] < y + height)
    assert seen > 20 and agreed >= 0.95 * seen
