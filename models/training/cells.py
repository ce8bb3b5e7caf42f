# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels of pictures' cells in a batch: what the per-pixel heads learn from.

They stay in the cells of the picture in which the pool has them: a network's answer is read there,
and no label is resampled.
"""

from dataclasses import dataclass

import numpy as np

from models.reconstruction.config import CROP_SIZE, UNKNOWN_CLASS
from models.reconstruction.crop import cells_in_crop
from models.synthesis.pool import SEGMENTATION_SIDE, SURFACE_SIDE

from .labels import choose
from .surfaces import Surfaces

OUTSIDE_CROP = 1.0  # |u| beyond which a place is not in the picture


@dataclass(frozen=True)
class Cells:
    """segmentation (N,96,96) uint8, 255 unknown; surfaces of N heads in 48x48 cells."""

    segmentation: np.ndarray
    surfaces: Surfaces

    @classmethod
    def of(cls, picks):
        """From (chunk, index) pairs."""
        segmentation = np.stack([chunk.segmentation[index] for chunk, index in picks])
        return cls(segmentation, Surfaces.of(picks))

    def mirrored(self, flip):
        """The cells of pictures that are mirrored where flip (N,) is true."""
        return Cells(
            choose(flip, self.segmentation[:, :, ::-1], self.segmentation), self.surfaces.mirrored(flip)
        )

    def in_crops(self, crops, labels, width, covers):
        """The arrays that the per-pixel losses take, of N crops of pictures width x width px.

        labels: of the pictures; covers: row -> the synthesis.occluders.Occluded crop of it.
        crop_from_whole (N,2,3) tells the cells' places in the crop as in Crops.from_whole;
        segmentation (N,96,96) uint8, 255 unknown; canonical, depth, normal, relief, seen, lifted
        (N,48,48,…) as Surfaces. What lies outside the crop is unknown, and so is the surface behind
        what covers it, which the segmentation names.
        """
        crop_from_whole = crops.from_whole(width)
        to_pixel = cells_in_crop(crop_from_whole, CROP_SIZE, SEGMENTATION_SIDE)
        segmentation = self.segmentation.copy()
        for row, occluded in covers.items():
            occluded.seen_through(to_pixel[row], SEGMENTATION_SIDE).paint_classes(segmentation[row])
        surfaces = self.surfaces.in_crops(crops, labels, width)
        surfaces = surfaces.without(coarser(segmentation != self.segmentation))
        surfaces = surfaces.without(outside(crop_from_whole, SURFACE_SIDE))
        unknown = outside(crop_from_whole, SEGMENTATION_SIDE)
        return {
            "crop_from_whole": crop_from_whole.astype(np.float32),
            "segmentation": np.where(unknown, np.uint8(UNKNOWN_CLASS), segmentation),
            **vars(surfaces),
        }


def coarser(mask):
    """(N,96,96) bool -> (N,48,48): whether any of the cells that make up a larger one is true."""
    parts = SEGMENTATION_SIDE // SURFACE_SIDE
    return mask.reshape(-1, SURFACE_SIDE, parts, SURFACE_SIDE, parts).any(axis=(2, 4))


def outside(crop_from_whole, side):
    """(N,side,side) bool: cells of pictures whose centres lie outside the crops."""
    axis = (np.arange(side, dtype=np.float32) + 0.5) * np.float32(2 / side) - 1
    crop_from_whole = crop_from_whole.astype(np.float32)  # half the time of 64 bits
    across, down = crop_from_whole[:, :, 0], crop_from_whole[:, :, 1]
    place = (
        across[:, :, None, None] * axis
        + down[:, :, None, None] * axis[:, None]
        + crop_from_whole[:, :, 2, None, None]
    )
    return (np.abs(place) >= OUTSIDE_CROP).any(axis=1)
