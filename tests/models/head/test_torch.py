# SPDX-License-Identifier: GPL-3.0-or-later
"""The head in torch is the head in numpy."""

import numpy as np
import torch

from models.head import load_head
from models.head.torch import HeadPoints


def test_points_agree_with_numpy():
    head, rng = load_head(), np.random.default_rng(0)
    identity = rng.normal(size=(3, 60)).astype(np.float32)
    weights = rng.uniform(size=(3, 52)).astype(np.float32)
    points = HeadPoints(head)(torch.from_numpy(identity), torch.from_numpy(weights))
    for row in range(3):
        face = head.evaluate(identity[row], weights[row], np.zeros((2, 2)))
        assert np.abs(points[row].numpy() - face[head.point_vertices]).max() < 1e-6
