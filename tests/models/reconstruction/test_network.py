# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the network that have a right answer."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch.nn import functional

from models.head import load_head, look_weights
from models.reconstruction.backbone import PIXEL_CENTRE, PIXEL_SCALE, patches
from models.reconstruction.config import NetworkConfig
from models.reconstruction.heads import rotation_from_6d
from models.reconstruction.layers import convolution
from models.reconstruction.looks import Looks
from models.reconstruction.network import ReconstructionNetwork
from models.reconstruction.reconstruction import Reconstruction
from models.reconstruction.refinement import sample, sample_rows, tell
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


def test_fixed_normalisation_goes_into_the_convolution():
    """The same answers and gradients as one after the other, the figures' too."""
    torch.manual_seed(3)
    layers = convolution(5, 7, stride=2)
    features = torch.randn(4, 5, 9, 9)
    for _ in range(20):
        layers(features)
    layers[1].eval()
    with torch.no_grad():
        layers[1].weight.uniform_(0.5, 2.0)
        layers[1].bias.normal_()
    answers, gradients = [], []
    for forward in (layers, torch.nn.Sequential(*layers)):
        answers.append(forward(features))
        gradients.append(torch.autograd.grad(answers[-1].square().sum(), layers.parameters()))
    assert torch.allclose(*answers, atol=1e-5)
    for folded, apart in zip(*gradients):
        assert torch.allclose(folded, apart, rtol=1e-4, atol=1e-3)


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
    look = SecondLook(config)
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
        seen, shapes, gaze, impression = look(image, points, rest, still, rotation)
        other = points[:, mirrored_points] * torch.tensor([-1.0, 1.0])
        again, mirrored_shapes, mirrored_gaze, mirrored_impression = look(
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
    left, right = impression.split(config.eye_hidden, dim=1)[:2]
    other_left, other_right = mirrored_impression.split(config.eye_hidden, dim=1)[:2]
    assert torch.allclose(left, other_right, atol=1e-4) and (left - right).abs().max() > 1e-2
    assert torch.allclose(right, other_left, atol=1e-4)


def test_lids_follow_the_gaze_as_in_the_head_model():
    gaze = np.random.default_rng(0).normal(0, 0.4, (50, 2, 2)).astype(np.float32)
    others = torch.rand(50, 52)
    weights = Looks()(others, torch.from_numpy(gaze)).clamp(0, 1).numpy()
    expected = look_weights(gaze)
    looks = expected.any(axis=0)
    assert looks.sum() == 8
    assert np.abs(weights - expected)[:, looks].max() < 1e-6
    assert np.array_equal(weights[:, ~looks], others.numpy()[:, ~looks])


@pytest.mark.parametrize("take", [sample, sample_rows])
def test_features_are_taken_where_a_point_lies(take):
    """The finest features' cells and crop coordinates agree to a hundredth of a pixel."""
    row, column = torch.meshgrid(torch.arange(128), torch.arange(128), indexing="ij")
    image = torch.stack([column, row, torch.zeros_like(row)], dim=-1)[None].to(torch.uint8)
    picture = patches(image, 2) * PIXEL_SCALE + PIXEL_CENTRE  # channels: row, column of the pixel, colour
    pixel = picture.reshape(1, 4, 3, 64, 64).mean(dim=1)  # of a cell's middle, half a pixel off
    places = torch.rand(1, 200, 2, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9
    expected = (places + 1) * 64 - 0.5
    taken = take(pixel, places)[..., :2]
    assert (taken - expected).abs().max() < 0.01
    torch.manual_seed(0)
    features, places = torch.randn(3, 5, 12, 12), torch.rand(3, 60, 2) * 2.4 - 1.2
    grid = functional.grid_sample(
        features, places[:, :, None], align_corners=False, padding_mode="border"
    )
    assert torch.allclose(take(features, places), grid[..., 0].transpose(1, 2), atol=1e-5)


def test_what_refinement_is_told_does_not_depend_on_where_the_face_lies():
    head = load_head()
    points = torch.tensor(head.mean[head.point_vertices][None, :, :2] * [4.0, -4.0]).float()
    angle = torch.tensor(0.5)
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]])
    moved = (points @ turn.T) * 0.6 + torch.tensor([0.1, -0.2])

    def told(points, size):
        rest = torch.zeros(1, 60), torch.zeros(1, 52), torch.zeros(1, 2, 2), torch.eye(3)[None], None
        sigma = torch.full(points.shape[:2], 0.05 * size)
        return tell(Reconstruction(points, sigma, *rest), Frames.of(points))

    assert torch.allclose(told(points, 1.0), told(moved, 0.6), atol=1e-4)
