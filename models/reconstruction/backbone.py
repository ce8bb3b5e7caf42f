# SPDX-License-Identifier: GPL-3.0-or-later
"""The backbone and its feature pyramid.

A light plain residual network (Wei et al. 2022, doi 10.1117/12.2644477: a light backbone is enough
for a small parameter vector) whose levels a top-down pathway joins, so that every sub-task reads
features that are both precise and aware of the whole face (Wang, Shen, Yu, ICIP 2021,
doi 10.1109/ICIP42928.2021.9506103).
"""

from torch import nn
from torch.nn import functional

from .config import CROP_SIZE
from .layers import ResidualBlock, convolution

PATCH = 4  # pixels; the stem sees the picture as patches of this side, one cell each
CHANNELS = 3
PIXEL_CENTRE = 127.5  # maps 0..255 to about -2..2
PIXEL_SCALE = 63.75


def patches(image, side=PATCH):
    """uint8 (N, S, S, 3) pictures as float (N, 3*side**2, S/side, S/side): each cell holds its
    side x side pixels.

    Space-to-depth instead of a strided stem: the full-resolution feature maps, which cost memory
    traffic in training and carry few channels, never exist; no pixel is dropped.
    """
    cells = CROP_SIZE // side
    grid = image.reshape(-1, cells, side, cells, side, CHANNELS).permute(0, 1, 3, 2, 4, 5)
    grid = grid.reshape(-1, cells, cells, side * side * CHANNELS).permute(0, 3, 1, 2)
    return grid.float().sub_(PIXEL_CENTRE).mul_(1 / PIXEL_SCALE)


class Backbone(nn.Module):
    """Four levels of features: 32x32, 16x16, 8x8 and 4x4 cells for a 128-pixel picture."""

    def __init__(self, widths, depths):
        super().__init__()
        self.stem = convolution(PATCH * PATCH * CHANNELS, widths[0])
        self.levels = nn.ModuleList()
        channels = widths[0]
        for level, (width, depth) in enumerate(zip(widths, depths)):
            blocks = []
            for block in range(depth):
                stride = 2 if level > 0 and block == 0 else 1
                blocks.append(ResidualBlock(channels, width, stride))
                channels = width
            self.levels.append(nn.Sequential(*blocks))

    def forward(self, image):
        """uint8 (N,128,128,3) -> list of four (N, widths[i], 32 / 2**i, 32 / 2**i)."""
        features = self.stem(patches(image))
        outputs = []
        for level in self.levels:
            features = level(features)
            outputs.append(features)
        return outputs


class FeaturePyramid(nn.Module):
    """Top-down pathway with lateral connections (Lin et al. 2017), as in Wang, Shen, Yu (2021).

    Serves the levels of 16x16 and 8x8 cells; the finest level is joined where it is read (fusion
    and per-pixel heads), so that nobody pays for a level that is not read. Without top_down each of
    the two is read from its own level alone.
    """

    def __init__(self, widths, channels, top_down=True):
        super().__init__()
        self.top_down = top_down
        if top_down:
            self.top = convolution(widths[3], channels, kernel=1)
        self.lateral8 = convolution(widths[2], channels, kernel=1)
        self.lateral16 = convolution(widths[1], channels, kernel=1)
        self.smooth8 = convolution(channels, channels)
        self.smooth16 = convolution(channels, channels)

    def forward(self, levels):
        """Backbone levels -> (N, C, 16, 16), (N, C, 8, 8)."""
        _, level16, level8, level4 = levels
        pyramid8, pyramid16 = self.lateral8(level8), self.lateral16(level16)
        if not self.top_down:
            return self.smooth16(pyramid16), self.smooth8(pyramid8)
        pyramid8 = self.smooth8(pyramid8 + enlarge(self.top(level4)))
        return self.smooth16(pyramid16 + enlarge(pyramid8)), pyramid8


def enlarge(features):
    """Twice the resolution by repeating each cell."""
    return functional.interpolate(features, scale_factor=2, mode="nearest")
