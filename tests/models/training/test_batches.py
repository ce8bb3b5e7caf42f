# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools grow and shrink; batches repeat by seed and their labels fit their pictures."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.reconstruction.config import UNKNOWN_CLASS, NetworkConfig
from models.synthesis.pool import GLASSES, HAIR, OCCLUDER, SKIN, chunk_path, open_chunk
from models.synthesis.raster import vertex_normals
from models.training.batches import (
    Drawn,
    TrainingBatches,
    clean_batch,
    training_batch,
)
from models.training.config import TrainingConfig
from models.training.labels import MirrorTables
from models.training.pool import (
    RESCAN_SECONDS,
    GrowingPool,
    PoolShare,
    check_points,
    held_out,
)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_pool_takes_new_chunks_and_forgets_old_ones(pool, tmp_path):
    clock, rng = Clock(), np.random.default_rng(0)
    growing = GrowingPool(tmp_path, clock)
    assert growing.draw(rng) is None
    shutil.copytree(chunk_path(pool, 1), chunk_path(tmp_path, 1))
    (tmp_path / ".00002.77").mkdir()  # one that is being written
    chunk_path(tmp_path, 3).mkdir()  # one that broke off
    assert growing.draw(rng) is None, "looks again only after a while"
    clock.now += RESCAN_SECONDS
    chunk, index = growing.draw(rng)
    assert chunk.folder == chunk_path(tmp_path, 1) and 0 <= index < len(chunk)
    shutil.rmtree(chunk_path(tmp_path, 1))
    assert chunk.image[index].sum() > 0, "mapped pictures outlive their files"
    clock.now += RESCAN_SECONDS
    assert growing.draw(rng) is None


def test_held_out_chunks_are_never_drawn(pool):
    rng = np.random.default_rng(0)
    growing = GrowingPool(pool)
    drawn = {growing.draw(rng)[0].folder.name for _ in range(100)}
    assert drawn == {"00001", "00002"} and held_out(chunk_path(pool, 0))


def test_pool_shares_are_read_from_words(pool):
    assert PoolShare.parse(f"{pool}:2.5") == PoolShare(str(pool), 2.5)
    assert PoolShare.parse(str(pool)) == PoolShare(str(pool), 1.0)
    with pytest.raises(FileNotFoundError, match="no pool folder"):
        PoolShare.parse("nowhere:1")
    with pytest.raises(ValueError, match="positive"):
        PoolShare.parse(f"{pool}:0")


def test_batches_repeat_by_seed_and_number(pool, head_model):
    tables, shares = MirrorTables.of(head_model), [PoolShare(str(pool))]
    from_start = iter(TrainingBatches(shares, tables, TrainingConfig(batch=5, seed=3)))
    next(from_start)
    second = next(from_start)
    resumed = next(iter(TrainingBatches(shares, tables, TrainingConfig(batch=5, seed=3), first=1)))
    other = next(iter(TrainingBatches(shares, tables, TrainingConfig(batch=5, seed=4), first=1)))
    assert all((second[name] == resumed[name]).all() for name in second)
    assert (second["image"] != other["image"]).any()


def test_pools_are_mixed_by_weight_and_an_empty_one_is_passed_over(pool, tmp_path, head_model):
    shares = [PoolShare(str(pool)), PoolShare(str(tmp_path), 100.0)]
    batches = TrainingBatches(shares, MirrorTables.of(head_model), TrainingConfig(batch=4))
    assert len(next(iter(batches))["image"]) == 4
    chunk_path(tmp_path, 1).mkdir()
    for file in chunk_path(pool, 1).iterdir():
        shutil.copy(file, chunk_path(tmp_path, 1))
    pools, rng = [GrowingPool(share.folder) for share in shares], np.random.default_rng(0)
    folders = [batches.draw(pools, rng)[0].folder.parent for _ in range(400)]
    assert np.mean([folder == tmp_path for folder in folders]) > 0.95


def test_labels_fit_the_pictures(pool, head_model):
    """Every face point is drawn as a dot on a plain ground, so pixels there differ from it."""
    chunk = open_chunk(chunk_path(pool, 1))
    batch = clean_batch(Drawn.of([(chunk, index) for index in range(len(chunk))]))
    assert batch["image"].shape == (12, 128, 128, 3) and batch["image"].dtype == np.uint8
    assert batch["face"].tolist() == [1] * 11 + [0]
    for row in range(11):
        pixel = np.rint((batch["points"][row, :68] + 1) * 64 - 0.5).astype(int)
        at_points = batch["image"][row][pixel[:, 1], pixel[:, 0]].astype(int)
        ground = batch["image"][row][2, 2].astype(int)
        assert (np.abs(at_points - ground).max(axis=1) > 20).mean() > 0.95
        nose = places(batch, "segmentation", row) - batch["points"][row, 30]
        cell = np.unravel_index(np.square(nose).sum(axis=-1).argmin(), nose.shape[:2])
        assert batch["segmentation"][row][cell] == SKIN


