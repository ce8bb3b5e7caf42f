# SPDX-License-Identifier: GPL-3.0-or-later
"""The losses: a multi-task sum in which every task is about 1 at a young network's error.

A batch is the dictionary of `models.training.batches.assemble`. Crops without a face count for the
face score alone.
"""

import torch
from torch import nn
from torch.nn import functional

from models.head import SHAPE_NAMES

from .jitter_loss import jitter_loss
from .pixel_losses import CLASS_WEIGHTS, pixel_losses
from .sizes import distances, pseudo_huber

HIDDEN_POINT_WEIGHT = 0.3  # of a point that is covered, self-occluded or outside the crop
LANDMARK_WEIGHT = 2.0  # an iBUG point against a dense one
POINT_SCALE = 0.05  # crop units; the next scales likewise are typical errors of a young network
GAP_SCALE = 0.03  # crop units
VERTEX_SCALE = 0.003  # metres; below, the error counts by its square
GAZE_SCALE = 0.15  # radians
ROTATION_SCALE = 0.3  # Frobenius norm; about 12 degrees
ACTIVE_WEIGHT = 0.35  # share of the samples that use a shape in its loss; at rest is the rest
ACTIVE_FROM = 0.05  # weight from which a shape is in use
EXPRESSION_SCALE = 0.25  # shape weight; below, the error counts by its square
PARAMETER_SHARE = (0.7, 0.3)  # of the shape loss, at the start and at the end of training
BALANCE_MEMORY = 0.98  # per step, of the running sizes of the balanced losses

# Pairs of iBUG points whose difference carries expression: lids, lips, mouth width, brow height,
# eye width (facts of the first trial: eye opening r .54 -> .72 at the same point error), and here
# also the mouth's height and place under the nose, inner brows, and the jaw against the mouth.
GAP_PAIRS = (
    (37, 41), (38, 40), (43, 47), (44, 46),
    (61, 67), (62, 66), (63, 65), (48, 54), (60, 64), (51, 57),
    (19, 37), (24, 44), (21, 39), (22, 42), (17, 36), (26, 45), (21, 22),
    (36, 39), (42, 45),
    (33, 51), (31, 48), (35, 54), (57, 8),
)  # fmt: skip


class ReconstructionLoss(nn.Module):
    """All losses of a batch.

    identity_basis (60,P,3) and shapes (52,P,3): the head model at the tracked points, metres.
    dynamic: as in TrainingConfig.
    """

    def __init__(self, weights, identity_basis, shapes, dynamic=True):
        super().__init__()
        self.weights = weights
        self.identity = BalancedShapeLoss(identity_basis, identity_loss, dynamic)
        self.expression = BalancedShapeLoss(shapes, expression_loss, dynamic)
        points = identity_basis.shape[1]
        point_weight = torch.ones(points)
        point_weight[:68] = LANDMARK_WEIGHT
        self.register_buffer("point_weight", point_weight, persistent=False)
        self.register_buffer("gaps", torch.tensor(GAP_PAIRS), persistent=False)
        classes = torch.tensor(CLASS_WEIGHTS)
        self.register_buffer("class_weight", classes, persistent=False)

    def forward(self, answer, pixels, batch, progress):
        """Sum and parts of the losses.

        answer: Reconstruction; pixels: PixelAnswer; either may be None, and has no losses then;
        progress: share of the training done, 0..1.
        Returns a scalar and a dictionary of detached scalars.
        """
        parts, weight = {}, self.weights
        if pixels is not None:
            losses = pixel_losses(pixels, batch, self.class_weight)
            parts |= {name: getattr(weight, name) * loss for name, loss in losses.items()}
        if answer is not None:
            parts |= self.answer_parts(answer, batch, progress)
        total = sum(parts.values())
        return total, {name: part.detach() for name, part in parts.items()}

    def answer_parts(self, answer, batch, progress):
        """The losses of a Reconstruction."""
        face = batch["face"] > 0.5
        weight = self.weights
        parts = {"face": weight.face * face_loss(answer.face_logit, batch["face"])}
        if "neighbour" in batch:
            # Calm is learnt last: from the start it keeps a network from learning anything.
            parts["jitter"] = weight.jitter * progress * jitter_loss(answer, batch)
        if face.any():
            answer = type(answer)(*(value[face] for value in answer))
            batch = {name: value[face] for name, value in batch.items()}
            parts |= self.face_parts(answer, batch, progress)
        return parts

    def face_parts(self, answer, batch, progress):
        """The losses of the crops that hold a face."""
        weight = self.weights
        certainty = batch["visible"] * (1 - HIDDEN_POINT_WEIGHT) + HIDDEN_POINT_WEIGHT
        point_weight = certainty * self.point_weight
        likelihood, distance = point_losses(
            answer.points, answer.point_sigma, batch["points"], point_weight
        )
        return {
            "likelihood": weight.point_likelihood * likelihood,
            "distance": weight.point_distance * distance,
            "gap": weight.gap
            * gap_loss(answer.points, batch["points"], batch["visible"], self.gaps),
            "identity": weight.identity
            * self.identity(answer.identity, batch["identity"], progress),
            "expression": weight.expression
            * self.expression(
                within_range(answer.expression, batch["expression"]), batch["expression"], progress
            ),
            "gaze": weight.gaze * gaze_loss(answer.gaze, batch["gaze"], batch["expression"]),
            "rotation": weight.rotation * rotation_loss(answer.rotation, batch["rotation"]),
        }


