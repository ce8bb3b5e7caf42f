# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes without footage."""

import numpy as np
import pytest

import blender_addon.take
from inference.errors import FootageError
from inference.head import mean_at_rest, read_poses, write_head
from models.head import SHAPE_NAMES, gaze_matrix, load_head


def write_poses(path, frames=3, **changes):
    poses = {
        "identity": np.full(60, 0.1),
        "weights": np.full((frames, len(SHAPE_NAMES)), 0.25),
        "gaze": np.full((frames, 2, 2), 0.2),
    }
    np.savez(path, **{**poses, **changes})
    return path


def test_the_mean_person_at_rest(tmp_path):
    write_head(tmp_path / "head.mien.npz", mean_at_rest())
    take = blender_addon.take.read_take(tmp_path / "head.mien.npz")
    assert take.header.source.file == ""  # and no folder of whoever built it
    assert take.time.tolist() == [0.0] and take.found.all()
    assert not take.weights.any()
    assert np.allclose(take.neutral, load_head().person(np.zeros(60)).neutral, atol=1e-6)
    seen = take.neutral * (1, -1, -1) + take.head_position[0]
    pixels = take.focal * seen[:, :2] / seen[:, 2:] + take.principal
    face = take.neutral[:, 2] > 0
    assert pixels[face].min() > 0 and pixels[face].max() < 1023
    assert np.ptp(pixels[face, 1]) > 600


def test_poses_become_frames(tmp_path):
    poses = read_poses(write_poses(tmp_path / "poses.npz"))
    write_head(tmp_path / "head.mien.npz", poses)
    take = blender_addon.take.read_take(tmp_path / "head.mien.npz")
    assert take.weights.shape == (3, 52) and np.allclose(take.weights, 0.25)
    turned = gaze_matrix(np.array([0.2, 0.2])) @ [0, 0, 1]
    w, x, y, z = take.eye_rotation[0, 0]
    ahead = [2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)]
    assert np.allclose(ahead, turned, atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"identity": np.zeros(3)},
        {"weights": np.zeros((0, 52)), "gaze": np.zeros((0, 2, 2))},
        {"gaze": np.zeros((2, 2, 2))},
        {"weights": np.full((3, 52), np.nan)},
    ],
)
def test_poses_that_do_not_fit_are_refused(tmp_path, changes):
    with pytest.raises(FootageError, match="does not hold"):
        read_poses(write_poses(tmp_path / "poses.npz", **changes))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FootageError, match="does not hold"):
        read_poses(tmp_path / "none.npz")
