# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the 68 iBUG points lie on MakeHuman's hm08 mesh, and which further points are tracked.

The points are where people put them who mark photographs in the manner of 300-W. On lids and lips
they are found on edge loops of the mesh (the loop through a named vertex) at a fraction of the way
from corner to corner, so that they sit on the margin in every person. The jaw's are found along
the outline of the face. The others are single vertices. docs/landmarks.md lists all of them and
how far real labels lie from them.
"""

import numpy as np

from .topology import Topology, arcs

LID_LOOP = 6785  # a vertex of the left eye's loop on the front edge of both lids
UPPER_LIP_LOOP = 466  # where the red of the upper lip begins to be seen, just inside its ridge
LOWER_LIP_LOOP = 492  # on the vermilion border
LIP_CORNER_LOOP = 467
INNER_LIP_LOOP = 474  # the innermost loop seen when the lips part

CORNER_TILT = 0.5  # the eyes' corners lie furthest out along a line that falls by this much
UPPER_LID_FRACTIONS = (0.34, 0.60)  # of the lid's length from the inner corner
LOWER_LID_FRACTIONS = (1 / 3, 2 / 3)
# Of the half width of the mouth. The bow's peaks and what lies below them are near the mid line.
UPPER_LIP_FRACTIONS = (0.60, 0.23)  # 49, 50; 51 is at 0
LOWER_LIP_FRACTIONS = (0.75, 0.28)  # 59, 58
INNER_LIP_FRACTIONS = (0.93, 0.25)  # the corner of the opening, 61 and 67

# Left side (+x): brow from the inner to the outer end (22-26), upper edge of the hair in its
# middle; sill and wing of the nose (34, 35).
BROW = (6983, 6980, 6996, 6999, 7023)
NOSE_SIDE = (7076, 7095)
NOSE_MIDDLE = (132, 131, 164, 5134, 317)  # 27-30 down the bridge, then 33 where the septum ends

JAW_POINTS = 17
# Of the way along the outline from the ear, at the height of the eyes' outer corners, to the chin:
# people leave wider steps on the straight side of the face than round the chin.
JAW_FRACTIONS = (0.0, 0.15, 0.29, 0.415, 0.54, 0.65, 0.765, 0.88, 1.0)
JAW_TOP = -0.002  # m, the height of the first
CONTOUR_CANDIDATES = 12
JAW_CENTRE_DROP = 0.045  # m below the eyes: from here the outline of the jaw is swept by angle
SWEEP_STEPS = 61
SLICE_HALF_WIDTH = 0.006  # m: how near the radial plane a contour candidate lies
CONTOUR_FORWARD = 0.075  # m in front of the frontal outline: the cheek, seen when the head turns
CONTOUR_BACKWARD = 0.030
CONTOUR_INWARD = 0.55  # of the radius
JAW_UNDERSIDE = -0.0025  # m above the jaw's edge: a little of its underside belongs to the outline
MID_LINE = 5e-4  # m
# The lower edge of the jaw on the mean person, from the chin to the angle below the ear, (z, y) m:
# what lies under this line is throat and neck.
CHIN_EDGE = (-0.002, -0.108)
JAW_ANGLE = (-0.080, -0.080)

# From these vertices (left side and mid line) the further tracked points are spread, twice as
# densely around the second group. They were the iBUG points when networks first learnt the
# tracked points; the spread keeps them so that those points stay the same vertices.
SPREAD_FROM = (732, 7623, 10364, 7595, 7597, 7571, 11713, 12010, 12364, 6983, 6980, 6981, 6982,
               6987, 136, 131, 201, 294, 307, 7068, 7095)  # fmt: skip
SPREAD_DENSELY_FROM = (6850, 6838, 6790, 6805, 6825, 6831, 455, 7215, 11956, 7185, 7235, 7241,
                       492, 474, 11964, 7192, 7236, 493)  # fmt: skip


def inner_points(positions: np.ndarray, topology: Topology, mirror: np.ndarray) -> np.ndarray:
    """(51,) vertices of the iBUG points 17-67.

    positions (N,3) of the mean person, numbered as in hm08; mirror (N,).
    """
    left_brow = list(BROW)
    bridge, base = list(NOSE_MIDDLE[:4]), NOSE_MIDDLE[4]
    wing_inner, wing_outer = NOSE_SIDE
    nose = [mirror[wing_outer], mirror[wing_inner], base, wing_inner, wing_outer]
    brows = [mirror[v] for v in reversed(left_brow)] + left_brow
    return np.array(brows + bridge + nose + _eyes(positions, topology, mirror)
                    + _mouth(positions, topology, mirror))  # fmt: skip


def _eyes(positions, topology, mirror) -> list[int]:
    """36-47: right eye from its outer corner over the upper lid, then the left from its inner."""
    loop = np.array(topology.loop_through(LID_LOOP))
    x, drop = positions[loop, 0], -CORNER_TILT * positions[loop, 1]
    inner, outer = loop[np.argmin(x - drop)], loop[np.argmax(x + drop)]
    upper, lower = arcs(positions, loop, inner, outer)
    at_upper = [_along(positions, upper, f) for f in UPPER_LID_FRACTIONS]
    at_lower = [_along(positions, lower, f) for f in LOWER_LID_FRACTIONS]
    left = [inner, *at_upper, outer, *reversed(at_lower)]
    # The right eye is numbered from the outer corner: the mirror image of 45, 44, 43, 42, 47, 46.
    right = [mirror[left[k]] for k in (3, 2, 1, 0, 5, 4)]
    return right + left


def _mouth(positions, topology, mirror) -> list[int]:
    """48-67: outer lip clockwise in the picture from the right corner, then the inner lip."""
    upper, lower, middle, inner = (
        np.array(topology.loop_through(v))
        for v in (UPPER_LIP_LOOP, LOWER_LIP_LOOP, LIP_CORNER_LOOP, INNER_LIP_LOOP)
    )
    corner = max(middle, key=lambda v: positions[v, 0])
    opening = max(inner, key=lambda v: positions[v, 0])

    def at(loop, end, fractions, above):
        return [_at_width(positions, loop, end, f, above) for f in fractions]

    top = at(upper, corner, (0.0, *reversed(UPPER_LIP_FRACTIONS)), above=True)
    bottom = at(lower, corner, (0.0, *reversed(LOWER_LIP_FRACTIONS)), above=False)
    far, near = INNER_LIP_FRACTIONS
    (inner_corner,) = at(inner, opening, (far,), above=False)
    in_top = at(inner, opening, (0.0, near), above=True)
    in_bottom = at(inner, opening, (0.0, near), above=False)
    m = mirror
    return [
        m[corner], m[top[2]], m[top[1]], top[0], top[1], top[2],
        corner, bottom[2], bottom[1], bottom[0], m[bottom[1]], m[bottom[2]],
        m[inner_corner], m[in_top[1]], in_top[0], in_top[1],
        inner_corner, in_bottom[1], in_bottom[0], m[in_bottom[1]],
    ]  # fmt: skip


def _along(positions, arc, fraction: float) -> int:
    """The vertex of the arc nearest to the fraction of its length."""
    steps = np.linalg.norm(np.diff(positions[arc], axis=0), axis=1)
    length = np.append(0, np.cumsum(steps)) / steps.sum()
    return int(arc[np.argmin(np.abs(length - fraction))])


def _at_width(positions, loop, corner, fraction: float, above: bool) -> int:
    """The vertex of the upper or lower half of a lip loop at a fraction of the corner's x."""
    middle = loop[np.abs(positions[loop, 0]) < 1e-3]
    y_middle = np.sort(positions[middle, 1])
    half = (y_middle[0] + y_middle[-1]) / 2
    side = loop[(positions[loop, 1] > half) == above]
    return int(side[np.argmin(np.abs(positions[side, 0] - fraction * positions[corner, 0]))])


