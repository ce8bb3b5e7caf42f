# SPDX-License-Identifier: GPL-3.0-or-later
"""Fourteen teeth a jaw, each a cap of quads that is open where the gum hides it."""

import numpy as np

from .arch import ARCHES, MILLIMETRE, Place, follower, jaw_movement, places
from .part import Body, Form, Part, hung_on

# The nine vertices of a cap, row by row from the tongue's side outwards, and its rim in order.
GRID = [(along, out) for out in (-1, 0, 1) for along in (-1, 0, 1)]
RIM = (0, 1, 2, 5, 8, 7, 6, 3)
CAP_QUADS = ((0, 1, 4, 3), (1, 2, 5, 4), (3, 4, 7, 6), (4, 5, 8, 7))
ROUNDING = {"incisor": 0.97, "canine": 0.90, "premolar": 0.82, "molar": 0.86}  # of a ring's corners
ROOT_ROUNDING = 0.78  # of those of the two rings nearest the root, which the gum surrounds

# Rings from root to cap: height; width and depth as shares of the crown's; and how far the ring's
# middle lies outwards, as a share of the depth.
RINGS = {
    "incisor": ((-0.30, 0.68, 0.92, -0.02), (0.20, 0.90, 0.98, 0.02), (0.66, 1.06, 0.56, 0.17)),
    "canine": ((-0.30, 0.70, 0.92, -0.02), (0.20, 0.88, 1.00, 0.02), (0.62, 1.05, 0.66, 0.14)),
    "premolar": ((-0.35, 0.72, 0.84, 0.0), (0.15, 0.90, 0.96, 0.0), (0.60, 1.06, 0.98, 0.0)),
    "molar": ((-0.35, 0.78, 0.84, 0.0), (0.15, 0.94, 0.96, 0.0), (0.60, 1.05, 0.99, 0.0)),
}
# The cap: width, depth, outward shift as above; heights in the order of GRID.
CAPS = {
    "incisor": (1.0, 0.17, 0.21, (0.97, 0.98, 0.96, 0.99, 1.0, 0.98, 0.97, 0.98, 0.96)),
    "canine": (0.80, 0.26, 0.16, (0.86, 0.97, 0.84, 0.88, 1.0, 0.86, 0.86, 0.98, 0.84)),
    "premolar": (0.82, 0.66, 0.0, (0.88, 0.95, 0.88, 0.84, 0.80, 0.84, 0.90, 1.0, 0.90)),
    "molar": (0.90, 0.72, 0.0, (0.97, 0.86, 0.95, 0.86, 0.78, 0.86, 1.0, 0.88, 0.98)),
}
CELLS = 4  # a row and column of the UV square that the fourteen teeth share
CELL_MARGIN = 0.04


def make_teeth(body: Body) -> list[Part]:
    """Upper and lower teeth."""
    parts = []
    for arch in ARCHES:
        left = [_crown(place) for place in places(arch)]
        form = _row(np.stack(left) * MILLIMETRE, _quads(), arch.up)
        operator = follower(body, arch, form.positions)
        bone = "jaw" if arch.helper == "teeth_lower" else "head"
        parts.append(Part.following(
            body, form, arch.helper, operator, hung_on(bone, len(form.positions)),
            shapes=jaw_movement(body, arch, operator)))  # fmt: skip
    return parts


def _crown(place: Place) -> np.ndarray:
    """Vertices (33,3) mm of one tooth: the cap's nine, then three rings of eight."""
    crown = place.crown
    round_off = ROUNDING[crown.kind]

    def ring(along: int, out: int, width: float, depth: float, shift: float, height: float):
        corner = (round_off if height > 0.5 else ROOT_ROUNDING) if along and out else 1.0
        return place.at(along * corner * width * place.width / 2,
                        (out * corner * depth / 2 + shift) * crown.depth, height)  # fmt: skip

    width, depth, shift, heights = CAPS[crown.kind]
    vertices = [ring(*at, width, depth, shift, height)
                for at, height in zip(GRID, heights, strict=True)]  # fmt: skip
    for height, width, depth, shift in reversed(RINGS[crown.kind]):
        vertices += [ring(*GRID[corner], width, depth, shift, height) for corner in RIM]
    return np.array(vertices)


def _quads() -> np.ndarray:
    """(28,4): cap, then the bands towards the root; seen from outside anticlockwise if along, out
    and rise are a right-handed frame."""
    rings = [RIM] + [tuple(range(9 + 8 * k, 17 + 8 * k)) for k in range(3)]
    quads = list(CAP_QUADS)
    for inner, outer in zip(rings, rings[1:], strict=False):
        for k in range(8):
            following = (k + 1) % 8
            quads.append((inner[k], outer[k], outer[following], inner[following]))
    return np.array(quads)


def _uv() -> np.ndarray:
    """(33,2) in 0…1: the cap in the middle, the rings as squares around it."""
    middle = np.array([(0.5 + 0.125 * along, 0.5 + 0.125 * out) for along, out in GRID])
    rings = [0.5 + (middle[list(RIM)] - 0.5) * (2 + k) for k in range(3)]
    return np.concatenate([middle, *rings])


def _row(left: np.ndarray, quads: np.ndarray, up: float) -> Form:
    """Both halves of a jaw from the vertices (7,33,3) m of its left teeth."""
    teeth, count, _ = left.shape
    sides = np.concatenate([left, left * [-1, 1, 1]])
    all_quads, all_uv = [], []
    for index in range(2 * teeth):
        # A frame of along, out and rise is left-handed where crowns point up on the left side.
        flip = (up > 0) != (index >= teeth)
        corner = quads[:, ::-1] if flip else quads
        cell = np.array([index % CELLS, index // CELLS])
        uv = (cell + CELL_MARGIN + (1 - 2 * CELL_MARGIN) * _uv()) / CELLS
        all_quads.append(corner + count * index)
        all_uv.append(uv[corner])
    mirror = np.roll(np.arange(2 * teeth * count), teeth * count)
    return Form(sides.reshape(-1, 3), np.concatenate(all_quads), np.concatenate(all_uv), mirror)
