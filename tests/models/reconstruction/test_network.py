# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the network that have a right answer."""

import torch
from scipy.spatial.transform import Rotation

from models.head import load_head
from models.reconstruction.backbone import PIXEL_CENTRE, PIXEL_SCALE, patches
from models.reconstruction.config import NetworkConfig
from models.reconstruction.heads import rotation_from_6d
from models.reconstruction.network import ReconstructionNetwork
from models.reconstruction.second_look import (
    INNER_BROWS,
    LEFT_EYE_SHAPES,
    RIGHT_EYE_SHAPES,
    Frames,
    SecondLook,
)


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


def test_patches_of_a_turned_face_stand_upright():
    """A patch cut in the frame of the points shows the same, however the face is turned."""
    points = torch.tensor(load_head().mean[load_head().points68][None, :, :2] * [4.0, -4.0])
    x, y = torch.meshgrid(*[torch.linspace(-1, 1, 128)] * 2, indexing="xy")
    angle = torch.tensor(0.4)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])

    def patch(rotation):
        back = torch.stack([x, y], dim=-1) @ rotation  # R transposed, applied to rows
        picture = torch.stack([back[..., 0], back[..., 1], back[..., 0] * back[..., 1]])[None]
        seen = (points @ rotation.T.to(points)).float()
        frames = Frames.of(seen)
        return frames.cut(picture, seen[:, 48:68].mean(dim=1), 0.8, 48, 1.0)

    assert (patch(torch.eye(2)) - patch(turn)).abs().max() < 0.02


def test_the_right_eye_is_read_mirrored():
    """A mirrored picture with mirrored points gives the mirrored corrections."""
    torch.manual_seed(1)
    head = load_head()
    config = NetworkConfig.of(head)
    look = SecondLook(config.points, config.eye_points, config.eye_partners, config.mouth_points)
    with torch.no_grad():
        look.eye.output.weight.normal_(0, 0.1)
    look.eval()
    image = torch.randint(0, 256, (1, 128, 128, 3), dtype=torch.uint8)
    mirrored_points = torch.tensor(head.point_mirror.copy()).long()
    points = torch.tensor(head.mean[head.point_vertices][None, :, :2] * [4.0, -4.0]).float()
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    rotation = torch.tensor(Rotation.random(rng=5).as_matrix()[None]).float()
    rest, still = torch.zeros(1, 52), torch.zeros(1, 2, 2)
    with torch.no_grad():
        seen, shapes, gaze = look(image, points, rest, still, rotation)
        other = points[:, mirrored_points] * torch.tensor([-1.0, 1.0])
        again, mirrored_shapes, mirrored_gaze = look(
            image.flip(2), other, rest, still, mirror @ rotation @ mirror
        )
    eyes = list(config.eye_points) + list(config.eye_partners)
    back = again[:, mirrored_points] * torch.tensor([-1.0, 1.0])
    assert (back - seen)[:, eyes].abs().max() < 1e-4
    eye_shapes = [*LEFT_EYE_SHAPES, *RIGHT_EYE_SHAPES, INNER_BROWS]
    swapped = mirrored_shapes[:, torch.tensor(head.shape_mirror.copy()).long()]
    assert (swapped - shapes)[:, eye_shapes].abs().max() < 1e-4
    assert shapes[:, eye_shapes].abs().max() > 1e-3
    assert (mirrored_gaze.flip(1) * torch.tensor([-1.0, 1.0]) - gaze).abs().max() < 1e-4
