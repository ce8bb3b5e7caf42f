# SPDX-License-Identifier: GPL-3.0-or-later
"""The two dental arches: where each tooth stands and how the arches follow a person.

Heights are measured from a tooth's neck (0) towards its edge (1); "out" is towards lips and
cheeks. Crown sizes are the averages that text books of dental anatomy give (Wheeler's), fitted to
the length of the arch; upper ones are longer by a tenth and, from the canine on, by a fifth,
since the smile that the base mesh's artist drew bares them up to their necks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.sparse import csr_matrix

from ..names import SHAPE_NAMES
from .part import Body

JAW_SHAPES = ("jawForward", "jawRight", "jawLeft", "jawOpen")
MILLIMETRE = 1e-3


@dataclass(frozen=True)
class Crown:
    """Size of a crown, mm: along the arch, from neck to edge, from lip to tongue; and its kind."""

    width: float
    height: float
    depth: float
    kind: str


@dataclass(frozen=True)
class Arch:
    """One jaw's row of teeth, left half.

    middle: (x, z) mm of the line through the middle of the crowns, from the mid line backwards;
    crowns from the first incisor to the second molar; tip: height (y, mm) of the plane of the
    cusps at z = 0, which rises by tilt per mm backwards; up: +1 or -1, the way that crowns point;
    lean: degrees by which incisors lean outwards, less and less up to the canine.
    """

    helper: str
    middle: tuple[tuple[float, float], ...]
    crowns: tuple[Crown, ...]
    tip: float
    tilt: float
    up: float
    lean: float


UPPER = Arch(
    helper="teeth_upper",
    middle=((0, 15.7), (8.2, 14.5), (14.8, 10.5), (19.4, 4.2), (22.6, -3.2), (24.8, -11.0),
            (26.2, -19.3), (27.0, -27.5)),
    crowns=(Crown(8.5, 11.6, 7.0, "incisor"), Crown(6.7, 10.6, 6.2, "incisor"),
            Crown(7.6, 12.0, 8.0, "canine"), Crown(7.0, 11.0, 9.0, "premolar"),
            Crown(6.8, 10.6, 9.0, "premolar"), Crown(10.2, 9.6, 11.0, "molar"),
            Crown(9.6, 9.0, 11.0, "molar")),
    tip=-64.8, tilt=0.1, up=-1.0, lean=12.0,
)  # fmt: skip
LOWER = Arch(
    helper="teeth_lower",
    middle=((0, 12.3), (5.6, 11.6), (11.3, 8.6), (16.0, 3.0), (19.4, -4.2), (22.0, -12.0),
            (24.0, -20.2), (25.0, -28.5)),
    crowns=(Crown(5.2, 8.8, 6.0, "incisor"), Crown(5.8, 9.2, 6.3, "incisor"),
            Crown(6.9, 10.6, 7.6, "canine"), Crown(7.0, 8.6, 7.8, "premolar"),
            Crown(7.1, 8.2, 8.2, "premolar"), Crown(11.0, 7.6, 10.0, "molar"),
            Crown(10.4, 7.2, 9.8, "molar")),
    tip=-65.4, tilt=0.1, up=1.0, lean=4.0,
)  # fmt: skip
ARCHES = (UPPER, LOWER)
# Incisors and canines pass each other: their edges go beyond the plane of the other cusps, mm.
OVERLAP = {"incisor": 0.9, "canine": 1.1, "premolar": 0.0, "molar": 0.0}
LEANING = (1.0, 0.9, 0.4, 0.1, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Place:
    """Where a crown stands: its middle at the neck's height and its axes, mm.

    tangent runs along the arch away from the mid line, out towards the lips, rise from the neck to
    the edge; width is the crown's, fitted to the arch.
    """

    crown: Crown
    neck: np.ndarray
    tangent: np.ndarray
    out: np.ndarray
    rise: np.ndarray
    width: float

    def at(self, along: float, out: float, height: float) -> np.ndarray:
        """Position (3,) mm: along and out in mm from the middle, height 0 at neck, 1 at edge."""
        return (self.neck + along * self.tangent + out * self.out
                + height * self.crown.height * self.rise)  # fmt: skip


@cache
def places(arch: Arch) -> tuple[Place, ...]:
    """The crowns of the left half, edge to edge along the arch."""
    points = np.array(arch.middle, float)
    mirrored = points[:0:-1] * [-1, 1]
    whole = np.concatenate([mirrored, points])
    step = np.append(0, np.cumsum(np.linalg.norm(np.diff(whole, axis=0), axis=1)))
    step -= step[len(mirrored)]
    curve = CubicSpline(step, whole)
    widths = np.array([crown.width for crown in arch.crowns])
    widths *= step[-1] / widths.sum()
    centres = np.cumsum(widths) - widths / 2
    result = []
    for crown, centre, width, leaning in zip(arch.crowns, centres, widths, LEANING, strict=True):
        x, z = curve(centre)
        dx, dz = curve(centre, 1) / np.linalg.norm(curve(centre, 1))
        out = np.array([-dz, 0.0, dx])
        lean = np.deg2rad(arch.lean * leaning)
        rise = np.array([0, arch.up, 0]) * np.cos(lean) + out * np.sin(lean)
        tip = arch.tip - arch.tilt * z + arch.up * OVERLAP[crown.kind]
        # The middle line is that of the crowns' middles: necks of leaning teeth stand behind it.
        neck = np.array([x, tip, z]) - crown.height * rise
        neck += out * np.sin(lean) * crown.height / 2
        result.append(Place(crown, neck, np.array([dx, 0.0, dz]), out, rise, float(width)))
    return tuple(result)


def follower(body: Body, arch: Arch, positions: np.ndarray) -> csr_matrix:
    """Operator (N,V) that carries positions (N,3) m along with the arch's helper strip.

    It is the affine map that brings the strip of the mean person closest to its place in another
    one: linear in that place.
    """
    strip = body.crop.of_groups(arch.helper)
    source = np.column_stack([body.mean[strip], np.ones(len(strip))])
    weights = np.column_stack([positions, np.ones(len(positions))]) @ np.linalg.pinv(source)
    row = np.repeat(np.arange(len(positions)), len(strip))
    column = np.tile(strip, len(positions))
    return csr_matrix((weights.ravel(), (row, column)), shape=(len(positions), len(body.mean)))


def jaw_movement(body: Body, arch: Arch, operator: csr_matrix) -> np.ndarray:
    """Shapes (52,N,3): the lower arch follows the jaw's own shapes, the upper one none."""
    shapes = np.zeros((len(SHAPE_NAMES), operator.shape[0], 3))
    if arch is LOWER:
        for name in JAW_SHAPES:
            index = SHAPE_NAMES.index(name)
            shapes[index] = operator @ body.shapes[index]
    return shapes
