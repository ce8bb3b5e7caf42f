# SPDX-License-Identifier: GPL-3.0-or-later
"""What a part is made on, and what it is when made."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from ..crop import Crop
from ..names import BONE_NAMES, SHAPE_NAMES, group_numbers, mirrored_name

REFLECTION = np.array([-1.0, 1.0, 1.0])
SHAPE_PARTNER = [SHAPE_NAMES.index(mirrored_name(name)) for name in SHAPE_NAMES]


@dataclass(frozen=True)
class Body:
    """Skin and helper strips of the base mesh: V vertices in head space, K components.

    crop: their quads, groups and mirror table; mean (V,3) m; identity_basis (K,V,3); signs (K,) of
    the mirrored components; shapes (52,V,3); skin_weight (V,5) of all bones; bone_mean (5,3) and
    bone_basis (K,5,3): heads of the bones; eye_radius_mean (2,) and eye_radius_basis (K,2): spheres
    through the eyes' helpers; margin (N,): the loop on the front edge of the left eye's lids.
    """

    crop: Crop
    mean: np.ndarray
    identity_basis: np.ndarray
    signs: np.ndarray
    shapes: np.ndarray
    skin_weight: np.ndarray
    bone_mean: np.ndarray
    bone_basis: np.ndarray
    eye_radius_mean: np.ndarray
    eye_radius_basis: np.ndarray
    margin: np.ndarray


@dataclass(frozen=True)
class Form:
    """A surface at rest: positions (N,3) m, quads (F,4), uv (F,4,2), mirror (N,)."""

    positions: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    mirror: np.ndarray

    @staticmethod
    def both_sides(positions: np.ndarray, quads: np.ndarray, uv: np.ndarray) -> Form:
        """A left half (positions (N,3), quads, uv) and its mirror image after it.

        Each half has its own half of the UV square, side by side.
        """
        count = len(positions)
        left = uv * [0.5, 1.0]
        return Form(
            np.concatenate([positions, positions * REFLECTION]),
            np.concatenate([quads, quads[:, ::-1] + count]),
            np.concatenate([left, left[:, ::-1] + [0.5, 0.0]]),
            np.roll(np.arange(2 * count), count),
        )  # fmt: skip


@dataclass(frozen=True)
class Part:
    """Form and movement of one or more groups of quads.

    mean, identity_basis, shapes, quads, uv, group, mirror as in Body and Crop, for the part's own
    vertices (N) and quads, where -1 - v stands for vertex v of the body; skin_weight (N,5);
    anchor (N,): the vertex of the body that a vertex hangs on, -1 where there is none.
    """

    mean: np.ndarray
    identity_basis: np.ndarray
    shapes: np.ndarray
    quads: np.ndarray
    uv: np.ndarray
    group: np.ndarray
    mirror: np.ndarray
    skin_weight: np.ndarray
    anchor: np.ndarray

    @staticmethod
    def following(body: Body, form: Form, group: str, operator: csr_matrix,
                  skin_weight: np.ndarray, shapes: np.ndarray | None = None,
                  anchor: np.ndarray | None = None) -> Part:  # fmt: skip
        """A form that is moved by operator (N,V) as the body's vertices are.

        shapes (52,N,3): None where the operator gives them as well.
        """
        basis = _apply(operator, body.identity_basis)
        shapes = _apply(operator, body.shapes) if shapes is None else shapes
        anchor = np.full(len(form.positions), -1) if anchor is None else anchor
        groups = np.repeat(np.array(group_numbers(group), np.uint8), len(form.quads))
        part = Part(form.positions, basis, shapes, form.quads, form.uv, groups, form.mirror,
                    skin_weight, anchor)  # fmt: skip
        return part.symmetrical(body)

    def symmetrical(self, body: Body) -> Part:
        """The part, free of what rounding has left between its sides."""
        reflected = self.mean[self.mirror] * REFLECTION
        basis = self.identity_basis[:, self.mirror] * REFLECTION * body.signs[:, None, None]
        shapes = (self.shapes[:, self.mirror] * REFLECTION)[SHAPE_PARTNER]
        return replace(
            self,
            mean=(self.mean + reflected) / 2,
            identity_basis=(self.identity_basis + basis) / 2,
            shapes=(self.shapes + shapes) / 2,
        )


def _apply(operator: csr_matrix, rows: np.ndarray) -> np.ndarray:
    return np.stack([operator @ row for row in rows])


def hung_on(bone: str, count: int) -> np.ndarray:
    """Skin weights (count,5) of what moves with one bone."""
    return np.tile(np.eye(len(BONE_NAMES))[BONE_NAMES.index(bone)], (count, 1))


def strip_quads(rows: int, columns: int) -> np.ndarray:
    """Quads ((rows-1)*(columns-1),4) of a grid whose vertices are numbered row by row.

    Seen with columns to the right and rows upwards they run anticlockwise.
    """
    corner = np.arange(rows * columns).reshape(rows, columns)
    quads = [corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]]
    return np.stack(quads, axis=-1).reshape(-1, 4)