def height_above_jaw(positions: np.ndarray) -> np.ndarray:
    """(N,) m: how high positions (N,3) m of the mean person lie above the jaw's lower edge.

    What lies below (negative) is throat and neck.
    """
    (chin_z, chin_y), (angle_z, angle_y) = CHIN_EDGE, JAW_ANGLE
    edge = chin_y + (positions[:, 2] - chin_z) * (angle_y - chin_y) / (angle_z - chin_z)
    return positions[:, 1] - np.maximum(edge, chin_y)


def jaw_contour(positions: np.ndarray, candidates: np.ndarray, mirror: np.ndarray):
    """Frontal jaw outline and what it may slide along when the head turns.

    positions (V,3) m in head space; candidates: skin above the jaw's edge, without ears;
    mirror (V,). Returns (17,) and (17, CONTOUR_CANDIDATES), both symmetric, from the
    character's right ear over the chin to the left.
    """
    left = _frontal_outline(positions, candidates)  # from the left ear down to the chin
    slides = [_slide(positions, candidates, vertex) for vertex in left]
    half = JAW_POINTS // 2
    outline = [mirror[v] for v in left[:half]] + [left[half]] + left[:half][::-1]
    contour = [mirror[s] for s in slides[:half]] + [slides[half]] + slides[:half][::-1]
    return np.array(outline), np.array(contour)


