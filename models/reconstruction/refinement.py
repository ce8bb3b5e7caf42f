# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything weighed once more, by what the picture shows where the points lie.

Features taken at the points of an estimate say how that estimate is off, whatever the face's place
and pose in the picture (shape-indexed features: Cao et al. 2012, doi 10.1109/CVPR.2012.6248015).
The places in a flattened vector have a meaning then: this row is what lies at the left corner of
the mouth, and a few linear layers can tell where it should be. The same layers see all points and
parameters at once, which the heads before do not: a mouth is judged by the whole face.
"""

import torch
from torch import nn
from torch.nn import functional

from .backbone import CHANNELS, patches
from .config import EXPRESSION_SIZE, IDENTITY_SIZE
from .heads import FRONTAL_6D, GAZE_SIZE, SMALLEST_SIGMA, rotation_from_6d
from .layers import convolution, output_layer
from .reconstruction import Reconstruction
from .second_look import LEFT_LIDS, RIGHT_LIDS, Frames

PATCH = 2  # pixels; a cell of the finest features
FINE_CHANNELS = 16  # a multiple of what a processor reckons with at once
# Where around a point the finest features are taken, in units of the face's size (41 mm on the mean
# head), along the face: 4 mm, one to three pixels.
REACH = 0.1
PATTERN = ((0.0, 0.0), (REACH, 0.0), (-REACH, 0.0), (0.0, REACH), (0.0, -REACH))
# Where around the middle of each eye: lids' points say nothing of the iris between them.
EYE_GRID = tuple((x, y) for y in (-0.12, -0.06, 0.0, 0.06, 0.12) for x in (-0.28, -0.14, 0.0, 0.14, 0.28))
KEPT = 8  # numbers that are kept of a point's features
HIDDEN, LAST_HIDDEN = 320, 256
LARGEST_GROWTH = 2.0  # of a standard deviation, as a logarithm


class Refinement(nn.Module):
    """Corrects a Reconstruction of P points, all but its face score.

    width, pyramid: channels of the backbone's finest level and of the pyramid. impression: how many
    numbers of a second look it is given besides what that said.
    """

    def __init__(self, points, width, pyramid, impression=0):
        super().__init__()
        self.points = points
        self.fine = nn.Sequential(
            convolution(PATCH * PATCH * CHANNELS, FINE_CHANNELS),
            convolution(FINE_CHANNELS, FINE_CHANNELS),
        )
        seen = len(PATTERN) * FINE_CHANNELS + width + pyramid
        self.keep = nn.Parameter(torch.randn(points, seen, KEPT) / seen**0.5)
        in_eyes = 2 * len(EYE_GRID)
        self.keep_of_eyes = nn.Parameter(torch.randn(in_eyes, FINE_CHANNELS, KEPT) / FINE_CHANNELS**0.5)
        self.sizes = (2 * points, points, IDENTITY_SIZE, EXPRESSION_SIZE, GAZE_SIZE, len(FRONTAL_6D))
        told = sum(self.sizes) + 3  # a rotation is told by all nine numbers
        self.normalise_told = nn.BatchNorm1d(told)
        self.hidden = nn.Sequential(
            nn.Linear((points + in_eyes) * KEPT + told + impression, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN), nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, LAST_HIDDEN, bias=False), nn.BatchNorm1d(LAST_HIDDEN),
            nn.ReLU(inplace=True),
        )  # fmt: skip
        self.output = output_layer(LAST_HIDDEN, sum(self.sizes))
        self.register_buffer("pattern", torch.tensor(PATTERN), persistent=False)
        self.register_buffer("eye_grid", torch.tensor(EYE_GRID), persistent=False)

    def forward(self, image, finest, pyramid16, estimate, *impression):
        """Pictures uint8 (N,128,128,3), their features and a Reconstruction -> a better one.

        impression: of the second look (N,I), if there was one.
        """
        given = Reconstruction(*(value.detach() for value in estimate))
        frames = Frames.of(given.points)
        seen = self.look(image, finest, pyramid16, given.points, frames)
        told = self.normalise_told(tell(given, frames))
        numbers = self.hidden(torch.cat([seen, told, *impression], dim=1))
        moved, growth, identity, expression, gaze, rotation = (
            self.output(numbers).float().split(self.sizes, dim=1)
        )
        growth = growth.clamp(-LARGEST_GROWTH, LARGEST_GROWTH).exp()
        columns = estimate.rotation[:, :, :2].transpose(1, 2).flatten(1)
        return Reconstruction(
            estimate.points + frames.to_crop(moved.reshape(-1, self.points, 2), 1.0),
            (estimate.point_sigma - SMALLEST_SIGMA) * growth + SMALLEST_SIGMA,
            estimate.identity + identity,
            estimate.expression + expression,
            estimate.gaze + gaze.reshape(-1, 2, 2),
            rotation_from_6d(columns + rotation),
            estimate.face_logit,
        )

    def look(self, image, finest, pyramid16, points, frames):
        """What is seen at the points, and between the lids: (N, (P + eyes' places) * KEPT)."""
        fine = self.fine(patches(image, PATCH))
        around = frames.to_crop(self.pattern[None], 1.0)[:, None] + points[:, :, None]
        grid = frames.to_crop(self.eye_grid[None], 1.0)
        eyes = [points[:, lids].mean(dim=1, keepdim=True) + grid for lids in (LEFT_LIDS, RIGHT_LIDS)]
        seen_finely = sample(fine, torch.cat([around.flatten(1, 2), *eyes], dim=1))
        count = self.points * len(PATTERN)
        seen_around, seen_in_eyes = seen_finely[:, :count], seen_finely[:, count:]
        taken = [
            seen_around.reshape(-1, self.points, len(PATTERN), FINE_CHANNELS)
            .transpose(2, 3).flatten(2),
            sample(finest, points),
            sample(pyramid16, points),
        ]  # fmt: skip
        seen = torch.cat(taken, dim=2)  # (N,P,features)
        kept = [kept_of(seen, self.keep), kept_of(seen_in_eyes, self.keep_of_eyes)]
        return torch.cat(kept, dim=1)


def kept_of(seen, keep):
    """Features (N,K,F) of K places, each reduced by its own row of keep (K,F,KEPT): (N, K * KEPT)."""
    return (seen.transpose(0, 1) @ keep).transpose(0, 1).flatten(1)


def sample(features, places):
    """Features (N,C,H,W) at places (N,K,2) in crop coordinates, between cells: (N,K,C).

    The border is repeated. In exported files whole rows of channels are fetched at once, for
    onnxruntime's own `grid_sample` takes five times as long; in training torch's is the faster.
    """
    if torch.onnx.is_in_onnx_export():
        return sample_rows(features, places)
    if features.requires_grad:  # else the gradient's other layout makes all before it slow
        features.register_hook(lambda grad: grad.contiguous(memory_format=torch.channels_last))
    with torch.autocast(features.device.type, enabled=False):
        taken = functional.grid_sample(
            features.float(), places.float()[:, None], align_corners=False, padding_mode="border"
        )
    return taken[:, :, 0].transpose(1, 2)


def sample_rows(features, places):
    """What `sample` gives: the channels of the four cells around each place, weighed.

    In few operations, for each costs onnxruntime some microseconds, however small; and the cells come
    first, for sums over the first axis are its fastest.
    """
    count, channels, height, width = features.shape
    height, width = int(height), int(width)  # an exported file is for any count, but one size
    size = torch.tensor([width, height])
    rows = features.permute(0, 2, 3, 1).reshape(-1, channels)
    at = torch.minimum((((places + 1) * size - 1) / 2).clamp(min=0), size - 1.0)
    first = torch.minimum(at.floor(), size - 2.0)
    inside = at - first
    near_far = torch.stack([1 - inside, inside])  # (near or far,N,K,axis)
    shares = near_far[:, None, :, :, 1] * near_far[None, :, :, :, 0]  # (above or below,left or right,N,K)
    picture = torch.arange(count)[:, None] * (height * width)
    cell = picture + (first * torch.tensor([1.0, width])).sum(dim=2).long()
    corners = cell + torch.tensor([0, 1, width, width + 1])[:, None, None]
    return (rows[corners] * shares.flatten(0, 1)[..., None]).sum(dim=0)


def tell(estimate, frames):
    """A Reconstruction as numbers (N,K) that do not depend on the face's place, size and roll."""
    upright = frames.from_crop(estimate.points - estimate.points.mean(dim=1, keepdim=True))
    return torch.cat(
        [
            upright[:, :, 0], upright[:, :, 1],
            (estimate.point_sigma / frames.size).log(),
            estimate.identity, estimate.expression,
            estimate.gaze.flatten(1), estimate.rotation.flatten(1),
        ],
        dim=1,
    )  # fmt: skip
