# SPDX-License-Identifier: GPL-3.0-or-later
"""The sizes that fix a network; they travel inside its checkpoint. No torch here."""

from dataclasses import dataclass

import numpy as np

CROP_SIZE = 128  # pixels; side of the square picture the network reads
CROP_MARGIN = 1.4  # side of the crop over the longer side of the 68 points' box
IDENTITY_SIZE = 60
EXPRESSION_SIZE = 52
SEGMENTATION_CLASSES = (
    "background", "skin", "eyes", "lips", "inside mouth", "hair", "glasses", "other occluder",
)  # fmt: skip
PIXEL_CELLS = 64  # side of the per-pixel answers; a cell is as large as one of the pools' labels
EYE_REGION, MOUTH_REGION = 0.028, 0.030  # m around eyes (with their brows) and mouth: seen twice
# From fused low and intermediate levels, as it should be; and, to see what that is worth, by a head
# of their own from the highest level alone, or by the head that also reads identity and pose there.
EXPRESSION_SOURCES = ("fusion", "top", "shared")
UNKNOWN_CLASS = 255  # a label that no loss and no measure counts


@dataclass(frozen=True)
class NetworkConfig:
    """Widths and depths of the network.

    widths, depths: channels and residual blocks at 32x32, 16x16, 8x8 and 4x4 cells.
    pyramid: channels of the top-down pathway. top_down: whether there is one; else every level is
    read as the backbone gives it.
    expression_from: where shape weights and gaze are read, one of EXPRESSION_SOURCES.
    points: number of dense points, the 68 iBUG points first.
    pixel_widths: channels of the per-pixel heads at 64x64, 32x32, 16x16 and 8x8 cells; empty: the
    network has none.
    second_look: whether eyes and mouth are seen again. eye_points, eye_partners, mouth_points: the
    points that the second look moves: around the left eye, their mirror images around the right eye
    in the same order, around the mouth. refinement: whether all is weighed once more at the end.
    """

    widths: tuple[int, int, int, int] = (32, 64, 128, 192)
    depths: tuple[int, int, int, int] = (1, 2, 3, 2)
    pyramid: int = 48
    top_down: bool = True
    expression_from: str = "fusion"
    points: int = 388
    point_hidden: int = 320
    identity_hidden: int = 192
    expression_hidden: int = 256
    pixel_widths: tuple[int, ...] = (32, 48, 96, 128)
    second_look: bool = True
    eye_widths: tuple[int, int, int, int] = (16, 32, 48, 64)
    eye_hidden: int = 96
    mouth_widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    mouth_hidden: int = 160
    refinement: bool = True
    eye_points: tuple[int, ...] = tuple(range(42, 48))
    eye_partners: tuple[int, ...] = (39, 38, 37, 36, 41, 40)
    mouth_points: tuple[int, ...] = tuple(range(48, 68))

    @property
    def impression(self):
        """How many numbers the second look keeps of left eye, right eye and mouth; 0 without one."""
        return 2 * self.eye_hidden + self.mouth_hidden if self.second_look else 0

    @classmethod
    def of(cls, head):
        """The sizes for a head model (models.head.Head) and all its tracked points."""
        places = head.mean[head.point_vertices, :2]

        def around(landmarks, reach):
            centre = places[landmarks].mean(axis=0)
            return np.flatnonzero(np.linalg.norm(places - centre, axis=1) < reach)

        eye, mouth = around(slice(42, 48), EYE_REGION), around(slice(48, 68), MOUTH_REGION)
        return cls(
            points=len(places),
            eye_points=tuple(eye.tolist()),
            eye_partners=tuple(head.point_mirror[eye].tolist()),
            mouth_points=tuple(mouth.tolist()),
        )

    @classmethod
    def from_dict(cls, values):
        """The config from a checkpoint's plain dictionary (lists become tuples)."""
        values = {"refinement": False, "pixel_widths": ()} | values  # who does not say had none
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
