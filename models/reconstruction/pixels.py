# SPDX-License-Identifier: GPL-3.0-or-later
"""The per-pixel heads: the three sub-tasks of Wang, Shen, Yu (ICIP 2021,
doi 10.1109/ICIP42928.2021.9506103) on one encoder-decoder.

Face regions; coarse geometry, which no linear model limits: where on the mean head a cell looks,
and how deep that lies; and detail, the relief that the skin adds to the surface's normals. Shared
by all, as Wei et al. (2022, doi 10.1117/12.2644477) share one between detail and expression: the
backbone and the pyramid, from which expression is decoded too, are the upper part of the encoder
here. What they lost of hair, glasses and skin, for landmarks need none of it, a light encoder of
its own reads again from the picture's full resolution.
"""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from .backbone import CHANNELS, enlarge, patches
from .config import CROP_SIZE, PIXEL_CELLS, SEGMENTATION_CLASSES
from .layers import ResidualBlock, convolution, unit

CELL = CROP_SIZE // PIXEL_CELLS  # pixels a cell, on each side
PLACE_UNIT = 0.1  # m; about the reach of the head from its origin, so that answers are about 1
DEPTH_UNIT = 0.05  # m
RELIEF_UNIT = 0.03  # the relief turns a normal by a degree or two
# Parts of a cell, a side, that have a class each: eyes and frames of glasses are two or three cells
# wide, and 64x64 cells of which each has one class reach an IoU of .85 for eyes if all are right.
REGION_PARTS = 2
GEOMETRY = (3, 1, 3, 3)  # numbers a cell: canonical, depth, normal, relief


class PixelAnswer(NamedTuple):
    """What the network says of each cell of N crops, as the losses take it; `finished` as users do.

    segmentation: class logits (N,8,128,128). The rest holds where the head is seen, in the crop
    camera's frame: canonical (N,3,64,64) m, the place on the mean head, in head space; depth
    (N,64,64) m behind the origin of head space; normal (N,3,64,64) unit, of the surface without
    the skin's relief; relief (N,3,64,64), what the skin adds to it.
    """

    segmentation: torch.Tensor
    canonical: torch.Tensor
    depth: torch.Tensor
    normal: torch.Tensor
    relief: torch.Tensor

    def finished(self):
        """The outputs of the ONNX file by name, in its order.

        segmentation: probabilities; canonical, depth as above; normal: unit, with the relief.
        """
        return {
            "segmentation": self.segmentation.softmax(dim=1),
            "canonical": self.canonical,
            "depth": self.depth,
            "normal": unit(self.normal + self.relief),
        }


class PixelHead(nn.Module):
    """A U-Net (Ronneberger et al. 2015, arXiv 1505.04597) that meets the backbone half way up.

    Its own encoder halves the cells from 64 to 8 and takes in at each level what backbone and
    pyramid know there. One decoder leads back to 32x32 cells; from there regions and geometry have
    a branch each, for what is sharp in the one (frames of glasses, lips) is smooth in the other.
    Regions therefore end in cells half as wide.
    """

    def __init__(self, levels, pyramid, widths):
        """levels: channels of the backbone's; pyramid: of the pyramid's; widths: four, own."""
        super().__init__()
        finest, fine, middle, coarse = widths
        self.stem = convolution(CELL * CELL * CHANNELS + 2, finest)
        self.down32 = Descent(finest, levels[0], fine)
        self.down16 = Descent(fine, levels[1] + pyramid, middle)
        self.down8 = Descent(middle, levels[2] + levels[3] + pyramid, coarse)
        self.up16 = Ascent(coarse, middle)
        self.up32 = Ascent(middle, fine)
        self.regions = RegionBranch(fine, finest)
        self.geometry = Branch(fine, finest, sum(GEOMETRY))
        self.register_buffer("places", cell_places(), persistent=False)

    def forward(self, image, levels, pyramid16, pyramid8):
        """uint8 (N,128,128,3), backbone levels, pyramid levels -> PixelAnswer."""
        places = self.places.expand(image.shape[0], -1, -1, -1)
        own64 = self.stem(torch.cat([patches(image, CELL), places], dim=1))
        own32 = self.down32(own64, [levels[0]])
        own16 = self.down16(own32, [levels[1], pyramid16])
        own8 = self.down8(own16, [levels[2], enlarge(levels[3]), pyramid8])
        joined = self.up32(self.up16(own8, own16), own32)
        regions = self.regions(joined, own64).float()
        geometry = self.geometry(joined, own64).float()
        canonical, depth, normal, relief = geometry.split(GEOMETRY, dim=1)
        return PixelAnswer(
            regions,
            PLACE_UNIT * canonical,
            DEPTH_UNIT * depth[:, 0],
            unit(normal),
            RELIEF_UNIT * relief,
        )


class Descent(nn.Module):
    """Half the cells; what others know at that level joins in."""

    def __init__(self, channels_in, channels_joined, channels_out):
        super().__init__()
        self.halve = convolution(channels_in, channels_out, stride=2)
        self.join = convolution(channels_out + channels_joined, channels_out, kernel=1)
        self.think = ResidualBlock(channels_out, channels_out)

    def forward(self, features, joined):
        return self.think(self.join(torch.cat([self.halve(features), *joined], dim=1)))


class Ascent(nn.Module):
    """Twice the cells, added to the encoder's features there."""

    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.reduce = convolution(channels_in, channels_out, kernel=1, activate=False)
        self.smooth = ResidualBlock(channels_out, channels_out)

    def forward(self, coarse, fine):
        return self.smooth(functional.relu(enlarge(self.reduce(coarse)) + fine))


class Branch(nn.Module):
    """From 32x32 cells and the stem's 64x64 to numbers for 64x64 cells.

    Each cell makes its four finer ones by itself (Shi et al. 2016, arXiv 1609.05158): convolutions
    of many channels never run at the finest level, which is where most of the time would go.
    """

    def __init__(self, channels_in, channels, outputs):
        super().__init__()
        self.spread = convolution(channels_in, 4 * channels, kernel=1, activate=False)
        self.smooth = convolution(channels, channels)
        self.answer = nn.Conv2d(channels, outputs, 1)

    def forward(self, coarse, fine):
        return self.answer(self.joined(coarse, fine))

    def joined(self, coarse, fine):
        """Features of 64x64 cells."""
        finer = functional.pixel_shuffle(self.spread(coarse), 2)
        return self.smooth(functional.relu(finer + fine))


class RegionBranch(Branch):
    """The same, thought about once more at 64x64 cells, each of which then says a class for each of
    its REGION_PARTS x REGION_PARTS parts."""

    def __init__(self, channels_in, channels):
        super().__init__(channels_in, channels, REGION_PARTS**2 * len(SEGMENTATION_CLASSES))
        self.think = ResidualBlock(channels, channels)

    def forward(self, coarse, fine):
        answer = self.answer(self.think(self.joined(coarse, fine)))
        return functional.pixel_shuffle(answer, REGION_PARTS)


def cell_places():
    """Crop coordinates (1,2,64,64) of the cells' centres: convolutions do not know where they are,
    and a place on the head is, before all else, a matter of the place in the crop."""
    axis = (torch.arange(PIXEL_CELLS) + 0.5) * (2 / PIXEL_CELLS) - 1
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([columns, rows])[None]
