# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the base mesh becomes the head: the skin above the collar and the helpers in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .names import group_numbers
from .source import AnnyData, BaseMesh
from .topology import Topology

COLLAR_LOOP = 1496  # a vertex of the edge loop round the neck where the body is cut
HELPERS = {
    "helper-l-eye": "eye_left", "helper-r-eye": "eye_right",
    "helper-upper-teeth": "teeth_upper", "helper-lower-teeth": "teeth_lower",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-1": "lashes", "helper-l-eyelashes-2": "lashes",
    "helper-r-eyelashes-1": "lashes", "helper-r-eyelashes-2": "lashes",
}  # fmt: skip
# Mask file -> group; later ones win where masks overlap.
MASKS = (("ears", "ears"), ("eyelids", "eyelids"), ("lips", "lips"), ("inside-mouth", "inside_mouth"))
MASK_THRESHOLD = 128



@dataclass(frozen=True)
class Crop:
    """V vertices and F quads of the base mesh.

    vertices (V,): their numbers there, rising; local: for each of its vertices the number here, -1
    where it is left out; quads (F,4), uv (F,4,2), group (F,) uint8, mirror (V,); collar (N,): the
    loop where the neck ends.
    """

    vertices: np.ndarray
    local: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    group: np.ndarray
    mirror: np.ndarray
    collar: np.ndarray

    @staticmethod
    def of(data: AnnyData) -> Crop:
        base = data.base_mesh()
        kept, groups = _kept_quads(data, base)
        vertices = np.unique(base.quads[kept])
        local = np.full(len(base.positions), -1)
        local[vertices] = np.arange(len(vertices))
        body = Topology(base.quads[base.group == "body"])
        return Crop(
            vertices, local, local[base.quads[kept]], base.uv[base.uv_quads[kept]],
            np.array(group_numbers(*groups), np.uint8), local[data.mirror()[vertices]],
            local[body.loop_through(COLLAR_LOOP)],
        )  # fmt: skip

    def of_groups(self, *names: str) -> np.ndarray:
        """Sorted vertices of the quads of some groups."""
        return np.unique(self.quads[np.isin(self.group, group_numbers(*names))])


def _kept_quads(data: AnnyData, base: BaseMesh) -> tuple[list[int], list[str]]:
    """Base quads of the head above the collar loop and of its helpers, with their group names."""
    body = base.group == "body"
    head_body = _above_collar(base.quads[body], base.positions)
    masks = [(group, cv2.imread(str(data.mask_file(name)), cv2.IMREAD_GRAYSCALE)) for name, group in MASKS]
    kept, names = [], []
    centre = base.uv[base.uv_quads].mean(axis=1)
    for index in np.flatnonzero(body)[head_body]:
        name = "skin"
        for group, mask in masks:
            row = min(int((1 - centre[index, 1]) * mask.shape[0]), mask.shape[0] - 1)
            column = min(int(centre[index, 0] * mask.shape[1]), mask.shape[1] - 1)
            if mask[row, column] >= MASK_THRESHOLD:
                name = group
        kept.append(index)
        names.append(name)
    for helper, name in HELPERS.items():
        for index in np.flatnonzero(base.group == helper):
            kept.append(index)
            names.append(name)
    return kept, names


def _above_collar(quads: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Which body quads hang together with the top of the head when the collar loop is cut."""
    topology = Topology(quads)
    collar = topology.loop_through(COLLAR_LOOP)
    cut = {frozenset(edge) for edge in zip(collar, collar[1:] + collar[:1], strict=True)}
    top = int(quads.ravel()[np.argmax(positions[quads.ravel(), 1])])
    reached = set(topology.faces[top])
    front = list(reached)
    while front:
        quad = quads[front.pop()].tolist()
        for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
            if frozenset((a, b)) in cut:
                continue
            for other in topology.faces[a] & topology.faces[b]:
                if other not in reached:
                    reached.add(other)
                    front.append(other)
    return np.array(sorted(reached))
