# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizes that fix a network; they travel inside its checkpoint. No torch here."""

from dataclasses import dataclass

CROP_SIZE = 128  # pixels; side of the square picture the network reads
CROP_MARGIN = 1.4  # side of the crop over the longer side of the 68 points' box
IDENTITY_SIZE = 60
EXPRESSION_SIZE = 52
LANDMARKS = 68  # the first points are the iBUG ones
SEGMENTATION_CLASSES = (
    "background", "skin", "eyes", "lips", "inside mouth", "hair", "glasses", "other occluder",
)  # fmt: skip
SEGMENTATION_SIZE = 32  # side of the segmentation map
UNKNOWN_CLASS = 255  # a label that no loss and no measure counts


@dataclass(frozen=True)
class NetworkConfig:
    """Widths and depths of the network.

    widths, depths: channels and residual blocks at 32x32, 16x16, 8x8 and 4x4 cells.
    pyramid: channels of the top-down pathway.
    points: number of dense points, the 68 iBUG points first.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    depths: tuple[int, int, int, int] = (1, 2, 2, 1)
    pyramid: int = 48
    points: int = 388
    point_hidden: int = 320
    identity_hidden: int = 192
    expression_hidden: int = 256

    @classmethod
    def from_dict(cls, values):
        """The config from a checkpoint's plain dictionary (lists become tuples)."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
