# SPDX-License-Identifier: GPL-3.0-or-later
"""The labels of the heads' surfaces in a batch, as their pictures show them and in crops' frames."""

from dataclasses import dataclass, replace

import numpy as np

from models.reconstruction.crop import crop_rotation
from models.synthesis.pool import NOWHERE, SURFACE_UNIT, no_surface

from .labels import MIRROR, choose


@dataclass(frozen=True)
class Surfaces:
    """What is known of N heads in 48x48 cells of their pictures; float32.

    canonical (N,48,48,3) m, the place on the mean head, in head space; depth (N,48,48) m behind the
    origin of head space, normal (N,48,48,3) unit and relief (N,48,48,3), what the skin adds to it,
    in the frame of the picture's (the crop's) camera. seen, lifted (N,48,48) bool: where the head
    is seen, and where its relief is known too.
    """

    canonical: np.ndarray
    depth: np.ndarray
    normal: np.ndarray
    relief: np.ndarray
    seen: np.ndarray
    lifted: np.ndarray

    @classmethod
    def of(cls, picks):
        """From (chunk, index) pairs; chunks without such labels know nothing."""
        nothing = no_surface()
        label = np.stack(
            [nothing if chunk.surface is None else chunk.surface[index] for chunk, index in picks]
        )
        seen, lifted = label["depth"] != NOWHERE, label["detail"].any(axis=3)
        normal, detail = unit(label["normal"]), unit(label["detail"])
        return cls(
            canonical=label["canonical"] * np.float32(SURFACE_UNIT) * seen[..., None],
            depth=label["depth"] * np.float32(SURFACE_UNIT) * seen,
            normal=normal,
            relief=(detail - normal) * lifted[..., None],
            seen=seen,
            lifted=seen & lifted,
        )

    def mirrored(self, flip):
        """The surfaces of pictures that are mirrored where flip (N,) is true."""
        turned = {name: getattr(self, name)[:, :, ::-1] for name in self.__dataclass_fields__}
        for name in ("canonical", "normal", "relief"):
            turned[name] = turned[name] * MIRROR.diagonal()
        return Surfaces(
            **{name: choose(flip, value, getattr(self, name)) for name, value in turned.items()}
        )

    def in_crops(self, crops, labels, width):
        """The surfaces in the frames of the cameras of crops of pictures width x width px, whose
        labels these are.

        Depth is then measured along the crop's ray instead of the picture's. That takes the place
        beside the origin of head space, for which the mean head's stands in: it is wrong by
        millimetres, which count by the sine of the few degrees between the rays. In nine of ten
        pictures no cell is wrong by more than .8 mm.
        """
        turn = crop_rotation(np.eye(3), crops, labels.focal, np.full(2, (width - 1) / 2))
        turn = turn.astype(np.float32)
        offset = rotated(labels.rotation, self.canonical)
        offset[..., 2] = self.depth
        return replace(
            self,
            depth=rotated(turn, offset)[..., 2] * self.seen,
            normal=rotated(turn, self.normal),
            relief=rotated(turn, self.relief),
        )

    def without(self, hidden):
        """The surfaces where hidden (N,48,48) bool is false."""
        return replace(self, seen=self.seen & ~hidden, lifted=self.lifted & ~hidden)


def rotated(rotation, vectors):
    """(N,3,3) times vectors (N,H,W,3)."""
    return np.matmul(vectors, rotation.transpose(0, 2, 1)[:, None])


def unit(direction):
    """int8 (…,3) directions as float32 of length one; zeros stay zeros."""
    direction = direction.astype(np.float32)
    return direction / np.maximum(np.linalg.norm(direction, axis=-1, keepdims=True), 1)
