# SPDX-License-Identifier: GPL-3.0-or-later
"""Losses that have a right answer on small cases."""

import pytest
import torch

from models.head import SHAPE_NAMES
from models.reconstruction.network import Reconstruction
from models.reconstruction.pixels import PixelAnswer
from models.training.config import LossWeights
from models.training.losses import (
    BALANCE_MEMORY,
    PARAMETER_SHARE,
    BalancedShapeLoss,
    ReconstructionLoss,
    expression_loss,
    gap_loss,
    gaze_loss,
    identity_loss,
    point_losses,
    within_range,
)
from models.training.pixel_losses import at_labels, overlap_loss, segmentation_loss, vector_loss


def test_the_likelihood_is_lowest_at_the_true_spread():
    torch.manual_seed(0)
    spread = 0.04
    true = torch.zeros(2000, 1, 2)
    points = torch.randn(2000, 1, 2) * spread
    weight = torch.ones(2000, 1)
    losses = [
        point_losses(points, torch.full((2000, 1), s), true, weight)[0].item()
        for s in (spread * 0.7, spread, spread * 1.4)
    ]
    assert losses[1] < losses[0] and losses[1] < losses[2]


def test_gap_loss_ignores_a_common_shift_but_not_a_gap():
    true = torch.rand(3, 68, 2)
    visible = torch.ones(3, 68)
    pairs = torch.tensor([(37, 41), (62, 66)])
    assert gap_loss(true + 0.3, true, visible, pairs) < 1e-2
    wider = true.clone()
    wider[:, 37, 1] += 0.06
    assert gap_loss(wider, true, visible, pairs).item() == pytest.approx(1.0, rel=1e-2)


def test_an_unusual_gap_counts_more_than_an_ordinary_one():
    true = torch.zeros(9, 68, 2)
    true[0, 62, 1] = -0.1  # one mouth is open
    visible, pairs = torch.ones(9, 68), torch.tensor([(62, 66)])
    missed_open, missed_closed = true.clone(), true.clone()
    missed_open[0, 62, 1] = 0
    missed_closed[1, 62, 1] = -0.1
    losses = [gap_loss(said, true, visible, pairs) for said in (missed_open, missed_closed)]
    assert losses[0] > 3 * losses[1]


def test_a_rare_shape_counts_as_much_as_a_frequent_one():
    true = torch.zeros(64, 52)
    true[0, 5] = 1.0  # rare
    true[:32, 6] = 1.0  # frequent
    missed_rare, missed_frequent = true.clone(), true.clone()
    missed_rare[:, 5] = 0
    missed_frequent[:, 6] = 0
    rare = expression_loss(missed_rare - true, true, None)
    frequent = expression_loss(missed_frequent - true, true, None)
    assert rare == pytest.approx(frequent.item(), rel=1e-5)
    noise = torch.where(true > 0, 0.0, 0.05)
    assert rare > expression_loss(noise, true, None), "52 shapes a little off weigh less"
    assert expression_loss(true - true, true, None) == 0


def test_weights_beyond_their_range_cost_nothing_where_clamping_mends_them():
    predicted, true = torch.tensor([[-0.3, -0.3, 1.2, 0.4]]), torch.tensor([[0.0, 0.5, 1.0, 0.0]])
    mended = within_range(predicted, true)
    assert torch.equal(mended, torch.tensor([[0.0, -0.3, 1.0, 0.4]]))


def test_a_closed_eye_has_no_gaze():
    expression = torch.zeros(1, 52)
    true, wrong = torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)
    wrong[0, 0] = 0.5  # the left eye
    assert gaze_loss(wrong, true, expression) > 0.1
    expression[0, SHAPE_NAMES.index("eyeBlinkLeft")] = 1.0
    assert gaze_loss(wrong, true, expression) == 0


