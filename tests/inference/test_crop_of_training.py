# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner cuts faces as training did: two codes, since the runner ships without the training."""

import numpy as np
import pytest

from inference import crop as runner
from models.head import load_head
from models.reconstruction import config as training_config
from models.reconstruction import crop as training


@pytest.fixture
def faces():
    """Points (20, 68, 2) px of made-up faces, each at its own place, size and roll."""
    rng = np.random.default_rng(4)
    head = load_head()
    shape = head.mean[head.points68][:, :2] * [1000.0, -1000.0]
    roll = rng.uniform(-np.pi, np.pi, 20)
    turns = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    size = rng.uniform(0.2, 5.0, 20)[:, None, None]
    return size * (shape @ turns.transpose(2, 1, 0)) + rng.uniform(0, 900, (20, 1, 2))


def test_the_numbers_agree():
    assert runner.CROP_SIZE == training_config.CROP_SIZE
    assert runner.CROP_MARGIN == training_config.CROP_MARGIN


def test_crops_and_their_coordinates_agree(faces):
    trained = training.face_crops(faces)
    u = np.random.default_rng(5).uniform(-1, 1, (len(faces), 9, 2))
    places = trained.to_picture(u)
    for index, points in enumerate(faces):
        crop = runner.Crop.from_points(points)
        assert np.allclose(crop.centre, trained.centre[index])
        assert crop.side == pytest.approx(trained.side[index])
        assert crop.roll == pytest.approx(trained.roll[index])
        assert np.allclose(crop.to_frame(u[index]), places[index])