def test_training_batches_keep_labels_on_flipped_and_turned_pictures(pool, head_model):
    """Without what hides them, dots must still lie under their points in jittered crops."""
    chunk = open_chunk(chunk_path(pool, 1))
    drawn = Drawn.of([(chunk, index % 11) for index in range(44)])
    batch = training_batch(drawn, MirrorTables.of(head_model), np.random.default_rng(2))
    found = []
    for row in np.flatnonzero(batch["face"]):
        seen = batch["visible"][row] > 0
        pixel = np.rint((batch["points"][row][seen] + 1) * 64 - 0.5).astype(int).clip(0, 127)
        grey = batch["image"][row].astype(float).mean(2)
        spread = grey[pixel[:, 1], pixel[:, 0]].std()
        found.append(spread / (grey.std() + 1e-6))
        if seen.any():
            assert np.abs(batch["points"][row][seen]).max() <= 1.0
    assert np.median(found) > 0.8
    assert np.isfinite(batch["rotation"]).all()


def test_without_occluders_and_camera_pictures_are_as_rendered(pool, head_model):
    """Crops of flat pictures stay flat but for the dots; spoilt ones do not, be it all or some."""
    chunk = open_chunk(chunk_path(pool, 1))
    drawn, tables = Drawn.of([(chunk, index) for index in range(11)]), MirrorTables.of(head_model)

    def colours(**how):
        images = training_batch(drawn, tables, np.random.default_rng(2), **how)["image"]
        return np.array([len(np.unique(image.reshape(-1, 3), axis=0)) for image in images])

    plain, occluded = colours(occluders=False, camera=0.0), colours(occluders=True, camera=0.0)
    assert plain.mean() < occluded.mean() < colours(occluders=True, camera=1.0).mean()
    spoilt = colours(occluders=False, camera=0.5) > 2 * plain.max()
    assert 0 < spoilt.sum() < len(spoilt)


def test_a_pool_for_another_head_is_refused(pool, head_model):
    share = PoolShare(str(pool))
    check_points(share, len(head_model.point_vertices))
    with pytest.raises(ValueError, match="render the pool again"):
        check_points(share, len(head_model.point_vertices) + 1)


def places(batch, name, row):
    """Crop coordinates (S,S,2) of the centres of the cells in which a label is given."""
    side = batch[name].shape[1]
    axis = (np.arange(side) + 0.5) * 2 / side - 1
    whole = np.stack(np.meshgrid(axis, axis), axis=2)
    linear, shift = np.split(batch["crop_from_whole"][row], [2], axis=1)
    return whole @ linear.T + shift[:, 0]


@pytest.mark.parametrize("moved", [False, True])
def test_surface_labels_are_those_of_the_head_that_the_other_labels_describe(
    pool, head_model, moved
):
    """Cells at visible points hold the point's place on the mean head, its depth in the crop's
    camera and its normal; also in mirrored pictures and in turned and shifted crops."""
    chunk = open_chunk(chunk_path(pool, 1))
    drawn = Drawn.of([(chunk, index) for index in range(11)] * (4 if moved else 1))
    rng = np.random.default_rng(4)
    batch = clean_batch(drawn)
    if moved:
        batch = training_batch(drawn, MirrorTables.of(head_model), rng, occluders=False)
    away, deeper, turned, bent, right = [], [], [], [], []
    for row in np.flatnonzero(batch["face"]):
        posed = [batch[name][row] for name in ("identity", "expression", "gaze")]
        camera = head_model.evaluate(*posed) @ batch["rotation"][row].T
        normals = vertex_normals(camera.astype(np.float32), head_model.triangles)
        cells, seen = places(batch, "seen", row), batch["seen"][row]
        inner = np.flatnonzero(batch["visible"][row])
        for point in inner[(inner >= 17) & (normals[head_model.point_vertices[inner], 2] < -0.7)]:
            gap = np.linalg.norm(cells - batch["points"][row, point], axis=-1)
            cell = np.unravel_index(np.where(seen, gap, np.inf).argmin(), gap.shape)
            if gap[cell] < 0.03:  # crop units; half a cell
                vertex = head_model.point_vertices[point]
                away.append(batch["canonical"][row][cell] - head_model.mean[vertex])
                deeper.append(batch["depth"][row][cell] - camera[vertex, 2])
                normal, relief = batch["normal"][row][cell], batch["relief"][row][cell]
                turned.append(normal @ normals[vertex])
                bent.append(np.linalg.norm(normal + relief))
                right.append(relief[0])
    assert len(away) > 100 * (1 + moved)
    assert np.median(np.linalg.norm(away, axis=1)) < 0.004
    assert np.median(np.abs(deeper)) < 0.002
    assert np.median(turned) > np.cos(np.radians(10))
    assert np.allclose(bent, 1, atol=0.02)
    right = np.array(right)
    assert (right < 0).any() == moved, "the pool's leads to the right"


