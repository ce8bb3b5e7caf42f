# SPDX-License-Identifier: GPL-3.0-or-later
"""A frame of a video loses what such files lose, and no more."""

import cv2
import numpy as np
import pytest

from models.synthesis.video_damage import video_frame


def picture(height=128, width=128):
    """A smooth picture with edges and some grain."""
    rng = np.random.default_rng(2)
    small = rng.integers(40, 220, (9, 9, 3), dtype=np.uint8)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    cv2.circle(image, (width // 2, height // 2), height // 4, (230, 40, 60), -1)
    return cv2.add(image, rng.normal(0, 3, image.shape), dtype=cv2.CV_8U)


def loss(image, *arguments):
    return np.abs(video_frame(image, *arguments).astype(float) - image).mean()


@pytest.mark.parametrize("motion", [None, (3, -2)])
def test_coarser_quantisers_lose_more(motion):
    image = picture()
    losses = [loss(image, qp, motion) for qp in (10, 22, 30, 38, 46)]
    assert losses == sorted(losses)
    # The finest loses colour to 4:2:0 alone; the coarsest still shows the picture.
    assert losses[0] < 4 < losses[-1] < 25
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float)
    fine = cv2.cvtColor(video_frame(image, 0, motion), cv2.COLOR_RGB2GRAY)
    assert np.abs(fine - luma).mean() < 1.0


def test_colour_is_kept_at_half_the_resolution():
    image = np.full((64, 64, 3), 128, np.uint8)
    image[:, ::2] = (190, 100, 100)
    image[:, 1::2] = (60, 155, 150)
    decoded = video_frame(image, 4).astype(float)
    chroma = decoded[..., 0] - decoded[..., 1]
    assert np.abs(np.diff(chroma[:, 8:-8], axis=1)).mean() < 12


def test_grain_goes_and_edges_stay():
    rng = np.random.default_rng(0)
    image = np.full((96, 96, 3), 60, np.uint8)
    image[:, 50:] = 180
    noisy = cv2.add(image, np.repeat(rng.normal(0, 4, (96, 96, 1)), 3, axis=2), dtype=cv2.CV_8U)
    decoded = video_frame(noisy, 34).astype(float)
    assert decoded[:, 4:40].std() < 0.5 * noisy[:, 4:40].std()
    assert decoded[:, 54].mean() - decoded[:, 46].mean() > 100


@pytest.mark.parametrize("shape", [(24, 24), (35, 61), (192, 130)])
def test_any_size(shape):
    image = picture(*shape)
    before = image.copy()
    for motion in (None, (5, 4)):
        decoded = video_frame(image, 30, motion)
        assert decoded.shape == image.shape and decoded.dtype == np.uint8
        assert decoded.flags.c_contiguous
        np.testing.assert_array_equal(decoded, video_frame(image, 30, motion))
    np.testing.assert_array_equal(image, before)