class BalancedShapeLoss(nn.Module):
    """Parameters and the vertices they produce, weighed against each other as training goes.

    Wei et al. (2022, doi 10.1117/12.2644477) regress a small parameter vector with a weighting
    that changes while training, after the meta-joint optimisation of 3DDFA_V2 (Guo et al. 2020,
    arXiv 2009.09960): errors of parameters lead at first, errors of vertices later, and the former
    are scaled to the size of the latter so that neither drowns the other. Here the scale is a
    running ratio of the two losses, and the share moves from PARAMETER_SHARE[0] to [1].

    basis (K,P,3) metres: displacement of the points for one unit of each parameter. Unless dynamic,
    both count half as they are, all the time.
    """

    def __init__(self, basis, parameter_loss, dynamic=True):
        super().__init__()
        self.parameter_loss = parameter_loss
        self.dynamic = dynamic
        self.register_buffer("basis", basis.reshape(len(basis), -1), persistent=False)
        reach = basis.square().sum(dim=2).mean(dim=1).sqrt()
        self.register_buffer("reach", reach / reach.mean(), persistent=False)
        self.register_buffer("sizes", torch.zeros(2))  # running vertex and parameter losses

    def forward(self, predicted, true, progress):
        """predicted, true (N,K) -> scalar."""
        error = predicted - true
        displacement = (error @ self.basis).reshape(len(true), -1, 3) / VERTEX_SCALE
        vertices = pseudo_huber(displacement.square().sum(dim=2)).mean()
        parameters = self.parameter_loss(error, true, self.reach)
        if not self.dynamic:
            return (vertices + parameters) / 2
        ratio = self.update(vertices.detach(), parameters.detach())
        share = PARAMETER_SHARE[0] + (PARAMETER_SHARE[1] - PARAMETER_SHARE[0]) * progress
        return (1 - share) * vertices + share * ratio * parameters

    def update(self, vertices, parameters):
        """Take the losses' sizes into the running ones; returns their ratio."""
        now = torch.stack([vertices, parameters])
        if self.training and torch.isfinite(now).all():
            first = self.sizes.sum() == 0
            memory = torch.where(first, 0.0, BALANCE_MEMORY)
            self.sizes.copy_(memory * self.sizes + (1 - memory) * now)
        sizes = self.sizes if self.sizes.sum() > 0 else now
        return sizes[0] / sizes[1].clamp_min(1e-6)


