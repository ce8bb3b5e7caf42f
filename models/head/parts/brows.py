# SPDX-License-Identifier: GPL-3.0-or-later
"""Brows: narrow curved cards, each a tuft of hairs, that lie on the skin and go with it."""

import numpy as np

from ..names import group_numbers
from .binding import Foothold
from .part import Body, Form, Part, strip_quads

SEED = 17
CARDS = 36  # a side
ROWS = 4  # of two vertices, from root to tip
# The brow's middle line on the mean person's left side (x, y) m, from nose to temple, and the half
# width of the band of roots at the same places.
LINE_X = (0.0105, 0.0175, 0.0265, 0.0365, 0.0450, 0.0530)
LINE_Y = (0.0160, 0.0180, 0.0205, 0.0220, 0.0195, 0.0140)
HALF_WIDTH = (0.0034, 0.0042, 0.0040, 0.0032, 0.0022, 0.0010)
# Direction of growth, degrees from "outwards" towards "up", along the brow: hairs stand up near the
# nose and lie down towards the temple; above the middle line they turn down, below it up.
GROWTH = (78.0, 55.0, 30.0, 12.0, -8.0, -28.0)
CONVERGENCE = 16.0
LENGTH = (0.0078, 0.0088, 0.0094, 0.0092, 0.0086, 0.0070)
CARD_WIDTH = 0.0024
TAPER = (0.8, 1.0, 0.85, 0.45)
RISE = (0.0001, 0.0007, 0.0010, 0.0007)  # m above the skin, root to tip
SPREAD = 8.0  # degrees by which tufts stray
SEARCH_HEIGHT, SEARCH_ACROSS, SEARCH_BACK = 0.03, 0.01, -0.04  # m: skin that cards may lie on


def make_brows(body: Body) -> list[Part]:
    """Both brows."""
    triangles = _forehead(body)
    rng = np.random.default_rng(SEED)
    flat = np.concatenate([_card(rng, index) for index in range(CARDS)])
    foothold = Foothold.under(flat, triangles, body.mean)
    normals = foothold.at(_normals(triangles, body.mean))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    rise = np.tile(np.repeat(RISE, 2), CARDS)
    positions = foothold.at(body.mean) + normals * rise[:, None]

    strip = strip_quads(ROWS, 2)
    across, along = np.meshgrid((0.0, 1.0), np.linspace(0, 1, ROWS))
    card = np.stack([across, along], axis=-1).reshape(-1, 2)[strip]
    quads = np.concatenate([strip + 2 * ROWS * index for index in range(CARDS)])
    uv = np.concatenate([(card + [index, 0.0]) / [CARDS, 1.0] for index in range(CARDS)])
    form = Form.both_sides(positions, quads, uv)
    both = foothold.both_sides(body.crop.mirror)
    return [Part.following(body, form, "brows", both.operator(len(body.mean)),
                           both.at(body.skin_weight), anchor=both.nearest_vertex)]  # fmt: skip


def _card(rng: np.random.Generator, index: int) -> np.ndarray:
    """(2*ROWS,2) x, y m of one card: pairs from root to tip."""
    place = (index + 0.5) / CARDS + rng.uniform(-0.3, 0.3) / CARDS
    # Multiples of the golden ratio cover the band's width evenly.
    across = 2 * ((index * 0.618034) % 1.0) - 1
    station = np.linspace(0, 1, len(LINE_X))
    x, y, half, growth, length = (np.interp(place, station, values) for values in
                                  (LINE_X, LINE_Y, HALF_WIDTH, GROWTH, LENGTH))  # fmt: skip
    angle = growth - CONVERGENCE * across + rng.normal(0, SPREAD)
    bend = -10.0 - 6.0 * across  # degrees by which the tip leans further down
    length *= rng.uniform(0.85, 1.1)
    root = np.array([x, y + across * half])
    points, middle = [], root
    for row in range(ROWS):
        direction = np.deg2rad(angle + bend * row / (ROWS - 1))
        ahead = np.array([np.cos(direction), np.sin(direction)])
        if row:
            middle = middle + ahead * length / (ROWS - 1)
        aside = np.array([ahead[1], -ahead[0]]) * CARD_WIDTH / 2 * TAPER[row]
        # The character's left is the right of the picture.
        points += [middle - aside, middle + aside]
    return np.array(points)


def _forehead(body: Body) -> np.ndarray:
    """Triangles (T,3) of the skin around the left brow."""
    chosen = np.isin(body.crop.group, group_numbers("skin", "eyelids"))
    centre = body.mean[body.crop.quads].mean(axis=1)
    near = np.abs(centre[:, 1] - LINE_Y[2]) < SEARCH_HEIGHT
    front = (centre[:, 2] > SEARCH_BACK) & (centre[:, 0] > -SEARCH_ACROSS)
    quads = body.crop.quads[chosen & near & front]
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def _normals(triangles: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """(V,3) sums of the triangles' normals at their corners."""
    corner = positions[triangles]
    across = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normals = np.zeros_like(positions)
    for k in range(3):
        np.add.at(normals, triangles[:, k], across)
    return normals
