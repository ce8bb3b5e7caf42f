# SPDX-License-Identifier: GPL-3.0-or-later
"""The neck's end: its rim is rounded inwards and closed, so that nobody sees into the head."""

import numpy as np
from scipy.sparse import csr_matrix, vstack

from .part import Body, Form, Part, strip_quads

FRONT_SIDE = 10  # edges of the loop that make the front side of the grid which closes the neck
# The rounded rim, ring by ring: m along the neck's axis away from the head, m towards its middle.
RIM = ((0.0016, 0.0006), (0.0030, 0.0035))
# The island of UV in the part of the base mesh's square that the cut body leaves free.
UV_CENTRE, UV_RADIUS = np.array([0.4, 0.35]), 0.10
UV_RING = 1.06  # from one ring of the rim to the next outer one


def make_collar(body: Body) -> list[Part]:
    """Rim and closure; they share the collar's vertices with the skin."""
    loop = _from_corner(body)
    count = len(loop)
    rows, columns = (count - 2 * FRONT_SIDE) // 2 + 1, FRONT_SIDE + 1
    border = _border(rows, columns)
    inner = np.setdiff1d(np.arange(rows * columns), border)
    grid = np.empty(rows * columns, int)  # vertex of the part for each node of the grid
    grid[border] = count + np.arange(count)
    grid[inner] = 2 * count + np.arange(len(inner))

    on_loop = csr_matrix((np.ones(count), (np.arange(count), loop)), shape=(count, len(body.mean)))
    fill = _harmonic(rows, columns, border, inner)
    operator = csr_matrix(vstack([on_loop, on_loop, fill @ on_loop]))
    rings = _rings(body.mean[loop])
    positions = np.concatenate([*rings, fill @ rings[-1]])

    ring = np.arange(count)
    following = np.roll(ring, -1)
    bands = [
        np.stack([ring, following, -1 - loop[following], -1 - loop], axis=1),
        np.stack([ring + count, following + count, following, ring], axis=1),
    ]
    cap = grid[strip_quads(rows, columns)][:, ::-1]
    quads = np.concatenate([*bands, cap])
    form = Form(positions, quads, _uv(positions, quads, loop), _mirror(count, rows, columns, grid))
    return [Part.following(body, form, "skin", operator, operator @ body.skin_weight)]


def _from_corner(body: Body) -> np.ndarray:
    """The collar from the right end of its front side to the character's left, and round."""
    loop = body.crop.collar
    x, z = body.mean[loop, 0], body.mean[loop, 2]
    front = int(np.where(np.abs(x) < 1e-5, z, -np.inf).argmax())
    loop = np.roll(loop, -front)
    if body.mean[loop[1], 0] < 0:
        loop = np.roll(loop[::-1], 1)
    return np.roll(loop, FRONT_SIDE // 2)


def _border(rows: int, columns: int) -> np.ndarray:
    """Nodes of a grid's border in the order of the loop: front side, left, back, right."""
    node = np.arange(rows * columns).reshape(rows, columns)
    return np.concatenate([node[0, :-1], node[:-1, -1], node[-1, :0:-1], node[:0:-1, 0]])


def _harmonic(rows: int, columns: int, border: np.ndarray, inner: np.ndarray) -> csr_matrix:
    """(inner,border): each inner node of the grid lies in the middle of its four neighbours."""
    step = np.array([-columns, columns, -1, 1])
    laplace = np.eye(rows * columns)
    for node in inner:
        laplace[node, node + step] = -0.25
    solved = np.linalg.inv(laplace[np.ix_(inner, inner)]) @ laplace[np.ix_(inner, border)]
    return csr_matrix(-solved)


def _rings(loop: np.ndarray) -> list[np.ndarray]:
    """The rounded rim below the loop (N,3) m."""
    centre = loop.mean(axis=0)
    _, _, axes = np.linalg.svd(loop - centre)
    down = axes[2] * -np.sign(axes[2, 1])
    inward = centre - loop
    inward -= np.outer(inward @ down, down)
    inward /= np.linalg.norm(inward, axis=1, keepdims=True)
    return [loop + depth * down + width * inward for depth, width in RIM]


def _uv(positions: np.ndarray, quads: np.ndarray, loop: np.ndarray) -> np.ndarray:
    count = len(loop)
    flat = positions[:, [0, 2]] * [1, -1]
    middle = flat[count : 2 * count].mean(axis=0)
    flat = flat - middle
    outline = flat[count : 2 * count]
    scale = UV_RADIUS / np.abs(outline).max()
    flat[:count] = outline * UV_RING
    place = np.concatenate([flat, outline * UV_RING**2])
    number = np.full(loop.max() + 1, -1)
    number[loop] = len(flat) + np.arange(count)
    return UV_CENTRE + scale * place[np.where(quads < 0, number[-1 - np.minimum(quads, -1)], quads)]


def _mirror(count: int, rows: int, columns: int, grid: np.ndarray) -> np.ndarray:
    ring = (FRONT_SIDE - np.arange(count)) % count
    mirror = np.empty(grid.max() + 1, int)
    mirror[grid] = grid.reshape(rows, columns)[:, ::-1].ravel()
    mirror[:count] = ring
    return mirror