def point_losses(points, sigma, true, weight):
    """Gaussian negative log-likelihood (Wood et al. 2022, arXiv 2204.02776) and distance.

    points, true (N,P,2), sigma, weight (N,P). The likelihood lets a point say that it is unsure;
    the plain distance keeps pulling where it does. Both are weighted means over all points.
    """
    weight = weight / weight.sum()
    offset = points - true
    square = offset.square().sum(dim=2)
    likelihood = 2 * (sigma / POINT_SCALE).log() + square / (2 * sigma.square())
    return (weight * likelihood).sum(), (weight * distances(offset)).sum() / POINT_SCALE


def gap_loss(points, true, visible, pairs):
    """Distance between predicted and true differences of point pairs; (N,P,2), (N,P), (G,2).

    A gap counts the more the further it lies from the batch's mean gap: a network that is unsure
    errs towards the mean, and expressions would come out too small.
    """
    first, second = pairs[:, 0], pairs[:, 1]
    gap = true[:, first] - true[:, second]
    error = (points[:, first] - points[:, second]) - gap
    unusual = distances(gap - gap.mean(dim=0))
    seen = visible[:, first] * visible[:, second]
    weight = seen * (1 - HIDDEN_POINT_WEIGHT) + HIDDEN_POINT_WEIGHT
    weight = weight * (1 + unusual / unusual.mean(dim=0))
    return (weight * distances(error)).sum() / weight.sum() / GAP_SCALE


def within_range(predicted, true):
    """Shape weights (N,52) as predicted, but beyond 0..1 as if at the bound where it is true.

    So a weight at rest may come out negative, which clamping mends, at no cost.
    """
    below, above = (true <= 0) & (predicted < 0), (true >= 1) & (predicted > 1)
    return torch.where(below | above, true, predicted)


def identity_loss(error, _true, reach):
    """Mean square error of identity (N,60), each component by how far it moves the points."""
    return (error.square() * reach).mean()


def expression_loss(error, true, _reach):
    """Error of shape weights (N,52) that zeros do not dominate.

    Most weights are zero in most pictures. Errors are therefore averaged apart over the samples
    that use a shape and over those at rest, shape by shape, so that a rare shape counts as much
    as a frequent one. Small errors count by their square: absolute errors are least at the
    median, which for a rare shape is rest, whatever the picture hints at.
    """
    loss = pseudo_huber((error / EXPRESSION_SCALE).square())
    active = (true > ACTIVE_FROM).to(loss.dtype)
    at_rest = mean_by_shape(loss, 1 - active)
    return ACTIVE_WEIGHT * mean_by_shape(loss, active) + (1 - ACTIVE_WEIGHT) * at_rest


def mean_by_shape(error, mask):
    """Mean over the shapes that occur of their mean error where mask (N,52) is 1."""
    count = mask.sum(dim=0)
    mean = (error * mask).sum(dim=0) / count.clamp_min(1)
    return mean.sum() / (count > 0).sum().clamp_min(1)


def gaze_loss(predicted, true, expression):
    """Gaze error (N,2,2) rad; an eye counts as far as its lid is open.

    Small errors count by their square, for the reason that expression_loss gives.
    """
    lids = [SHAPE_NAMES.index("eyeBlinkLeft"), SHAPE_NAMES.index("eyeBlinkRight")]
    openness = (1 - expression[:, lids]).clamp(0, 1)
    error = pseudo_huber(((predicted - true) / GAZE_SCALE).square().sum(dim=2))
    return (openness * error).sum() / openness.sum().clamp_min(1)


def rotation_loss(predicted, true):
    """Mean Frobenius distance of rotations (N,3,3)."""
    return distances((predicted - true).flatten(1)).mean() / ROTATION_SCALE


def face_loss(logit, face):
    """Binary cross entropy of the face score (N,)."""
    return functional.binary_cross_entropy_with_logits(logit, face)
