# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of per-pixel answers: a perfect answer, and errors of known size."""

import numpy as np
import pytest

from models.evaluation.pixels import (
    PixelMeasure,
    confusion_matrix,
    intersection_over_union,
    pixel_lines,
)

CELLS = 64
TURN = np.array([[1.1, 0.2, 0.1], [-0.2, 1.1, -0.05]])  # whole picture to crop


def places(side, maps=None):
    """Coordinates (side,side,2) of cells' centres, -1..1 in the picture; in the crop with maps."""
    axis = (np.arange(side) + 0.5) * 2 / side - 1
    whole = np.stack(np.meshgrid(axis, axis), axis=2)
    return whole if maps is None else whole @ maps[:, :2].T + maps[:, 2]


def regions(place):
    """Three bands of classes across the crop."""
    return np.digitize(place[..., 0], (-0.4, 0.3)).astype(np.uint8)


def slope(place):
    """A tilted plane: its places on the mean head (…,3) m, linear in those in the crop."""
    return np.concatenate([0.1 * place, 0.02 * place[..., :1]], axis=-1)


@pytest.fixture
def batch():
    fine, coarse = places(96, TURN), places(48, TURN)
    classes = np.where((np.abs(fine) < 1).all(axis=2), regions(fine), 255)
    seen = (np.abs(coarse) < 0.9).all(axis=2)
    normal = np.broadcast_to([0.0, 0.6, -0.8], (48, 48, 3))
    relief = np.array([0.1, 0, 0]) * seen[..., None]
    return {
        "image": np.zeros((1, 128, 128, 3), np.uint8), "face": np.ones(1),
        "crop_from_whole": TURN[None], "segmentation": classes[None].astype(np.uint8),
        "canonical": slope(coarse)[None], "depth": slope(coarse)[None, ..., 2],
        "normal": normal[None], "relief": relief[None], "seen": seen[None],
        "lifted": (seen & (coarse[..., 0] > 0))[None],
    }  # fmt: skip


@pytest.fixture
def answer():
    place = places(CELLS)
    normal = np.broadcast_to(np.array([0.1, 0.6, -0.8])[:, None, None], (3, CELLS, CELLS))
    # Soft borders: a class's share of a cell, as a network says it.
    parts = np.stack([regions(place + (shift, 0)) for shift in np.linspace(-1, 1, 16) / CELLS])
    shares = np.stack([(parts == value).mean(axis=0) for value in range(8)])
    return {
        "segmentation": shares[None], "canonical": np.moveaxis(slope(place), 2, 0)[None],
        "depth": slope(place)[None, ..., 2], "normal": normal[None],
    }  # fmt: skip


def figures(answer, batch):
    measure = PixelMeasure()
    measure.add(answer, batch)
    return measure.figures()


def test_a_perfect_answer_in_a_turned_crop(answer, batch):
    found = figures(answer, batch)
    assert set(found["class_iou"]) == {"background", "skin", "eyes"}
    assert found["segmentation_iou"] > 0.97
    assert found["canonical_mm"] < 0.1 and found["depth_mm"] < 0.02
    assert found["normal_degrees"] < 0.1
    without = np.degrees(np.arctan(0.1))
    assert found["relief_degrees"] == pytest.approx(without, rel=1e-3)
    assert f"{without:.2f} degrees" in pixel_lines(found)[1]


def test_errors_of_known_size(answer, batch):
    answer["canonical"] = answer["canonical"] + np.array([3e-3, 0, 4e-3])[:, None, None]
    answer["depth"] = answer["depth"] - 2e-3
    answer["normal"] = np.array([0.1, 0.8, 0.6])[None, :, None, None] + np.zeros((1, 1, CELLS, CELLS))
    answer["segmentation"] = np.roll(answer["segmentation"], 8, axis=3)  # an eighth of the crop
    found = figures(answer, batch)
    assert found["canonical_mm"] == pytest.approx(5, rel=0.01)
    assert found["depth_mm"] == pytest.approx(2, rel=0.01)
    assert found["normal_degrees"] == pytest.approx(np.degrees(np.arccos(0.01 / 1.01)), rel=1e-3)
    assert 0.4 < found["segmentation_iou"] < 0.8


def test_what_is_not_said_or_not_seen_is_not_measured(answer, batch):
    regions_alone = figures({"segmentation": answer["segmentation"]}, batch)
    assert regions_alone["segmentation_iou"] > 0.97 and np.isnan(regions_alone["depth_mm"])
    assert len(pixel_lines(regions_alone)) == 1
    batch["face"][:] = 0
    assert np.isnan(figures(answer, batch)["canonical_mm"])
    assert PixelMeasure().figures()["class_iou"] == {}


def test_intersection_over_union_leaves_unknown_cells_out():
    true = np.array([[0, 0, 1, 255]])
    confusion = confusion_matrix(np.array([[0, 1, 1, 5]]), true)
    iou = intersection_over_union(confusion)
    assert iou == {"background": pytest.approx(1 / 2), "skin": pytest.approx(1 / 2)}
