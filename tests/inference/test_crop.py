# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.crop import CROP_MARGIN, CROP_SIZE, Crop, rotation_2d
from models.head import load_head

crops = st.builds(
    lambda x, y, side, roll: Crop(np.array([x, y]), side, roll),
    st.floats(-500, 500),
    st.floats(-500, 500),
    st.floats(10, 2000),
    st.floats(-3.1, 3.1),
)


@given(crops)
def test_coordinates_go_there_and_back(crop):
    points = np.array([[-1.0, -1.0], [0.0, 0.0], [0.3, 0.9]])
    assert np.allclose(crop.to_crop(crop.to_frame(points)), points, atol=1e-9)
    assert np.allclose(crop.to_frame(np.zeros(2)), crop.centre)


def test_edges_of_an_unrotated_crop_are_outer_pixel_edges():
    crop = Crop(np.array([63.5, 63.5]), 128.0)  # exactly a 128-pixel picture
    assert np.allclose(crop.to_frame([[-1, -1], [1, 1]]), [[-0.5, -0.5], [127.5, 127.5]])


def test_cutting_a_whole_picture_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (CROP_SIZE, CROP_SIZE, 3), np.uint8)
    assert np.array_equal(Crop(np.array([63.5, 63.5]), 128.0).cut(image), image)


@pytest.mark.parametrize("side", [90.0, 128.0, 300.0])
@pytest.mark.parametrize("roll", [0.0, 0.5, -2.0])
def test_a_spot_is_cut_to_where_the_coordinates_say(side, roll):
    rows, columns = np.mgrid[:400, :500]
    spot = np.array([231.3, 172.8])
    bell = 255 * np.exp(-((columns - spot[0]) ** 2 + (rows - spot[1]) ** 2) / (2 * 5.0**2))
    image = np.repeat(np.round(bell).astype(np.uint8)[..., None], 3, axis=2)
    crop = Crop(np.array([240.0, 180.0]), side, roll)
    picture = crop.cut(image)[..., 0].astype(float)
    rows, columns = np.mgrid[:CROP_SIZE, :CROP_SIZE]
    seen = np.array([(columns * picture).sum(), (rows * picture).sum()]) / picture.sum()
    assert np.allclose((seen + 0.5) * 2 / CROP_SIZE - 1, crop.to_crop(spot), atol=0.01)


def test_crop_from_points_sets_a_rolled_face_upright():
    head = load_head()
    face = head.mean[head.points68][:, :2] * [800, -800]
    upright = Crop.from_points(face)
    assert upright.roll == pytest.approx(0.0, abs=1e-6)
    assert upright.side == pytest.approx(CROP_MARGIN * np.ptp(face, axis=0).max())
    turned = face @ rotation_2d(0.4).T + [300, 200]
    rolled = Crop.from_points(turned)
    assert rolled.roll == pytest.approx(0.4, abs=1e-6)
    assert rolled.side == pytest.approx(upright.side)
    assert np.allclose(rolled.to_crop(turned), upright.to_crop(face))


def test_crop_from_box_has_the_points_margin():
    crop = Crop.from_box(10, 20, 100, 80)
    assert np.allclose(crop.centre, [60, 60]) and crop.side == pytest.approx(140)


def test_outside_the_frame_repeats_the_border():
    image = np.full((50, 50, 3), 77, np.uint8)
    assert (Crop(np.array([0.0, 0.0]), 200.0).cut(image) == 77).all()
