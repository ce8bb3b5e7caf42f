# SPDX-License-Identifier: GPL-3.0-or-later
"""The head model: its asset, and what it says of a face.

Head space: metres, right-handed, +y up, +z out of the face, +x to the character's left; the
origin is midway between the eye centres of the mean person. V vertices, F quads, P points.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from .gaze import gaze_matrix
from .names import group_numbers
from .person import Articulation, Person

ASSET = Path(__file__).with_name("head.npz")
FORMAT = "mien-head 2"


@dataclass(frozen=True)
class Head:
    """The asset. Arrays are float32 or int32 and must not be written to."""

    mean: np.ndarray  # (V,3) m, the mean neutral face
    identity_basis: np.ndarray  # (60,V,3) m per standard deviation
    identity_mirror: np.ndarray  # (60,) +1 or -1: coefficient * sign is the mirrored person
    bone_mean: np.ndarray  # (2,5,3) m, heads and tails
    bone_basis: np.ndarray  # (60,2,5,3)
    shapes: np.ndarray  # (52,V,3) m, order SHAPE_NAMES
    shape_mirror: np.ndarray  # (52,)
    quads: np.ndarray  # (F,4)
    uv: np.ndarray  # (F,4,2) per corner
    group: np.ndarray  # (F,) uint8, position in GROUP_NAMES
    mirror: np.ndarray  # (V,) the vertex on the other side
    anchor: np.ndarray  # (V,) the skin's vertex that a hair card's hangs on; itself elsewhere
    points68: np.ndarray  # (68,) vertices of the iBUG points, jaw as seen from the front
    contour: np.ndarray  # (17,C) vertices that each jaw point may slide along
    dense: np.ndarray  # (D,) further tracked vertices
    point_mirror: np.ndarray  # (P,) index of the mirrored point
    bone_parent: np.ndarray  # (5,) -1 for the root
    skin_index: np.ndarray  # (V,4) bones
    skin_weight: np.ndarray  # (V,4), rows sum to one

    @cached_property
    def point_vertices(self) -> np.ndarray:
        """(P,) vertices of all tracked points: the 68, then the dense ones."""
        return np.concatenate([self.points68, self.dense])

    @cached_property
    def triangles(self) -> np.ndarray:
        """(N,3): every quad split along its first diagonal, in the order of the quads."""
        first, second = self.quads[:, [0, 1, 2]], self.quads[:, [0, 2, 3]]
        return np.stack([first, second], axis=1).reshape(-1, 3)

    @cached_property
    def triangle_quad(self) -> np.ndarray:
        """(N,) the quad that each triangle is half of."""
        return np.repeat(np.arange(len(self.quads), dtype=np.int32), 2)

    @cached_property
    def triangle_group(self) -> np.ndarray:
        """(N,) uint8: the group of each triangle, position in GROUP_NAMES."""
        return self.group[self.triangle_quad]

    @cached_property
    def eye_vertices(self) -> tuple[np.ndarray, np.ndarray]:
        """Vertices of the left and of the right eyeball."""
        return tuple(self.group_vertices(name) for name in ("eye_left", "eye_right"))

    def group_vertices(self, *names: str) -> np.ndarray:
        """Sorted vertices of the quads of some groups."""
        return np.unique(self.quads[np.isin(self.group, group_numbers(*names))])

    def neutral(self, identity: np.ndarray) -> np.ndarray:
        """Resting faces (…,V,3) m of identities (…,60) in standard deviations, by the linear basis
        alone: lips may gape and lids sink, which `person` mends."""
        return self.mean + np.tensordot(_single(identity), self.identity_basis, axes=1)

    def bones(self, identity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heads and tails (5,3) m of the bones of one identity (60,), order BONE_NAMES."""
        ends = self.bone_mean + np.tensordot(_single(identity), self.bone_basis, axes=1)
        return ends[0], ends[1]

    @cached_property
    def articulation(self) -> Articulation:
        """What turns an identity into a person."""
        return Articulation(self)

    def person(self, identity: np.ndarray) -> Person:
        """The person of an identity (60,) in standard deviations."""
        return self.articulation.person(identity)

    def rotate_eyes(self, vertices: np.ndarray, eye_centres: np.ndarray, gaze: np.ndarray):
        """Turns the eyeballs of vertices (V,3) about eye_centres (2,3) by gaze (2,2) rad."""
        turned = vertices.copy()
        for eye, rotation, centre in zip(
            self.eye_vertices, gaze_matrix(gaze), eye_centres, strict=True
        ):
            turned[eye] = (vertices[eye] - centre) @ rotation.T + centre
        return turned

    def evaluate(self, identity: np.ndarray, weights: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """One face (V,3) m: identity (60,), weights (52,), gaze (2,2) rad."""
        person = self.person(identity)
        return person.look(person.express(weights), gaze)


def _single(coefficients: np.ndarray) -> np.ndarray:
    """As float32: doubles would have numpy convert the whole basis in every product."""
    return np.asarray(coefficients, np.float32)


@cache
def load_head(path: Path = ASSET) -> Head:
    """Reads the asset.

    Raises FileNotFoundError where it is missing, ValueError where it is no head of this version.
    """
    with np.load(path, allow_pickle=False) as file:
        if "format" not in file or str(file["format"]) != FORMAT:
            raise ValueError(f"{path} is not a head asset of this version of Mien")
        fields = {name: file[name] for name in file.files if name != "format"}
    for name in QUANTISED:
        own, parts = (_restore(fields.pop(of), fields.pop(of + "_scale")) for of in (name, "part_" + name))
        fields[name] = np.concatenate([own, parts], axis=1)
    head = Head(**fields)
    for array in fields.values():
        array.setflags(write=False)
    return head


# Stored as int16 with one scale a row: a quarter of the size, 30 times finer than half floats. The
# base mesh's vertices and those of the parts, under "part_...", have scales of their own.
QUANTISED = ("identity_basis", "shapes")


def quantise(rows: np.ndarray, reach: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(R,…) floats -> int16 of the same shape and scale (R,), so that value = int * scale.

    reach (R,…): what sets each row's scale, at least as far as the rows; the rows where None.
    """
    reach = rows if reach is None else reach
    scale = np.abs(reach.reshape(len(reach), -1)).max(axis=1) / np.iinfo(np.int16).max
    shaped = np.maximum(scale, np.finfo(np.float32).tiny).reshape(-1, *[1] * (rows.ndim - 1))
    return np.round(rows / shaped).astype(np.int16), scale.astype(np.float32)


def _restore(stored: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return stored.astype(np.float32) * scale.reshape(-1, *[1] * (stored.ndim - 1))
