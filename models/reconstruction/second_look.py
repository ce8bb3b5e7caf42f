# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes, with their brows, and mouth seen a second time, at the picture's full resolution.

The first look finds the face and its parts, but an iris is a pixel or two in its cells. As in
Attention Mesh (Grishchenko et al. 2020, arXiv 2006.10962) patches are therefore cut where the
points of the first look say that eyes and mouth are, and small networks read from them what the
first look can only guess: where lids and lips run, where the eyes look, how far lids are closed.
The right eye is read mirrored, by the same weights as the left.
"""

import torch
from torch import nn
from torch.nn import functional

from models.head import SHAPE_NAMES

from .layers import ResidualBlock, convolution, output_layer

INNER_POINTS = slice(17, 68)  # iBUG points whose spread gives the face's size in the crop
LEFT_LIDS, RIGHT_LIDS, LIPS = slice(42, 48), slice(36, 42), slice(48, 68)  # the character's
# Half sides of the patches in units of the spread, which is 41 mm on the mean head.
EYE_REACH = 0.70
MOUTH_REACH = 0.84
EYE_SIDE, MOUTH_SIDE = 40, 48  # px: about the resolution of the crop itself
POSE_SIZE = 9

# Shapes of one eye, left; the right eye gives their partners. The other shapes belong to the mouth.
EYE_SHAPES = ("eyeBlink", "eyeSquint", "eyeWide", "cheekSquint", "browDown", "browOuterUp")
INNER_BROWS = SHAPE_NAMES.index("browInnerUp")  # one shape for both sides: the mean of the two eyes
LEFT_EYE_SHAPES = tuple(SHAPE_NAMES.index(name + "Left") for name in EYE_SHAPES)
RIGHT_EYE_SHAPES = tuple(SHAPE_NAMES.index(name + "Right") for name in EYE_SHAPES)
MOUTH_SHAPES = tuple(
    index
    for index, name in enumerate(SHAPE_NAMES)
    if name.startswith(("jaw", "mouth", "cheekPuff", "noseSneer", "tongue"))
)
GAZE_SIZE = 2


class SecondLook(nn.Module):
    """Corrects points, expression and gaze of the first look, as a NetworkConfig says."""

    def __init__(self, config):
        super().__init__()
        self.eye_count, self.mouth_count = len(config.eye_points), len(config.mouth_points)
        eye_outputs = 2 * self.eye_count + len(EYE_SHAPES) + 1 + GAZE_SIZE
        self.eye = PatchReader(EYE_SIDE, config.eye_widths, config.eye_hidden, eye_outputs)
        mouth_outputs = 2 * self.mouth_count + len(MOUTH_SHAPES)
        self.mouth = PatchReader(MOUTH_SIDE, config.mouth_widths, config.mouth_hidden, mouth_outputs)
        read_points = (*config.eye_points, *config.eye_partners, *config.mouth_points)
        read_shapes = (*LEFT_EYE_SHAPES, *RIGHT_EYE_SHAPES, *MOUTH_SHAPES, INNER_BROWS)
        self.register_buffer("point_source", sources(read_points, config.points), persistent=False)
        self.register_buffer(
            "shape_source", sources(read_shapes, len(SHAPE_NAMES)), persistent=False
        )

    def forward(self, image, points, expression, gaze, rotation):
        """What the first look said of uint8 pictures (N,128,128,3), corrected.

        points (N,P,2), expression (N,52), gaze (N,2,2) and rotation (N,3,3) as in Reconstruction.
        Returns points, expression, gaze, and the impression (N,config.impression): what the
        readers made of left eye, right eye and mouth before they put it into those numbers.
        """
        picture = image.permute(0, 3, 1, 2).float() * (2 / 255) - 1
        seen = points.detach()
        frames = Frames.of(seen)
        left = self.read_eye(picture, frames, seen, LEFT_LIDS, rotation, 1.0)
        right = self.read_eye(picture, frames, seen, RIGHT_LIDS, rotation, -1.0)
        mouth = self.read_mouth(picture, frames, seen, rotation)

        unmoved = torch.zeros_like(mouth.moved[:, :1])
        moved = torch.cat([unmoved, left.moved, right.moved, mouth.moved], dim=1)
        unchanged = torch.zeros_like(mouth.shapes[:, :1])
        inner_brows = (left.inner_brow + right.inner_brow) / 2
        changes = torch.cat(
            [unchanged, left.shapes, right.shapes, mouth.shapes, inner_brows], dim=1
        )
        return (
            points + moved.index_select(1, self.point_source),
            expression + changes.index_select(1, self.shape_source),
            gaze + torch.stack([left.gaze, right.gaze], dim=1),
            torch.cat([left.impression, right.impression, mouth.impression], dim=1),
        )

    def read_eye(self, picture, frames, points, lids, rotation, side):
        """side: 1 for the left eye, -1 for the right, which is read mirrored."""
        centre = points[:, lids].mean(dim=1)
        patch = frames.cut(picture, centre, EYE_REACH, EYE_SIDE, side)
        mirror = rotation.new_tensor([1.0, side, side, side, 1.0, 1.0, side, 1.0, 1.0])
        numbers, impression = self.eye(patch, rotation.detach().flatten(1) * mirror)
        count = 2 * self.eye_count
        offsets, shapes, inner_brow, gaze = numbers.split(
            [count, len(EYE_SHAPES), 1, GAZE_SIZE], dim=1
        )
        offsets = offsets.reshape(-1, self.eye_count, 2) * offsets.new_tensor([side, 1.0])
        return Reading(
            frames.to_crop(offsets, EYE_REACH), shapes, impression,
            gaze * gaze.new_tensor([side, 1.0]), inner_brow,
        )  # fmt: skip

    def read_mouth(self, picture, frames, points, rotation):
        centre = points[:, LIPS].mean(dim=1)
        patch = frames.cut(picture, centre, MOUTH_REACH, MOUTH_SIDE, 1.0)
        numbers, impression = self.mouth(patch, rotation.detach().flatten(1))
        offsets, shapes = numbers.split([2 * self.mouth_count, len(MOUTH_SHAPES)], dim=1)
        offsets = offsets.reshape(-1, self.mouth_count, 2)
        return Reading(frames.to_crop(offsets, MOUTH_REACH), shapes, impression)


def sources(read, count):
    """For each of count outputs its row among those read, counted from 1; 0 for none."""
    source = torch.zeros(count, dtype=torch.long)
    source[list(read)] = torch.arange(1, len(read) + 1)
    return source


class Reading:
    """What a patch says: moved (N,K,2) crop coordinates, shapes (N,S), impression (N,H); of an eye
    also gaze (N,2) and inner_brow (N,1)."""

    def __init__(self, moved, shapes, impression, gaze=None, inner_brow=None):
        self.moved, self.shapes, self.impression = moved, shapes, impression
        self.gaze, self.inner_brow = gaze, inner_brow


class Frames:
    """How N faces lie in their crops: size (N,1) in crop units, and turn (N,2,2), by which rows
    (x, y) along and down the upright face become rows in crop coordinates."""

    def __init__(self, size, turn):
        self.size, self.turn = size, turn

    @classmethod
    def of(cls, points):
        """From the points (N,P,2) in crop coordinates."""
        inner = points[:, INNER_POINTS]
        spread = (inner - inner.mean(dim=1, keepdim=True)).square().sum(dim=2).mean(dim=1).sqrt()
        across = points[:, LEFT_LIDS].mean(dim=1) - points[:, RIGHT_LIDS].mean(dim=1)
        across = across / (across.square().sum(dim=1, keepdim=True) + 1e-6).sqrt()
        down = across[:, [1, 0]] * across.new_tensor([-1.0, 1.0])
        return cls(spread[:, None], torch.stack([across, down], dim=1))

    def to_crop(self, offsets, reach):
        """Offsets (N,K,2), or (1,K,2) for all, in half sides of a patch of that reach -> crop coordinates."""
        with torch.autocast(offsets.device.type, enabled=False):  # bfloat16 cannot tell pixels apart
            return offsets @ (self.turn * (reach * self.size)[..., None])

    def from_crop(self, offsets):
        """Offsets (N,K,2) in crop coordinates -> along and down the upright faces, in their sizes."""
        with torch.autocast(offsets.device.type, enabled=False):
            return offsets @ (self.turn / self.size[..., None]).transpose(1, 2)

    def cut(self, picture, centre, reach, side, mirror):
        """Upright patches (N,3,side,side) around centre (N,2); mirror -1 flips left and right."""
        line = (torch.arange(side, device=picture.device, dtype=torch.float32) + 0.5) * 2 / side - 1
        y, x = torch.meshgrid(line, line, indexing="ij")
        cells = torch.stack([x.flatten() * mirror, y.flatten()], dim=1)[None]
        places = self.to_crop(cells, reach) + centre[:, None]
        grid = places.reshape(-1, side, side, 2)
        return functional.grid_sample(picture, grid, align_corners=False, padding_mode="border")


class PatchReader(nn.Module):
    """A small residual network from a patch and the head's rotation to numbers.

    side: of the patches, px; widths: channels at four resolutions, each half the former.
    """

    def __init__(self, side, widths, hidden, outputs):
        super().__init__()
        first, second, third, last = widths
        self.features = nn.Sequential(
            convolution(3, first),
            convolution(first, second, stride=2),
            convolution(second, third, stride=2),
            ResidualBlock(third, third),
            convolution(third, last, stride=2),
            ResidualBlock(last, last),
        )
        cells = side // 8
        self.hidden = nn.Linear(last * cells * cells + POSE_SIZE, hidden, bias=False)
        self.normalise = nn.BatchNorm1d(hidden)
        self.output = output_layer(hidden, outputs)

    def forward(self, patch, pose):
        """Patches (N,3,side,side) and rotations (N,9) -> numbers (N,outputs), and the hidden ones
        (N,hidden) that they were made of."""
        flat = torch.cat([self.features(patch).flatten(1), pose], dim=1)
        impression = functional.relu(self.normalise(self.hidden(flat)))
        return self.output(impression).float(), impression
