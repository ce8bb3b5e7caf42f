# SPDX-License-Identifier: GPL-3.0-or-later
"""The heads: what the network says about a face, each read from the levels that know it."""

import torch
from torch import nn
from torch.nn import functional

from .config import EXPRESSION_SIZE, IDENTITY_SIZE
from .layers import GridReadout, convolution, unit

SMALLEST_SIGMA = 2e-3  # crop units, an eighth of a pixel: keeps the likelihood of a point bounded
FIRST_SIGMA_LOGIT = -1.5  # softplus gives 0.2, about the error of the mean face
FIRST_EXPRESSION = 0.07  # about the mean of all weights: faces are mostly near rest
FRONTAL_6D = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)  # first two columns of diag(1,-1,-1), looking at us
GAZE_SIZE = 4  # two eyes, yaw and pitch


class PointHead(nn.Module):
    """Dense points, each with its own uncertainty (Wood et al. 2022, arXiv 2204.02776).

    Reads both pyramid levels at 8x8 cells and keeps the grid, since points need places.
    """

    CELLS = 8
    REDUCED = 32

    def __init__(self, pyramid, points, hidden):
        super().__init__()
        self.points = points
        self.down = convolution(pyramid, pyramid, stride=2)
        self.readout = GridReadout(2 * pyramid, self.CELLS, self.REDUCED, hidden, 3 * points)
        with torch.no_grad():
            self.readout.output.bias[2 * points :] = FIRST_SIGMA_LOGIT

    def start_from(self, mean_points):
        """Begin at a mean face: (P,2) crop coordinates as the bias of the points."""
        with torch.no_grad():
            self.readout.output.bias[: 2 * self.points] = mean_points.reshape(-1)

    def forward(self, pyramid16, pyramid8):
        """-> points (N,P,2) in crop coordinates, their standard deviations (N,P)."""
        numbers = self.readout(torch.cat([self.down(pyramid16), pyramid8], dim=1)).float()
        points = numbers[:, : 2 * self.points].reshape(-1, self.points, 2)
        return points, functional.softplus(numbers[:, 2 * self.points :]) + SMALLEST_SIGMA


class HighHead(nn.Module):
    """Identity, rotation and the face score from the highest layer.

    The neutral shape is a matter of the whole face, so it reads the top alone, apart from the
    expression (UH-E2FAR: Dou, Shah, Kakadiaris, CVPR 2017, arXiv 1704.05020). with_expression: not
    apart, but in one head with it.
    """

    CELLS = 4
    REDUCED = 64

    def __init__(self, width, hidden, with_expression=False):
        super().__init__()
        self.sizes = [IDENTITY_SIZE, len(FRONTAL_6D), 1]
        own = sum(self.sizes)
        if with_expression:
            self.sizes.append(EXPRESSION_SIZE + GAZE_SIZE)
        self.readout = GridReadout(width, self.CELLS, self.REDUCED, hidden, sum(self.sizes))
        with torch.no_grad():
            rotation = slice(IDENTITY_SIZE, IDENTITY_SIZE + len(FRONTAL_6D))
            self.readout.output.bias[rotation] = torch.tensor(FRONTAL_6D)
            self.readout.output.bias[own : own + EXPRESSION_SIZE] = FIRST_EXPRESSION

    def forward(self, top):
        """-> identity (N,60) standard deviations, rotation (N,3,3), face logit (N,); with the
        expression also what `expression_and_gaze` gives."""
        numbers = self.readout(top).float()
        identity, columns, face, *more = numbers.split(self.sizes, dim=1)
        answer = identity, rotation_from_6d(columns), face[:, 0]
        return (*answer, *expression_and_gaze(more[0])) if more else answer


class ExpressionReadout(GridReadout):
    """Expression and gaze from one feature map.

    The weights come out unbounded and are clamped where they are used: a sigmoid saturates at the
    zeros that most weights are most of the time, and then learns nothing.
    """

    CELLS = 4
    REDUCED = 64

    def __init__(self, channels_in, hidden):
        outputs = EXPRESSION_SIZE + GAZE_SIZE
        super().__init__(channels_in, self.CELLS, self.REDUCED, hidden, outputs)
        with torch.no_grad():
            self.output.bias[:EXPRESSION_SIZE] = FIRST_EXPRESSION

    def forward(self, features):
        return expression_and_gaze(super().forward(features).float())


def expression_and_gaze(numbers):
    """Numbers (N,56) -> expression (N,52) not yet clamped to 0..1, gaze (N,2,2) rad.

    Gaze: rows left and right eye, columns yaw and pitch.
    """
    expression, gaze = numbers.split([EXPRESSION_SIZE, GAZE_SIZE], dim=1)
    return expression, gaze.reshape(-1, 2, 2)


class FusionHead(nn.Module):
    """Expression and gaze from a fusion CNN over low and intermediate levels.

    Lids, lips and irises are small and local: by the top of the backbone they are gone. UH-E2FAR
    (Dou et al. 2017) therefore reads the expression from fused lower layers; here the finest
    backbone level meets the pyramid's 16x16 level, then its 8x8 level, on the way down to 4x4
    cells.
    """

    WIDTHS = (32, 96, 128)

    def __init__(self, width, pyramid, hidden):
        super().__init__()
        fine, middle, coarse = self.WIDTHS
        self.from_fine = convolution(width, fine, stride=2)
        self.from_middle = convolution(fine + pyramid, middle, stride=2)
        self.from_coarse = convolution(middle + pyramid, coarse, stride=2)
        self.readout = ExpressionReadout(coarse, hidden)

    def forward(self, finest, pyramid16, pyramid8):
        """-> expression and gaze as `expression_and_gaze` gives them."""
        fused = torch.cat([self.from_fine(finest), pyramid16], dim=1)
        fused = torch.cat([self.from_middle(fused), pyramid8], dim=1)
        return self.readout(self.from_coarse(fused))


def rotation_from_6d(columns):
    """(N,6) numbers -> proper rotations (N,3,3).

    Gram-Schmidt on two columns; continuous, unlike angles or quaternions (Zhou et al. 2019,
    arXiv 1812.07035). The third column, their cross product, is written out for the ONNX graph.
    """
    first = unit(columns[:, 0:3])
    second = columns[:, 3:6]
    second = unit(second - (first * second).sum(dim=1, keepdim=True) * first)
    yzx, zxy = [1, 2, 0], [2, 0, 1]
    third = first[:, yzx] * second[:, zxy] - first[:, zxy] * second[:, yzx]
    return torch.stack([first, second, third], dim=2)