def _frontal_outline(positions, candidates) -> list[int]:
    """Nine vertices along the left outline from the height of the eyes to the chin."""
    centre = np.array([0.0, -JAW_CENTRE_DROP])
    offset = positions[candidates, :2] - centre
    angle = np.arctan2(offset[:, 1], offset[:, 0])
    radius = np.linalg.norm(offset, axis=1)
    start = np.arctan2(JAW_CENTRE_DROP, 0.075)  # the height of the eyes at the side of the face
    window = np.deg2rad(4.0)
    outline = []
    for direction in np.linspace(start, -np.pi / 2, SWEEP_STEPS):
        near = np.abs(angle - direction) < window
        vertex = int(candidates[near][np.argmax(radius[near])])
        if vertex not in outline:
            outline.append(vertex)
    middle = candidates[np.abs(positions[candidates, 0]) < MID_LINE]
    x, y = positions[outline, :2].T
    below = y < JAW_TOP
    path = np.column_stack([
        np.concatenate([[np.interp(-JAW_TOP, -y, x)], x[below], [0.0]]),
        np.concatenate([[JAW_TOP], y[below], [positions[middle, 1].min()]]),
    ])  # fmt: skip
    length = np.append(0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    wanted = np.array(JAW_FRACTIONS) * length[-1]
    places = np.column_stack([np.interp(wanted, length, axis) for axis in path.T])
    pools = [candidates] * (len(places) - 1) + [middle]
    return [int(pool[np.argmin(np.linalg.norm(positions[pool, :2] - place, axis=1))])
            for pool, place in zip(pools, places, strict=True)]  # fmt: skip


def _slide(positions, candidates, vertex: int) -> np.ndarray:
    """Vertices along the face's slice through the vertex and the head's forward axis."""
    centre = np.array([0.0, -JAW_CENTRE_DROP])
    here = positions[vertex]
    outward = here[:2] - centre
    radius = np.linalg.norm(outward)
    outward = outward / radius
    offset = positions[candidates, :2] - centre
    across = np.abs(offset @ np.array([-outward[1], outward[0]]))
    along = offset @ outward
    ahead = positions[candidates, 2] - here[2]
    inside = (
        (across < SLICE_HALF_WIDTH)
        & (along > CONTOUR_INWARD * radius)
        & (-CONTOUR_BACKWARD < ahead)
        & (ahead < CONTOUR_FORWARD)
    )
    strip, ahead, across = candidates[inside], ahead[inside], across[inside]
    # Of the vertices about as far ahead, the one nearest to the plane.
    steps = np.linspace(ahead.min(), ahead.max(), CONTOUR_CANDIDATES)
    return np.array([strip[np.argmin(np.hypot(ahead - step, across))] for step in steps])


def spread(positions: np.ndarray, candidates: np.ndarray, weight: np.ndarray, count: int,
           mirror: np.ndarray, taken: np.ndarray) -> np.ndarray:  # fmt: skip
    """Farthest-point sampling of about count vertices, symmetric, denser where weight is high.

    positions (V,3); candidates (C,) vertices; weight (C,) multiplies distances; taken: vertices
    that are points already. Returns the chosen vertices, sorted.
    """
    chosen: list[int] = []
    distance = np.full(len(candidates), np.inf)

    def add(vertex: int) -> None:
        gap = np.linalg.norm(positions[candidates] - positions[vertex], axis=1) * weight
        np.minimum(distance, gap, out=distance)

    for vertex in taken:
        add(vertex)
    while len(chosen) < count:
        vertex = int(candidates[np.argmax(distance)])
        for side in {vertex, int(mirror[vertex])}:
            chosen.append(side)
            add(side)
    return np.array(sorted(chosen))
