# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels of a batch of faces, in pool pictures and in crops, and their mirror image."""

from dataclasses import dataclass, replace

import numpy as np

from models.reconstruction.crop import crop_rotation

# A mirrored head turns the other way about y and z; about x it nods the same way.
MIRROR = np.diag([-1.0, 1.0, 1.0]).astype(np.float32)


@dataclass(frozen=True)
class MirrorTables:
    """How a face's numbers change when its picture is mirrored.

    points (P,) and shapes (52,) are permutations, identity (60,) signs.
    """

    points: np.ndarray
    shapes: np.ndarray
    identity: np.ndarray

    @classmethod
    def of(cls, head):
        """The tables of a head model."""
        return cls(head.point_mirror, head.shape_mirror, head.identity_mirror)


@dataclass(frozen=True)
class Labels:
    """Labels of N faces in pictures of one size; all float32.

    points (N,P,2) px, or crop coordinates after `in_crops`; visible (N,P) 0 or 1;
    identity (N,60); expression (N,52); gaze (N,2,2) rad; rotation (N,3,3) head to the camera that
    looks along the picture's (the crop's) middle; focal (N,) px, 0 where unknown.
    """

    points: np.ndarray
    visible: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray
    rotation: np.ndarray
    focal: np.ndarray

    def mirrored(self, flip, tables, width):
        """The labels, mirrored in pictures `width` px wide where flip (N,) is true."""
        points = self.points[:, tables.points] * (-1, 1) + (width - 1, 0)
        gaze = self.gaze[:, ::-1] * (-1, 1)  # the eyes change sides, yaw changes sign
        mirrored = {
            "points": points,
            "visible": self.visible[:, tables.points],
            "identity": self.identity * tables.identity,
            "expression": self.expression[:, tables.shapes],
            "gaze": gaze,
            "rotation": MIRROR @ self.rotation @ MIRROR,
        }
        return replace(
            self,
            **{name: choose(flip, value, getattr(self, name)) for name, value in mirrored.items()},
        )

    def in_crops(self, crops, width):
        """The labels as seen in crops of pictures width x width px: points in crop coordinates."""
        middle = np.full(2, (width - 1) / 2)
        rotation = crop_rotation(self.rotation, crops, self.focal, middle)
        points = crops.from_picture(self.points)
        return replace(
            self, points=points.astype(np.float32), rotation=rotation.astype(np.float32)
        )


def choose(flip, mirrored, plain):
    """Rows of `mirrored` where flip (N,) is true, else of `plain`, and of its type."""
    flip = np.reshape(flip, (-1,) + (1,) * (plain.ndim - 1))
    return np.where(flip, mirrored, plain).astype(plain.dtype)