def test_what_is_painted_before_a_face_hides_its_surface(pool, head_model):
    chunk = open_chunk(chunk_path(pool, 1))
    drawn = Drawn.of([(chunk, index % 11) for index in range(88)])
    tables, hidden = MirrorTables.of(head_model), 0
    batch = training_batch(drawn, tables, np.random.default_rng(6), camera=0.0)
    for row in np.flatnonzero(batch["face"]):
        classes, seen = batch["segmentation"][row], batch["seen"][row]
        painted = np.isin(classes, (HAIR, GLASSES, OCCLUDER)).reshape(48, 2, 48, 2).any(axis=(1, 3))
        assert not (seen & painted).any() and not batch["lifted"][row][painted].any()
        hidden += painted.any()
    assert hidden > 10
    assert (batch["segmentation"] == UNKNOWN_CLASS).any(), "what lies outside the crop"


def test_a_pool_without_surfaces_knows_none(pool, tmp_path, head_model):
    shutil.copytree(chunk_path(pool, 1), chunk_path(tmp_path, 1))
    (chunk_path(tmp_path, 1) / "surface.npy").unlink()
    batch = clean_batch(Drawn.of([(open_chunk(chunk_path(tmp_path, 1)), 0)]))
    assert not batch["seen"].any() and not batch["lifted"].any()
    assert np.isfinite(batch["depth"]).all() and not batch["canonical"].any()


def test_batches_of_a_network_without_pixels_have_no_cells(pool, head_model):
    """All else is as it would be with them."""
    tables, shares, network = MirrorTables.of(head_model), [PoolShare(str(pool))], NetworkConfig.of(head_model)
    configs = [TrainingConfig(batch=6, network=replace(network, pixel_widths=w)) for w in ((8,) * 4, ())]
    with_cells, without = (next(iter(TrainingBatches(shares, tables, c))) for c in configs)
    assert set(with_cells) - set(without) == {
        "segmentation", "crop_from_whole", "canonical", "depth", "normal", "relief", "seen", "lifted"
    }  # fmt: skip
    assert all(torch.equal(with_cells[name], value) for name, value in without.items())


def test_neighbours_show_the_same_face_a_little_beside(pool, head_model):
    """The last rows are the first ones again: same truth, same things before them, other noise."""
    chunk, tables = open_chunk(chunk_path(pool, 1)), MirrorTables.of(head_model)
    picks = [(chunk, index) for index in range(11)]
    drawn = Drawn.of(picks + picks[:5])
    batch = training_batch(drawn, tables, np.random.default_rng(4), neighbours=5)
    assert batch["neighbour"].tolist() == [-1] * 11 + [0, 1, 2, 3, 4]
    for row in range(11, 16):
        before = batch["neighbour"][row]
        for name in ("identity", "expression", "gaze", "face"):
            assert (batch[name][row] == batch[name][before]).all()
        moved = np.abs(batch["points"][row] - batch["points"][before]).max()
        assert 0 < moved < 0.15, "in crop units: up to some pixels"
        pair = batch["image"][[row, before]].astype(float)
        assert 0.1 < np.abs(pair[0] - pair[1]).mean() < 25
        other = batch["image"][5 + row % 5].astype(float)
        assert np.abs(pair[0] - pair[1]).mean() < 0.7 * np.abs(pair[0] - other).mean()


def test_a_share_of_the_crops_are_neighbours(pool, head_model):
    shares, tables = [PoolShare(str(pool))], MirrorTables.of(head_model)
    batch = next(iter(TrainingBatches(shares, tables, TrainingConfig(batch=8, neighbours=0.25))))
    assert batch["neighbour"].tolist() == [-1] * 6 + [0, 1] and len(batch["image"]) == 8
    assert "neighbour" not in next(iter(TrainingBatches(shares, tables, TrainingConfig(batch=8))))
