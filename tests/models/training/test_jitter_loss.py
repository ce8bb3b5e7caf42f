# SPDX-License-Identifier: GPL-3.0-or-later
"""The jitter loss knows a change of the error from an error, and from motion."""

import pytest
import torch

from models.reconstruction.network import Reconstruction
from models.training.jitter_loss import POINT_JITTER, ROTATION_JITTER, jitter_loss

PAIRS, POINTS = 8, 70


@pytest.fixture
def batch():
    torch.manual_seed(0)
    rows = 2 * PAIRS + 1  # one row without a neighbour
    return {
        "points": torch.rand(rows, POINTS, 2) - 0.5,
        "identity": torch.randn(rows, 60),
        "expression": torch.rand(rows, 52),
        "gaze": torch.randn(rows, 2, 2) * 0.2,
        "rotation": torch.linalg.qr(torch.randn(rows, 3, 3)).Q,
        "face": torch.ones(rows),
        "neighbour": torch.cat([torch.full((PAIRS + 1,), -1), torch.arange(PAIRS)]),
    }


def truth(batch, **other):
    said = {name: batch[name] for name in ("points", "identity", "expression", "gaze", "rotation")}
    sigma, face = torch.full(batch["points"].shape[:2], 0.1), batch["face"]
    return Reconstruction(**said | other, point_sigma=sigma, face_logit=face)


def test_the_truth_about_a_face_that_moves_does_not_tremble(batch):
    assert jitter_loss(truth(batch), batch) < 0.01


def test_the_same_error_in_both_frames_is_no_jitter_but_a_change_of_it_is(batch):
    off = batch["points"] + torch.tensor([0.05, -0.02])
    assert jitter_loss(truth(batch, points=off), batch) < 0.01
    off[PAIRS + 1 :, :, 0] += POINT_JITTER
    assert jitter_loss(truth(batch, points=off), batch).item() == pytest.approx(1 / 4, abs=0.01)


def test_rows_without_a_neighbour_or_a_face_do_not_count(batch):
    off = batch["points"].clone()
    off[PAIRS] += 1
    batch["face"][2 * PAIRS] = 0
    off[2 * PAIRS] += 1
    assert jitter_loss(truth(batch, points=off), batch) < 0.01
    batch["neighbour"][:] = -1
    assert jitter_loss(truth(batch, points=off), batch) == 0


def test_a_turn_counts_by_its_size(batch):
    angle = torch.tensor(ROTATION_JITTER / 2**0.5)  # whose Frobenius norm is the scale
    turn = torch.eye(3)
    turn[0, 0] = turn[1, 1] = angle.cos()
    turn[0, 1], turn[1, 0] = -angle.sin(), angle.sin()
    turned = batch["rotation"].clone()
    turned[PAIRS + 1 :] = turn @ turned[PAIRS + 1 :]
    assert jitter_loss(truth(batch, rotation=turned), batch).item() == pytest.approx(1 / 4, abs=0.01)


def test_answering_less_does_not_calm_the_weights(batch):
    """Where a face holds still, half the answers tremble half as much, and vary half as much."""
    batch["expression"][PAIRS + 1 :] = batch["expression"][:PAIRS]
    noise = 0.1 * torch.randn_like(batch["expression"])
    answer = 2 * batch["expression"] + noise
    full, half = (jitter_loss(truth(batch, expression=k * answer), batch) for k in (1, 0.5))
    assert full > 0.1 and half == pytest.approx(full.item(), rel=0.02)
