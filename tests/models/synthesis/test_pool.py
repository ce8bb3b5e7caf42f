# SPDX-License-Identifier: GPL-3.0-or-later
"""Chunks come back as they were written, or not at all."""

import numpy as np
import pytest

from models.synthesis import pool


def sample(seed):
    rng = np.random.default_rng(seed)
    return pool.Sample(
        image=rng.integers(0, 256, (192, 192, 3), dtype=np.uint8),
        points=rng.uniform(0, 192, (90, 2)).astype(np.float32),
        visible=rng.integers(0, 2, 90).astype(np.uint8),
        identity=rng.normal(size=60).astype(np.float32),
        expression=rng.uniform(size=52).astype(np.float32),
        gaze=rng.normal(size=(2, 2)).astype(np.float32),
        rotation=np.eye(3, dtype=np.float32), face=1,
        segmentation=rng.integers(0, 8, (96, 96), dtype=np.uint8), source=pool.SOURCE_PORTRAIT,
        focal=float(rng.integers(100, 900)))


def test_round_trip(tmp_path):
    written = [sample(k) for k in range(5)]
    pool.write_chunk(tmp_path / "pool", 3, written)
    pool.write_chunk(tmp_path / "pool", 1, written[:2])
    chunks = pool.open_chunks(tmp_path / "pool")
    assert [len(chunk) for chunk in chunks] == [2, 5]
    assert isinstance(chunks[0].image, np.memmap)
    for index, expected in enumerate(written):
        got = chunks[1].sample(index)
        for name in pool.Sample.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))


def test_unfinished_chunks_are_not_seen(tmp_path):
    (tmp_path / ".00000.123").mkdir()
    assert pool.open_chunks(tmp_path) == [] and pool.chunk_paths(tmp_path) == []


def test_nothing_is_left_of_a_failed_chunk(tmp_path):
    odd = pool.Sample(**{**sample(0).__dict__, "points": np.zeros((3, 2), np.float32)})
    with pytest.raises(ValueError):
        pool.write_chunk(tmp_path, 0, [sample(0), odd])
    assert list(tmp_path.iterdir()) == []


def test_a_finished_chunk_is_kept(tmp_path):
    pool.write_chunk(tmp_path, 0, [sample(0)])
    with pytest.raises(FileExistsError):
        pool.write_chunk(tmp_path, 0, [sample(1)])
    np.testing.assert_array_equal(pool.open_chunks(tmp_path)[0].image[0], sample(0).image)


def test_no_folder():
    with pytest.raises(FileNotFoundError):
        pool.open_chunks("/nonexistent/pool")


def test_labels_of_the_surface_are_optional(tmp_path):
    rng = np.random.default_rng(1)
    surface = pool.no_surface()
    surface["depth"] = rng.integers(-900, 900, surface.shape)
    surface["normal"] = rng.integers(-127, 128, (*surface.shape, 3))
    labelled = pool.Sample(**{**sample(0).__dict__, "surface": surface})
    pool.write_chunk(tmp_path, 0, [sample(1), labelled])
    pool.write_chunk(tmp_path, 1, [sample(2)])
    with_surface, without = pool.open_chunks(tmp_path)
    assert isinstance(with_surface.surface, np.memmap)
    np.testing.assert_array_equal(with_surface.sample(1).surface, surface)
    np.testing.assert_array_equal(with_surface.sample(0).surface, pool.no_surface())
    assert without.surface is None and without.sample(0).surface is None
    assert not (without.folder / "surface.npy").exists()
