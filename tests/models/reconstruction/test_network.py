# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the network that have a right answer."""

import torch
from scipy.spatial.transform import Rotation

from models.reconstruction.backbone import PIXEL_CENTRE, PIXEL_SCALE, patches
from models.reconstruction.config import NetworkConfig
from models.reconstruction.heads import rotation_from_6d
from models.reconstruction.network import ReconstructionNetwork


def test_rotation_from_6d_gives_back_the_rotation():
    matrices = torch.tensor(Rotation.random(20, rng=3).as_matrix())
    columns = torch.cat([matrices[:, :, 0] * 3.0, matrices[:, :, 1] * 0.5], dim=1)
    assert torch.allclose(rotation_from_6d(columns), matrices, atol=1e-6)


def test_patches_keep_every_pixel_in_its_cell():
    image = torch.randint(0, 256, (2, 128, 128, 3), dtype=torch.uint8)
    cells = patches(image) * PIXEL_SCALE + PIXEL_CENTRE
    row, column = 5, 30
    block = image[1, row * 4 : row * 4 + 4, column * 4 : column * 4 + 4].float().flatten()
    assert torch.allclose(cells[1, :, row, column], block)


def test_a_new_network_starts_at_a_frontal_face_near_rest():
    torch.manual_seed(0)
    network = ReconstructionNetwork(NetworkConfig(points=100)).eval()
    mean = torch.rand(100, 2) - 0.5
    network.point_head.start_from(mean)
    with torch.no_grad():
        answer, _ = network(torch.full((1, 128, 128, 3), 127, dtype=torch.uint8))
    assert (answer.points[0] - mean).abs().max() < 0.3
    assert (answer.rotation[0] - torch.diag(torch.tensor([1.0, -1, -1]))).abs().max() < 0.5
    assert answer.expression.abs().max() < 0.3
    finished = answer.finished()
    assert finished["expression"].min() >= 0 and 0 < finished["face"].item() < 1
