# SPDX-License-Identifier: GPL-3.0-or-later
"""The square cut-out of a picture that the network reads. numpy only.

Picture coordinates: px, x right, y down, centre of the top-left pixel at (0, 0). Crop coordinates
u: x right, y down, -1 and +1 at the outer edges of the crop's first and last pixel.
"""

from dataclasses import dataclass

import numpy as np

from .config import CROP_MARGIN

LEFT_EYE = slice(36, 42)  # iBUG points of the eye on the picture's left
RIGHT_EYE = slice(42, 48)


@dataclass(frozen=True)
class Crops:
    """N square cut-outs: centre (N,2) px, side (N,) px, roll (N,) rad.

    roll is the angle of the crop's x axis in the picture, clockwise as seen (y points down).
    """

    centre: np.ndarray
    side: np.ndarray
    roll: np.ndarray

    def __getitem__(self, index):
        """Some of the crops."""
        return Crops(self.centre[index], self.side[index], self.roll[index])

    def then(self, more):
        """These crops and then more of them."""
        return Crops(
            np.concatenate([self.centre, more.centre]),
            np.concatenate([self.side, more.side]),
            np.concatenate([self.roll, more.roll]),
        )

    def to_picture(self, u):
        """Crop coordinates (N,K,2) -> px (N,K,2)."""
        return self._axes_times(u) * (self.side / 2)[:, None, None] + self.centre[:, None]

    def from_picture(self, points):
        """px (N,K,2) -> crop coordinates (N,K,2)."""
        offset = points - self.centre[:, None]
        return np.matmul(offset, self._axes()) / (self.side / 2)[:, None, None]

    def picture_from_pixel(self, size):
        """(N,2,3) affine maps from the pixels of size x size crops to px, for cv2.warpAffine.

        Pixel p of the crop lies at u = (p + 0.5) * 2 / size - 1.
        """
        linear = self._axes() * (self.side / size)[:, None, None]
        middle = np.full(2, (size - 1) / 2)
        shift = self.centre - linear @ middle
        return np.concatenate([linear, shift[:, :, None]], axis=2)

    def from_whole(self, width):
        """(N,2,3) affine maps from coordinates that are -1 and +1 at the outer edges of pictures
        width x width px, as crop coordinates are in the crop, to crop coordinates."""
        half = self.side / 2
        linear = self._axes().transpose(0, 2, 1) * (width / 2 / half)[:, None, None]
        shift = self.from_picture(np.full((len(half), 1, 2), (width - 1) / 2))
        return np.concatenate([linear, shift.transpose(0, 2, 1)], axis=2)

    def _axes(self):
        """(N,2,2) rotations whose columns are the crop's x and y axes in the picture."""
        cosine, sine = np.cos(self.roll), np.sin(self.roll)
        return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)

    def _axes_times(self, u):
        return np.matmul(u, self._axes().transpose(0, 2, 1))


def face_crops(points):
    """The crops that hold the faces of points (N,>=68,2) px upright and centred.

    The roll levels the line between the eyes; in that frame the box of the 68 points gives the
    centre, and its longer side times CROP_MARGIN the side.
    """
    marks = np.asarray(points, np.float64)[:, :68]
    between_eyes = marks[:, RIGHT_EYE].mean(axis=1) - marks[:, LEFT_EYE].mean(axis=1)
    roll = np.arctan2(between_eyes[:, 1], between_eyes[:, 0])
    level = Crops(np.zeros((len(marks), 2)), np.full(len(marks), 2.0), roll)
    upright = level.from_picture(marks)
    low, high = upright.min(axis=1), upright.max(axis=1)
    centre = level.to_picture((low + high)[:, None] / 2)[:, 0]
    return Crops(centre, CROP_MARGIN * (high - low).max(axis=1), roll)


def crop_rotation(rotation, crops, focal, principal):
    """Rotations head -> crop camera (N,3,3) from rotations head -> picture camera (N,3,3).

    The crop camera looks along the ray through the crop's centre and has the crop's roll:
    rotation = R_ray @ Rz(roll) @ result, with R_ray the smallest rotation that takes +z to the
    ray. focal (N,) px, 0 or less where unknown (then R_ray is the identity); principal (2,) px.
    """
    known = focal > 0
    offset = (crops.centre - principal) / np.where(known, focal, 1.0)[:, None]
    ray = np.concatenate([np.where(known[:, None], offset, 0.0), np.ones((len(offset), 1))], 1)
    zero, one = np.zeros(len(offset)), np.ones(len(offset))
    cosine, sine = np.cos(crops.roll), np.sin(crops.roll)
    rows = [[cosine, -sine, zero], [sine, cosine, zero], [zero, zero, one]]
    roll = np.stack([np.stack(row, -1) for row in rows], -2)
    return np.matmul((rotation_to_ray(ray) @ roll).transpose(0, 2, 1), rotation)


def rotation_to_ray(ray):
    """(N,3) rays with positive z -> (N,3,3) smallest rotations that take +z to them."""
    x, y, z = (ray / np.linalg.norm(ray, axis=1, keepdims=True)).T
    # Rodrigues' formula for the axis z x ray, whose length is the angle's sine.
    shared = -x * y / (1 + z)
    rows = [[1 - x * x / (1 + z), shared, x], [shared, 1 - y * y / (1 + z), y], [-x, -y, z]]
    return np.stack([np.stack(row, -1) for row in rows], -2)


def cells_in_crop(crop_from_whole, size, side):
    """(…,2,3) affine maps from the indices of side x side cells of whole pictures to those of
    size x size cells of their crops; crop_from_whole (…,2,3) as in Crops.from_whole."""
    linear = crop_from_whole[..., :2] * (size / side)
    middle = (crop_from_whole[..., 2] + 1) * (size / 2) - 0.5
    shift = middle - linear @ np.full(2, (side - 1) / 2)
    return np.concatenate([linear, shift[..., None]], axis=-1)
