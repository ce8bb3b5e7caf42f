# SPDX-License-Identifier: GPL-3.0-or-later
"""Frame rates that are no whole numbers, and rows that fall between frames."""

from fractions import Fraction

import fabricate
import numpy as np
import pytest

from blender_addon.scene import timing
from blender_addon.scene.frame_of_reference import slerp
from blender_addon.take import read_take

RATES = [
    Fraction(30000, 1001),
    Fraction(24000, 1001),
    Fraction(60000, 1001),
    Fraction(25),
    Fraction(2997, 100),
    Fraction(15, 2),
    Fraction(1, 4),
    Fraction(240),
]


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_the_scene_runs_at_exactly_this_rate(empty_scene, rate):
    scene = empty_scene.context.scene
    timing.set_scene_rate(scene, rate)
    assert timing.scene_rate(scene) == rate
    assert timing.runs_at(scene, rate)
    assert scene.render.fps / scene.render.fps_base == pytest.approx(float(rate), rel=1e-7)


def test_ntsc_is_thirty_over_one_point_oh_oh_one(empty_scene):
    scene = empty_scene.context.scene
    timing.set_scene_rate(scene, Fraction(30000, 1001))
    assert scene.render.fps == 30
    assert scene.render.fps_base == np.float32(1.001)
    assert not timing.runs_at(scene, Fraction(30))


def test_its_own_rate_keeps_every_row_on_its_frame(take_file):
    take = read_take(take_file)
    placed = timing.place(take, Fraction(30000, 1001))
    np.testing.assert_array_equal(placed.frame, np.arange(1, 25))
    assert placed.weights is take.weights


def test_a_clip_cut_from_the_middle_starts_at_the_first_frame(tmp_path):
    arrays = fabricate.small_take()
    arrays["time"] = arrays["time"] + 500 * 1001 / 30000
    arrays["frame"] = arrays["frame"] + 500
    take = read_take(fabricate.write(tmp_path / "cut.mien.npz", arrays))
    np.testing.assert_array_equal(timing.place(take, Fraction(30000, 1001)).frame, range(1, 25))


def test_every_other_frame_stays_sparse(tmp_path):
    arrays = fabricate.small_take()
    arrays["time"] = arrays["time"] * 2
    take = read_take(fabricate.write(tmp_path / "half.mien.npz", arrays))
    np.testing.assert_array_equal(timing.place(take, Fraction(30000, 1001)).frame, range(1, 49, 2))


def test_another_rate_samples_by_time(take_file):
    take = read_take(take_file)
    placed = timing.place(take, Fraction(24))
    assert placed.frame[0] == 1 and (np.diff(placed.frame) == 1).all()
    seconds = (placed.frame - 1) / 24
    assert seconds[-1] <= take.time[-1] < seconds[-1] + 1 / 24
    for shape in (0, 17, 51):
        expected = np.interp(seconds, take.time, take.weights[:, shape])
        np.testing.assert_allclose(placed.weights[:, shape], expected, atol=1e-6)
    row = 7
    before = np.searchsorted(take.time, seconds[row], side="right") - 1
    share = (seconds[row] - take.time[before]) / (take.time[before + 1] - take.time[before])
    expected = slerp(take.head_rotation[before], take.head_rotation[before + 1], share)
    assert abs(expected @ placed.head_rotation[row]) == pytest.approx(1.0, abs=1e-9)
    np.testing.assert_allclose(np.linalg.norm(placed.eye_rotation, axis=-1), 1.0, atol=1e-6)


def test_an_uneven_clock_is_evened_out(tmp_path):
    arrays = fabricate.small_take()
    arrays["time"] = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.06, 24))
    take = read_take(fabricate.write(tmp_path / "phone.mien.npz", arrays))
    placed = timing.place(take, Fraction(30))
    assert (np.diff(placed.frame) == 1).all()
    seconds = take.time[0] + (placed.frame - 1) / 30
    expected = np.interp(seconds, take.time, take.weights[:, 17])
    np.testing.assert_allclose(placed.weights[:, 17], expected, atol=1e-6)


def test_a_millisecond_clock_is_no_uneven_clock(tmp_path):
    arrays = fabricate.small_take()
    arrays["time"] = np.round(np.arange(24) / 60, 3)
    take = read_take(fabricate.write(tmp_path / "webm.mien.npz", arrays))
    placed = timing.place(take, Fraction(60))
    np.testing.assert_array_equal(placed.frame, range(1, 25))
    assert placed.weights is take.weights


def test_a_single_picture(tmp_path):
    take = read_take(fabricate.write(tmp_path / "still.mien.npz", fabricate.small_take(frames=1)))
    placed = timing.place(take, Fraction(24))
    assert placed.frame.tolist() == [1]