def test_a_small_class_counts_as_much_as_a_large_one():
    """Whichever of the three that occur is taken for another one, a third of the overlap is lost."""
    classes = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    right = torch.nn.functional.one_hot(classes, 8).float().T
    assert overlap_loss(right, classes) == 0
    for value in range(3):
        missed = torch.where(classes == value, torch.eye(8)[:, 5:6], right)
        assert overlap_loss(missed, classes) == pytest.approx(1 / 3)


def test_unknown_classes_do_not_count():
    logits = torch.randn(2, 8, 96, 96)
    classes = torch.full((2, 96, 96), 255, dtype=torch.uint8)
    assert segmentation_loss(logits, classes, torch.ones(8)) == 0
    classes[0, 0, 0] = 3
    other = logits.clone()
    other[1] += 9 * torch.randn(8, 96, 96)
    losses = [segmentation_loss(some, classes, torch.ones(8)) for some in (logits, other)]
    assert losses[0] == losses[1] and losses[0] > 0
    logits[0, 3, 0, 0] += 30
    assert segmentation_loss(logits, classes, torch.ones(8)) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("cells", [64, 128])
def test_answers_are_read_where_the_labels_lie(cells):
    """An answer that is the place in the crop reads as that of the cell, in turned crops too."""
    axis = (torch.arange(cells) + 0.5) / (cells / 2) - 1
    answer = torch.stack(torch.meshgrid(axis, axis, indexing="xy")).repeat(2, 1, 1, 1)
    crop_from_whole = torch.tensor([[[1.2, 0.3, 0.1], [-0.3, 1.2, 0]], [[0.9, 0, 0.2], [0, 0.9, 0]]])
    axis = (torch.arange(48) + 0.5) / 24 - 1
    whole = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=2).reshape(1, -1, 2)
    place = whole @ crop_from_whole[:, :, :2].mT + crop_from_whole[:, None, :, 2]
    inside = (place.abs() < 0.98).all(dim=2)
    read = at_labels(answer, crop_from_whole, 48).flatten(2).mT
    assert 1000 < inside.sum() < 2 * 48 * 48
    assert torch.allclose(read[inside], place[inside], atol=1e-5)


def test_geometry_counts_where_the_head_is_seen():
    said, true = torch.randn(2, 3, 48, 48), torch.randn(2, 48, 48, 3)
    known = torch.zeros(2, 48, 48, dtype=torch.bool)
    assert vector_loss(said, true, known, 0.1) == 0
    known[1, 4, 7] = True
    said[1, :, 4, 7] = true[1, 4, 7] + torch.tensor([0.0, 0.3, 0.4])
    assert vector_loss(said, true, known, 0.1).item() == pytest.approx(26**0.5 - 1, rel=1e-4)


def test_parameters_are_scaled_to_the_vertices_they_produce():
    """At progress 0 the parameters' part is their share of the vertices' size, whatever theirs."""
    torch.manual_seed(1)
    basis = torch.randn(60, 90, 3) * 0.001
    loss = BalancedShapeLoss(basis, lambda *a: 1000 * identity_loss(*a)).train()
    predicted, true = torch.randn(8, 60), torch.randn(8, 60)
    early, late = loss(predicted, true, 0.0), loss(predicted, true, 1.0)
    assert early == pytest.approx(late.item(), rel=1e-4), "balanced: the sum is the vertices' size"
    before = loss.sizes.clone()
    loss(predicted, true + 1, 0.0)
    assert 0 < (loss.sizes - before).abs()[0] < (1 - BALANCE_MEMORY) * 100
    assert PARAMETER_SHARE[0] > PARAMETER_SHARE[1]


def test_unless_dynamic_both_count_half_as_they_are():
    torch.manual_seed(1)
    basis, calls = torch.randn(60, 90, 3) * 0.001, []

    def parameters(*values):
        calls.append(identity_loss(*values))
        return calls[-1]

    predicted, true = torch.randn(8, 60), torch.randn(8, 60)
    fixed = BalancedShapeLoss(basis, parameters, dynamic=False).train()
    early, late = fixed(predicted, true, 0.0), fixed(predicted, true, 1.0)
    vertices = BalancedShapeLoss(basis, lambda *a: torch.tensor(0.0)).train()(predicted, true, 1.0)
    share = 1 - PARAMETER_SHARE[1]
    assert early == late == pytest.approx((calls[0] + vertices / share).item() / 2, rel=1e-5)


