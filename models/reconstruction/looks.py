# SPDX-License-Identifier: GPL-3.0-or-later
"""The lids follow the eyes: weights of the eyeLook shapes are no answer of their own.

In Mien's pictures, as in its takes, they are a function of the gaze (`models.head.gaze`), so the
network reckons them from its gaze rather than learning eight numbers that must agree with it.
"""

import torch
from torch import nn

from models.head import SHAPE_NAMES
from models.head.gaze import FULL_LOOKS


class Looks(nn.Module):
    """Puts the weights that go with a gaze in their places among all shape weights."""

    def __init__(self):
        super().__init__()
        directions = torch.zeros(len(FULL_LOOKS), 2, 2)  # shape, eye, yaw and pitch
        source = torch.arange(len(SHAPE_NAMES))
        for row, (name, full) in enumerate(FULL_LOOKS.items()):
            directions[row, int(name.endswith("Right"))] = torch.from_numpy(full / (full @ full))
            source[SHAPE_NAMES.index(name)] = len(SHAPE_NAMES) + row
        self.register_buffer("directions", directions.flatten(1), persistent=False)
        self.register_buffer("source", source, persistent=False)

    def forward(self, expression, gaze):
        """Weights (N,52) and gaze (N,2,2) rad -> weights, those of the looks not yet clamped."""
        reached = gaze.flatten(1) @ self.directions.T
        return torch.cat([expression, reached], dim=1).index_select(1, self.source)
