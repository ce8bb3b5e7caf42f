# SPDX-License-Identifier: GPL-3.0-or-later
"""Lashes: two curved cards an eye, rooted in the loop on the front edge of the lids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.spatial.transform import Rotation

from ..names import EYE_BONES
from .part import REFLECTION, SHAPE_PARTNER, Body, Form, Part, strip_quads

ROWS = 4  # from root to tip


@dataclass(frozen=True)
class Row:
    """How one lid's lashes grow.

    length: m where they are longest; inner, outer: share of it at the two corners; start, end:
    angles (degrees) at root and tip between the lash and the line straight out of the eye, towards
    the brow; fan: how far (degrees) the outermost lashes turn outwards.
    """

    upper: bool
    length: float
    inner: float
    outer: float
    start: float
    end: float
    fan: float


LIDS = (
    Row(True, length=0.0085, inner=0.45, outer=0.85, start=-8.0, end=58.0, fan=32.0),
    Row(False, length=0.0050, inner=0.35, outer=0.80, start=-12.0, end=-48.0, fan=24.0),
)
CORNERS_LEFT_OUT = 1  # vertices of the loop next to the inner corner that bear no lashes


def make_lashes(body: Body) -> list[Part]:
    """The lashes of both eyes."""
    roots, offsets, quads, uv = [], [], [], []
    count = 0
    for cell, row in enumerate(LIDS):
        loop = _lid(body, row.upper)
        roots.append(np.tile(loop, ROWS))
        offsets.append(_offsets(body, loop, row))
        strip = strip_quads(ROWS, len(loop))
        across, along = np.meshgrid(np.linspace(0.02, 0.98, len(loop)), np.linspace(0, 1, ROWS))
        card = np.stack([(cell + across) / len(LIDS), along], axis=-1).reshape(-1, 2)
        uv.append(card[strip])
        if not row.upper:
            strip, uv[-1] = strip[:, ::-1], uv[-1][:, ::-1]
        quads.append(strip + count)
        count += ROWS * len(loop)
    root, offset = np.concatenate(roots), np.concatenate(offsets)
    form = Form.both_sides(body.mean[root] + offset, np.concatenate(quads), np.concatenate(uv))
    anchor = np.concatenate([root, body.crop.mirror[root]])
    operator = csr_matrix((np.ones(len(anchor)), (np.arange(len(anchor)), anchor)),
                          shape=(len(anchor), len(body.mean)))  # fmt: skip
    left = _shapes(body, root, offset)
    shapes = np.concatenate([left, (left * REFLECTION)[SHAPE_PARTNER]], axis=1)
    weight = body.skin_weight[anchor]
    return [Part.following(body, form, "lashes", operator, weight, shapes, anchor)]


def _lid(body: Body, upper: bool) -> np.ndarray:
    """Vertices of the left eye's upper or lower lid margin, from the inner corner outwards."""
    loop = body.margin
    x, y = body.mean[loop, 0], body.mean[loop, 1]
    loop = np.roll(loop, -int(x.argmin()))
    split = int(body.mean[loop, 0].argmax())
    one, other = loop[: split + 1], np.append(loop[split:], loop[0])[::-1]
    first_is_upper = body.mean[one, 1].mean() > body.mean[other, 1].mean()
    return (one if first_is_upper == upper else other)[1 + CORNERS_LEFT_OUT :]


def _offsets(body: Body, loop: np.ndarray, row: Row) -> np.ndarray:
    """(ROWS*N,3) m from each root, row by row."""
    root = body.mean[loop]
    place = np.linspace(0, 1, len(loop))
    out = root - body.bone_mean[EYE_BONES[0]]
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    up = np.array([0, 1.0, 0]) - out * out[:, 1:2]
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    side = np.cross(up, out)  # away from the nose
    longest = np.interp(place, (0, 0.65, 1), (row.inner, 1.0, row.outer)) * row.length
    turn = np.deg2rad(np.interp(place, (0, 0.4, 1), (-0.4, 0.0, 1.0)) * row.fan)
    ahead = out * np.cos(turn)[:, None] + side * np.sin(turn)[:, None]
    rows = [np.zeros_like(root)]
    for step in range(1, ROWS):
        angle = np.deg2rad(row.start + (row.end - row.start) * (step - 0.5) / (ROWS - 1))
        piece = ahead * np.cos(angle) + up * np.sin(angle)
        rows.append(rows[-1] + piece * longest[:, None] / (ROWS - 1))
    return np.concatenate(rows)


def _shapes(body: Body, root: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(52,N,3) of the left eye: lashes go with their roots and turn as these go round the ball."""
    centre = body.bone_mean[EYE_BONES[0]]
    before = body.mean[root] - centre
    result = []
    for shape in body.shapes:
        after = before + shape[root]
        axis = np.cross(before, after)
        angle = np.arctan2(np.linalg.norm(axis, axis=1), (before * after).sum(axis=1))
        axis /= np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-12)
        turned = Rotation.from_rotvec(axis * angle[:, None]).apply(offset)
        result.append(shape[root] + turned - offset)
    return np.stack(result)
