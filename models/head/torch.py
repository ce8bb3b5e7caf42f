# SPDX-License-Identifier: GPL-3.0-or-later
"""The tracked points of the head in torch, for losses that compare vertices."""

import numpy as np
import torch
from torch import nn

from .head import Head


class HeadPoints(nn.Module):
    """identity (N,60), weights (N,52) -> (N,P,3) m in head space.

    The jaw's points are those of the frontal outline. Gaze moves no tracked point: none of them
    lies on an eyeball.
    """

    def __init__(self, head: Head):
        super().__init__()
        points = head.sparse_points(head.point_vertices)
        self.register_buffer("mean", torch.from_numpy(np.array(points.mean)))
        self.register_buffer("identity_basis", torch.from_numpy(np.array(points.identity_basis)))
        self.register_buffer("shapes", torch.from_numpy(np.array(points.shapes)))

    def forward(self, identity: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        neutral = torch.tensordot(identity, self.identity_basis, dims=1)
        return self.mean + neutral + torch.tensordot(weights, self.shapes, dims=1)