def test_crops_without_a_face_teach_the_face_score_and_regions_alone():
    torch.manual_seed(2)
    points = 80
    loss = ReconstructionLoss(LossWeights(), torch.randn(60, points, 3), torch.randn(52, points, 3))
    answer = Reconstruction(
        *(
            torch.rand(2, *shape).requires_grad_()
            for shape in ((points, 2), (points,), (60,), (52,), (2, 2), (3, 3), ())
        )
    )
    batch = {
        "face": torch.tensor([1.0, 0.0]),
        "points": torch.rand(2, points, 2), "visible": torch.ones(2, points),
        "identity": torch.rand(2, 60), "expression": torch.rand(2, 52),
        "gaze": torch.rand(2, 2, 2), "rotation": torch.rand(2, 3, 3),
        "segmentation": torch.full((2, 96, 96), 1, dtype=torch.uint8),
        "crop_from_whole": torch.eye(2, 3).repeat(2, 1, 1),
        "canonical": torch.rand(2, 48, 48, 3), "depth": torch.rand(2, 48, 48),
        "normal": torch.rand(2, 48, 48, 3), "relief": torch.rand(2, 48, 48, 3),
        "seen": torch.ones(2, 48, 48, dtype=torch.bool),
        "lifted": torch.ones(2, 48, 48, dtype=torch.bool),
    }  # fmt: skip
    pixels = PixelAnswer(
        *(
            torch.rand(2, *shape).requires_grad_()
            for shape in ((8, 128, 128), (3, 64, 64), (64, 64), (3, 64, 64), (3, 64, 64))
        )
    )
    total, parts = loss(answer, pixels, batch, 0.0)
    total.backward()
    for name, value in answer._asdict().items():
        gradient = value.grad.reshape(2, -1).abs().sum(1)
        assert gradient[0] > 0 and (gradient[1] > 0) == (name == "face_logit"), name
    for name, value in pixels._asdict().items():
        gradient = value.grad.reshape(2, -1).abs().sum(1)
        assert gradient[0] > 0 and (gradient[1] > 0) == (name == "segmentation"), name
    assert total.item() == pytest.approx(sum(p.item() for p in parts.values()), rel=1e-5)
    batch["face"][:] = 0
    _, parts = loss(answer, pixels, batch, 0.0)
    assert {name for name, part in parts.items() if part != 0} == {"face", "segmentation"}
    _, parts = loss(answer, None, batch, 0.0)
    assert set(parts) == {"face"}
    _, parts = loss(None, pixels, batch, 0.0)
    assert set(parts) == set(pixels._fields)


def test_the_jitter_loss_comes_with_training():
    torch.manual_seed(3)
    points, rows = 80, 4
    loss = ReconstructionLoss(LossWeights(), torch.randn(60, points, 3), torch.randn(52, points, 3))
    shapes = ((points, 2), (points,), (60,), (52,), (2, 2), (3, 3), ())
    answer = Reconstruction(*(torch.rand(rows, *shape) for shape in shapes))
    batch = {
        "face": torch.ones(rows), "neighbour": torch.tensor([-1, -1, -1, 0]),
        "points": torch.rand(rows, points, 2), "visible": torch.ones(rows, points),
        "identity": torch.rand(rows, 60), "expression": torch.rand(rows, 52),
        "gaze": torch.rand(rows, 2, 2), "rotation": torch.rand(rows, 3, 3),
    }  # fmt: skip
    early, late = (loss(answer, None, batch, share)[1]["jitter"] for share in (0.25, 1.0))
    assert 0 < early == pytest.approx(late.item() / 4, rel=1e-5)
