# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair and beards grow from the head, are combed and fall: locks with fine strands astray between
them, and beards of strands alone, which are drawn as lines."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np

from models.head import GROUP_NAMES, Head

from . import pool
from .accessories import BORDER_Z
from .light import Light, irradiance, light_along
from .locks import Locks, Rooted, draw_locks
from .skin_chart import CHART_HEIGHT, CHART_WIDTH, chart_coordinates

ROOT_SEED = 31
SCALP_ROOTS, BEARD_ROOTS = 9000, 5000
LOCK_ROOTS = 1600
"""Roots of the scalp in an order in which each lies far from those before, for locks."""
LOCK_STEPS, STRAY_STEPS, BEARD_STEPS = 15, 12, 5
"""Points of a lock or strand."""
STRAIGHT_STEP, NEARLY_STRAIGHT = 2, 0.006
"""Of a lock that curls less (radius in metres times turns), every other point is enough to draw."""
TUCK, UNDER_BORDER = 0.014, 0.003
"""Metres by which a hat presses hair in, and how far above its border that begins."""
LEAST_DENSITY = 0.15
"""Of painted hair, for longer hair to grow from it."""
STRAYS = 500
"""Single strands between the locks."""
LOCK_JITTER, STRAY_JITTER = 0.07, 0.22
"""Standard deviation of the directions in which they are combed."""
STRAY_WIDTH = 0.00045
LOCK_TAPER = 0.45
"""Share of a lock's width that is left at its tip."""
SCALP_LOWEST = -0.11
"""Roots of the scalp lie above this height (m)."""

COLOURS = ((22, 18, 17), (36, 27, 22), (58, 42, 32), (88, 64, 46), (124, 94, 66), (164, 132, 94),
           (190, 162, 122), (112, 62, 40), (124, 120, 116), (170, 167, 163), (205, 202, 198))
COLOUR_FREQUENCY = (0.22, 0.2, 0.16, 0.1, 0.07, 0.05, 0.04, 0.03, 0.06, 0.04, 0.03)
"""Hair, sRGB, and how common it is in the pictures."""
DARK_SKIN = 0.15
DARK_SKIN_FREQUENCY = (1.0, 1.0, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.6, 0.5, 0.4)
"""Under skin of a lower albedo these factors apply: light hair is then mostly dyed."""
COLOUR_JITTER = 0.15
STRAIGHT = 0.0012
"""Curls of a smaller radius (m) are less than a strand is wide in the picture."""

SKULL_CENTRE = np.array([0.0, 0.012, -0.070])
SKULL_RADII = np.array([0.080, 0.104, 0.100])
"""An ellipsoid (m) that hair slides on, for the mean head."""
FACE_HALF_WIDTH = 0.068
"""Hair that hangs lower than the fringe is parted aside to this |x| (m) in front of the ears."""


@dataclass(frozen=True)
class Roots:
    """Places on the head: triangle (n,), bary (n,3), texel of the skin chart (n,2), rest (n,3)."""

    triangle: np.ndarray
    bary: np.ndarray
    texel: np.ndarray
    rest: np.ndarray

    def density(self, layer: np.ndarray) -> np.ndarray:
        """A chart layer's value (n,) at the roots, int8 -> 0…1."""
        return np.maximum(layer[self.texel[:, 1], self.texel[:, 0]], 0) / 127.0

    def at(self, chosen: np.ndarray, triangles: np.ndarray, attribute: np.ndarray) -> np.ndarray:
        """An attribute (V,C) of the vertices at the chosen roots (m,C)."""
        corners = attribute[triangles[self.triangle[chosen]]]
        return np.einsum("ij,ijk->ik", self.bary[chosen], corners)


@dataclass(frozen=True)
class Style:
    """A haircut. Lengths in metres.

    length; lift 0…1: how far hair stands off the skull. flow (3,): where it is combed, head space;
    part: x of the parting, from which it is combed aside with strength aside. fall: pull downward
    each step. curl: radius; turns: of the curl along the strand. fringe: height to which hair may
    hang into the face. locks: how many, of this width. tie (3,): where the hair is gathered, None
    where it is not; knot: whether it is wound up there, else it hangs on, by tail.
    """

    length: float
    lift: float
    flow: np.ndarray
    part: float
    aside: float
    fall: float
    curl: float
    turns: float
    fringe: float
    locks: int = 420
    width: float = 0.013
    tie: np.ndarray | None = None
    knot: bool = False
    tail: float = 0.0


@dataclass(frozen=True)
class Strands(Rooted):
    """points (n,S,3) in head space, colour (n,3) linear albedo, thickness (m); root_triangle (n,)
    and root_bary (n,3): where they grow."""

    points: np.ndarray
    colour: np.ndarray
    thickness: float
    root_triangle: np.ndarray
    root_bary: np.ndarray


def sample_colour(rng: np.random.Generator, skin: np.ndarray) -> np.ndarray:
    """Linear albedo (3,) of the hair of a person with this skin albedo (3,)."""
    frequency = np.array(COLOUR_FREQUENCY)
    if skin.mean() < DARK_SKIN:
        frequency = frequency * DARK_SKIN_FREQUENCY
    chosen = rng.choice(len(COLOURS), p=frequency / frequency.sum())
    srgb = np.array(COLOURS[chosen]) / 255.0
    return np.clip(srgb ** 2.2 * np.exp(rng.normal(0, COLOUR_JITTER)
                                        + rng.normal(0, 0.04, 3)), 0.003, 0.8)


def sample_style(rng: np.random.Generator) -> Style:
    """Draw a haircut."""
    styles = list(STYLE_FREQUENCY)
    frequency = np.array(list(STYLE_FREQUENCY.values()))
    side = rng.choice((-1.0, 1.0))
    return styles[rng.choice(len(styles), p=frequency / frequency.sum())](rng, side)


def _crop(rng, side):
    """Short all over, brushed up, forward or aside."""
    flow = np.array([side * rng.uniform(0, 0.6), rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 1.0)])
    return Style(rng.uniform(0.014, 0.04), rng.uniform(0.1, 0.45), flow,
                 side * rng.uniform(0, 0.04), rng.uniform(0, 0.4), rng.uniform(0, 0.15),
                 rng.choice((0.0, 0.0025)), 1.0, rng.uniform(0.02, 0.05), 800,
                 rng.uniform(0.006, 0.010))


def _swept(rng, side):
    """Longer on top, combed back or up and to a side."""
    return Style(rng.uniform(0.04, 0.10), rng.uniform(0.15, 0.5),
                 np.array([side * rng.uniform(0.2, 0.8), rng.uniform(0.0, 0.5), -0.8]),
                 side * rng.uniform(0.02, 0.05), rng.uniform(0, 0.5), 0.1, rng.uniform(0, 0.003),
                 1.0, rng.uniform(0.02, 0.05), 520, rng.uniform(0.009, 0.013))


def _side_parting(rng, side):
    return Style(rng.uniform(0.05, 0.12), rng.uniform(0.08, 0.3), np.array([0.0, -0.1, 0.1]),
                 side * rng.uniform(0.02, 0.045), rng.uniform(0.7, 1.2), rng.uniform(0.12, 0.25),
                 rng.uniform(0, 0.003), rng.uniform(0.5, 1.5), rng.uniform(0.015, 0.045), 480,
                 rng.uniform(0.010, 0.014))


def _bob(rng, side):
    """Down to chin or jaw, parted."""
    return Style(rng.uniform(0.12, 0.20), rng.uniform(0.08, 0.25), np.array([0.0, -0.3, -0.1]),
                 side * rng.uniform(0.0, 0.04), rng.uniform(0.6, 1.2), rng.uniform(0.3, 0.5),
                 rng.uniform(0, 0.006), rng.uniform(0.5, 2.0), rng.uniform(0.0, 0.04))


def _fringe(rng, side):
    """Combed forward over the forehead, down to the brows or beyond."""
    return Style(rng.uniform(0.06, 0.20), rng.uniform(0.08, 0.25), np.array([0.0, -0.2, 0.8]),
                 side * rng.uniform(0, 0.03), rng.uniform(0.0, 0.5), rng.uniform(0.25, 0.5),
                 rng.uniform(0, 0.003), rng.uniform(0.5, 2.0), rng.uniform(-0.002, 0.035), 520,
                 rng.uniform(0.008, 0.013))


def _long(rng, side):
    """Over the shoulders, straight or in waves."""
    return Style(rng.uniform(0.20, 0.38), rng.uniform(0.06, 0.2), np.array([0.0, -0.3, -0.3]),
                 side * rng.uniform(0.0, 0.045), rng.uniform(0.6, 1.3), rng.uniform(0.3, 0.6),
                 rng.choice((0.0, 0.004, 0.007)), rng.uniform(0.5, 2.5), rng.uniform(0.0, 0.05),
                 400, rng.uniform(0.012, 0.016))


def _curls(rng, side):
    """Curls that hang or stand off."""
    return Style(rng.uniform(0.08, 0.26), rng.uniform(0.3, 0.7), np.array([0.0, -0.1, -0.1]),
                 side * rng.uniform(0.0, 0.04), rng.uniform(0.3, 0.9), rng.uniform(0.1, 0.35),
                 rng.uniform(0.006, 0.011), rng.uniform(1.8, 2.6), rng.uniform(0.005, 0.045), 480,
                 rng.uniform(0.008, 0.012))


def _afro(rng, side):
    """Close curls that stand off all round."""
    return Style(rng.uniform(0.015, 0.09), 1.0, np.zeros(3), 0.0, 0.0, rng.uniform(0.0, 0.08),
                 rng.uniform(0.003, 0.006), rng.uniform(1.5, 2.6), rng.uniform(0.02, 0.05), 900,
                 rng.uniform(0.007, 0.010))


def _tied(rng, side):
    """Combed flat to a knot or a tail, on top, behind or low in the neck."""
    height = rng.uniform(-0.07, 0.11)
    behind = 0.172 - 1.5 * max(0.0, height - 0.04)
    return Style(0.17, 0.02, np.array([0.0, 0.2, -1.0]), side * rng.uniform(0.0, 0.03),
                 rng.uniform(0.0, 0.3), 0.04, 0.0, 1.0, 0.06, 480, rng.uniform(0.010, 0.014),
                 np.array([0.0, height, -behind]), rng.random() < 0.5, rng.uniform(0.08, 0.3))


STYLE_FREQUENCY = {
    _crop: 0.27, _swept: 0.11, _side_parting: 0.11, _bob: 0.09, _fringe: 0.11, _long: 0.12,
    _curls: 0.07, _afro: 0.06, _tied: 0.06,
}
"""Haircuts and how common they are in the pictures."""


class HairGrower:
    """Grows strands on one head model."""

    def __init__(self, head: Head):
        rng = np.random.default_rng(ROOT_SEED)
        self.triangles = head.triangles
        group = head.triangle_group
        skin = group == GROUP_NAMES.index("skin")
        centre = head.mean[head.triangles].mean(axis=1)
        high = skin & (centre[:, 1] > SCALP_LOWEST)
        low = skin & (centre[:, 1] < -0.005) & (centre[:, 2] > -0.075)
        self.scalp = _scatter(head, np.flatnonzero(high), SCALP_ROOTS, rng)
        self.lock_order = _spread(self.scalp.rest, LOCK_ROOTS)
        self.beard = _scatter(head, np.flatnonzero(low), BEARD_ROOTS, rng)

    def grow_scalp(self, rng: np.random.Generator, style: Style, layer: np.ndarray,
                   colour: np.ndarray, vertices: np.ndarray, normals: np.ndarray,
                   pressed: bool = False) -> list[Locks | Strands]:
        """Hair on the skull where the chart layer (H,W) says so: locks, and strands astray.

        vertices, normals (V,3): the person, in head space. pressed: it lies flat, under a hat.
        """
        roots = self.scalp
        if pressed:
            style = replace(style, lift=min(style.lift, 0.1), tie=None)
        rooted = roots.density(layer) > LEAST_DENSITY
        keep = self.lock_order[rooted[self.lock_order]][:style.locks]
        strays = np.flatnonzero(rooted)[:STRAYS]
        scale = _skull_scale(roots.at(np.flatnonzero(rooted), self.triangles, vertices))
        locality = rng.uniform(40, 160, (3, 3)), rng.uniform(0, 6.3, (3, 3)), rng.uniform(0.0, 0.3)

        def grow(chosen, steps, spread):
            start = roots.at(chosen, self.triangles, vertices)
            normal = roots.at(chosen, self.triangles, normals)
            flow = np.tile(style.flow, (len(chosen), 1))
            flow[:, 0] += style.aside * np.clip((start[:, 0] - style.part) / 0.02, -1, 1)
            flow += rng.normal(0, spread, flow.shape)
            flow += _cluster_jitter(roots.rest[chosen], locality)
            above = rng.uniform(0.0, 1.0, len(chosen)).astype(np.float32)
            length = style.length * rng.uniform(0.75, 1.1, len(chosen))
            points = _grow(start.astype(np.float32), normal.astype(np.float32),
                           flow.astype(np.float32), length.astype(np.float32),
                           np.float32(style.lift), np.float32(style.fall),
                           above * np.float32(0.0 if pressed else 1.0), steps,
                           (SKULL_CENTRE * scale).astype(np.float32),
                           (SKULL_RADII * scale).astype(np.float32), np.float32(style.fringe))
            if style.tie is not None:
                share = (np.linspace(0, 1, steps) ** 1.3)[:, None]
                points += ((style.tie * scale - points) * share).astype(np.float32)
            _curl(points, rng, style.curl, style.turns)
            shade = (0.7 + 0.4 * above) * np.exp(rng.normal(0, 0.08, len(chosen)))
            return points, (colour * shade[:, None]).astype(np.float32)

        points, shades = grow(keep, LOCK_STEPS, LOCK_JITTER)
        if style.curl * style.turns < NEARLY_STRAIGHT:
            points = np.ascontiguousarray(points[:, ::STRAIGHT_STEP])
        along = np.linspace(0, 1, points.shape[1])
        width = (style.width * rng.uniform(0.7, 1.3, (len(keep), 1))
                 * (1 - (1 - LOCK_TAPER) * along ** 1.5))
        locks = Locks(points, width.astype(np.float32), shades,
                      rng.integers(0, 1 << 20, len(keep)).astype(np.int32), roots.triangle[keep],
                      roots.bary[keep])
        hair = [locks]
        if style.tie is not None:
            wound = self._knot if style.knot else self._tail
            hair.append(wound(rng, style, colour, style.tie * scale, keep))
        points, shades = grow(strays, STRAY_STEPS, STRAY_JITTER)
        hair.append(Strands(points, shades, STRAY_WIDTH, roots.triangle[strays],
                            roots.bary[strays]))
        return hair

    def _knot(self, rng, style, colour, tie, keep) -> Locks:
        """A bun: locks wound around a ball at tie (3,) m."""
        count, radius = 46, rng.uniform(0.026, 0.042)
        centre = tie + 0.6 * radius * _unit(tie - SKULL_CENTRE)
        axis = _unit(rng.normal(0, 0.35, (count, 3)) + _unit(tie - SKULL_CENTRE))
        first = _unit(np.cross(axis, rng.normal(0, 1, (count, 3))))
        second = np.cross(axis, first)
        height = rng.uniform(-0.9, 0.95, (count, 1))
        turn = np.linspace(0, rng.uniform(2.0, 4.0), LOCK_STEPS) + rng.uniform(0, 6.3, (count, 1))
        ring = radius * np.sqrt(1 - height ** 2)
        points = (centre + axis[:, None] * (radius * height)[..., None]
                  + ring[..., None] * (np.cos(turn)[..., None] * first[:, None]
                                       + np.sin(turn)[..., None] * second[:, None]))
        return self._gathered(rng, style, colour, points, keep)

    def _tail(self, rng, style, colour, tie, keep) -> Locks:
        """A pony tail: locks that leave tie (3,) m backwards and fall."""
        count = 40
        along = np.linspace(0, 1, LOCK_STEPS)[:, None]
        spread = rng.normal(0, 0.016, (count, 1, 3))
        length = style.tail * rng.uniform(0.75, 1.05, (count, 1, 1))
        start = rng.normal(0, 0.005, (count, 1, 3)) + tie
        out = (0.035 + 0.02 * rng.random()) * (1 - np.exp(-5 * along))
        points = (start + out * np.array([0.0, 0.4, -1.0]) + spread * np.sqrt(along)
                  - length * along ** 1.4 * np.array([0.0, 1.0, 0.0]))
        return self._gathered(rng, style, colour, points, keep)

    def _gathered(self, rng, style, colour, points, keep) -> Locks:
        """Locks along points (n,S,3) that move with the root nearest to the tie."""
        count = len(points)
        width = np.full((count, LOCK_STEPS), style.width) * rng.uniform(0.8, 1.2, (count, 1))
        nearest = np.linalg.norm(self.scalp.rest[keep] - style.tie, axis=1).argmin()
        root = np.full(count, keep[nearest])
        shades = colour * rng.uniform(0.7, 1.1, (count, 1))
        return Locks(points.astype(np.float32), width.astype(np.float32),
                     shades.astype(np.float32), rng.integers(0, 1 << 20, count).astype(np.int32),
                     self.scalp.triangle[root], self.scalp.bary[root])

    def grow_beard(self, rng: np.random.Generator, length: float, layer: np.ndarray,
                   colour: np.ndarray, vertices: np.ndarray, normals: np.ndarray) -> Strands:
        """A beard of this length (m) where the chart layer says so."""
        roots = self.beard
        keep = np.flatnonzero(roots.density(layer) > rng.uniform(0.15, 0.45))
        start = roots.at(keep, self.triangles, vertices)
        normal = roots.at(keep, self.triangles, normals)
        flow = np.array([0.0, -1.0, 0.15]) + rng.normal(0, 0.25, (len(keep), 3))
        flow[:, 0] += start[:, 0] * 6
        layerness = rng.uniform(0, 1, len(keep)).astype(np.float32)
        lengths = length * rng.uniform(0.5, 1.1, len(keep))
        points = _grow(start.astype(np.float32), normal.astype(np.float32), flow.astype(np.float32),
                       lengths.astype(np.float32), np.float32(0.45), np.float32(0.12), layerness,
                       BEARD_STEPS, np.zeros(3, np.float32), np.full(3, 1e-3, np.float32),
                       np.float32(-1.0))
        _curl(points, rng, min(0.002, length * 0.1), 1.5)
        shade = (0.6 + 0.5 * layerness) * np.exp(rng.normal(0, 0.2, len(keep)))
        return Strands(points, (colour * shade[:, None]).astype(np.float32), 0.0007,
                       roots.triangle[keep], roots.bary[keep])


def _scatter(head: Head, triangles: np.ndarray, count: int, rng: np.random.Generator) -> Roots:
    """Roots spread evenly by area over some triangles of the mean head, in random order."""
    corner = head.mean[head.triangles[triangles]].astype(np.float64)
    cross = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    area = np.linalg.norm(cross, axis=1)
    chosen = rng.choice(len(triangles), count, p=area / area.sum())
    first, second = np.sqrt(rng.random(count)), rng.random(count)
    bary = np.stack([1 - first, first * (1 - second), first * second], axis=1)
    rest = np.einsum("ij,ijk->ik", bary, corner[chosen])
    texel = chart_coordinates(rest) * (CHART_WIDTH, CHART_HEIGHT)
    texel = np.clip(texel.astype(int), 0, (CHART_WIDTH - 1, CHART_HEIGHT - 1))
    return Roots(triangles[chosen], bary.astype(np.float32), texel, rest)


def _skull_scale(start: np.ndarray) -> np.ndarray:
    """How much larger than the mean this skull is (3,), from where the hair begins."""
    if len(start) < 50:
        return np.ones(3)
    half = np.quantile(np.abs(start[:, 0]), 0.98) / 0.0745
    height = np.quantile(start[:, 1], 0.98) / 0.104
    depth = np.quantile(start[:, 2], 0.02) / -0.158
    return np.clip([half, height, depth], 0.75, 1.35)


def tucked(hair: list[Locks | Strands], height: float, slope: float) -> list[Locks | Strands]:
    """Hair with what is above the border of a hat (see HatMaker.make) pressed into the skull."""
    answer = []
    for part in hair:
        points = part.points
        under = points[..., 1] - slope * (points[..., 2] + BORDER_Z) > height + UNDER_BORDER
        inward = SKULL_CENTRE.astype(np.float32) - points
        inward *= TUCK / np.maximum(np.linalg.norm(inward, axis=-1, keepdims=True), 1e-6)
        answer.append(replace(part, points=points + np.where(under[..., None], inward, 0)))
    return answer


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (…,3) of length one."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _spread(places: np.ndarray, count: int) -> np.ndarray:
    """Indices (count,) of places (n,3), each the farthest from those before."""
    order = np.empty(count, np.int64)
    order[0] = 0
    distance = np.full(len(places), np.inf)
    for k in range(1, count):
        distance = np.minimum(distance, ((places - places[order[k - 1]]) ** 2).sum(axis=1))
        order[k] = distance.argmax()
    return order


def _cluster_jitter(rest: np.ndarray, locality: tuple) -> np.ndarray:
    """Neighbouring roots share a direction (n,3); locality: frequencies (3,3) 1/m, phases (3,3)
    and strength."""
    frequency, phase, strength = locality
    return strength * np.stack([np.sin(rest @ frequency[k] + phase[k, 0])
                                + np.sin(rest @ frequency[(k + 1) % 3][::-1] + phase[k, 1])
                                for k in range(3)], axis=1)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _grow(start, normal, flow, length, lift, fall, layerness, steps, centre, radii, fringe):
    """Step along the combing direction, fall, slide on the skull, keep out of the face."""
    count = start.shape[0]
    points = np.empty((count, steps, 3), np.float32)
    for strand in range(count):
        step = length[strand] / (steps - 1)
        own_lift = lift * (0.5 + 0.5 * layerness[strand])
        dx = normal[strand, 0] * own_lift + flow[strand, 0] * (1 - own_lift * 0.8)
        dy = normal[strand, 1] * own_lift + flow[strand, 1] * (1 - own_lift * 0.8)
        dz = normal[strand, 2] * own_lift + flow[strand, 2] * (1 - own_lift * 0.8)
        x, y, z = start[strand, 0], start[strand, 1], start[strand, 2]
        points[strand, 0, 0], points[strand, 0, 1], points[strand, 0, 2] = x, y, z
        clearance = 1.0 + 0.02 + 0.09 * layerness[strand] * min(1.0, length[strand] / 0.08)
        stopped = False
        for k in range(1, steps):
            if not stopped:
                dy -= fall
                size = 1.0 / np.sqrt(dx * dx + dy * dy + dz * dz + 1e-9)
                dx *= size
                dy *= size
                dz *= size
                x += dx * step
                y += dy * step
                z += dz * step
                ex, ey = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
                ez = (z - centre[2]) / radii[2]
                # Below its middle the skull goes on as a neck: a cylinder.
                if ey < 0:
                    ey *= 0.6
                inside = np.sqrt(ex * ex + ey * ey + ez * ez)
                if inside < clearance and ey > -1.2:
                    push = clearance / max(inside, 1e-3)
                    x = centre[0] + (x - centre[0]) * push
                    y = centre[1] + (y - centre[1]) * (push if ey > 0 else 1.0)
                    z = centre[2] + (z - centre[2]) * push
                if y < fringe and z > -0.035:
                    if abs(x) < 0.045:
                        stopped = True
                    elif abs(x) < FACE_HALF_WIDTH:
                        x = np.sign(x) * FACE_HALF_WIDTH
            points[strand, k, 0], points[strand, k, 1], points[strand, k, 2] = x, y, z
    return points


def _curl(points: np.ndarray, rng: np.random.Generator, radius: float, turns: float) -> None:
    """Wind the strands (n,S,3) about their own lines, in place; the roots stay."""
    if radius < STRAIGHT:
        return
    count, steps = points.shape[:2]
    along = np.linspace(0, 1, steps, dtype=np.float32)
    phase = rng.uniform(0, 2 * np.pi, (count, 1)).astype(np.float32)
    angle = 2 * np.pi * turns * along + phase
    grow = np.minimum(1.0, along * 3) * radius
    points[:, :, 0] += grow * np.cos(angle)
    points[:, :, 1] += grow * 0.5 * np.cos(angle * 1.3 + 1)
    points[:, :, 2] += grow * np.sin(angle)


def draw_strands(strands: Strands | Locks, to_camera: tuple[np.ndarray, np.ndarray],
                 intrinsics: np.ndarray, light: Light, linear: np.ndarray, classes: np.ndarray,
                 depth: np.ndarray) -> None:
    """Draw strands over linear light (H,W,3), their class into classes and depth, in place.

    to_camera: rotation (3,3) and translation (3,) from head to camera space.
    """
    if isinstance(strands, Locks):
        draw_locks(strands, to_camera, intrinsics, SKULL_CENTRE, light, linear, classes, depth)
        return
    rotation, translation = to_camera
    surroundings = irradiance(light.harmonics())
    lens = np.array([intrinsics[0, 0], intrinsics[0, 2], intrinsics[1, 2]], np.float32)
    _draw(strands.points, strands.colour, np.float32(strands.thickness),
          rotation.astype(np.float32), translation.astype(np.float32), lens, surroundings,
          light.sun.astype(np.float32), light.sun_colour.astype(np.float32),
          SKULL_CENTRE.astype(np.float32), linear, classes, depth, np.uint8(pool.HAIR))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _draw(points, colour, thickness, rotation, translation, lens, surroundings, sun, sun_colour,
          centre, linear, classes, depth, label):
    height, width = depth.shape
    count, steps = points.shape[:2]
    shaded = np.empty(3, np.float32)
    for strand in range(count):
        last_x, last_y, last_z = np.float32(0), np.float32(0), np.float32(0)
        for k in range(steps):
            hx, hy, hz = points[strand, k, 0], points[strand, k, 1], points[strand, k, 2]
            cx = rotation[0, 0] * hx + rotation[0, 1] * hy + rotation[0, 2] * hz + translation[0]
            cy = rotation[1, 0] * hx + rotation[1, 1] * hy + rotation[1, 2] * hz + translation[1]
            cz = rotation[2, 0] * hx + rotation[2, 1] * hy + rotation[2, 2] * hz + translation[2]
            if cz < 0.02:
                break
            x = cx / cz * lens[0] + lens[1]
            y = cy / cz * lens[0] + lens[2]
            if k > 0:
                # Outward from the skull stands in for a normal; the tangent makes the gleam.
                ox, oy, oz = hx - centre[0], hy - centre[1], hz - centre[2]
                length = 1.0 / np.sqrt(ox * ox + oy * oy + oz * oz + 1e-9)
                nx = (rotation[0, 0] * ox + rotation[0, 1] * oy + rotation[0, 2] * oz) * length
                ny = (rotation[1, 0] * ox + rotation[1, 1] * oy + rotation[1, 2] * oz) * length
                nz = (rotation[2, 0] * ox + rotation[2, 1] * oy + rotation[2, 2] * oz) * length
                tx = points[strand, k, 0] - points[strand, k - 1, 0]
                ty = points[strand, k, 1] - points[strand, k - 1, 1]
                tz = points[strand, k, 2] - points[strand, k - 1, 2]
                size = np.sqrt(tx * tx + ty * ty + tz * tz)
                if size < 1e-6:
                    break
                ux = (rotation[0, 0] * tx + rotation[0, 1] * ty + rotation[0, 2] * tz) / size
                uy = (rotation[1, 0] * tx + rotation[1, 1] * ty + rotation[1, 2] * tz) / size
                uz = (rotation[2, 0] * tx + rotation[2, 1] * ty + rotation[2, 2] * tz) / size
                toward = nx * sun[0] + ny * sun[1] + nz * sun[2]
                direct = max(0.0, (toward + 0.3) / 1.3)
                # Halfway between lamp and viewer (who is at -z); Kajiya and Kay 1989.
                bx, by, bz = sun[0], sun[1], sun[2] - 1.0
                length = 1.0 / np.sqrt(bx * bx + by * by + bz * bz + 1e-6)
                along = (ux * bx + uy * by + uz * bz) * length
                gleam = max(0.0, 1.0 - along * along) ** 20 * direct * 0.12
                soak = 0.5 + 0.5 * min(1.0, k / (0.5 * steps))
                for channel in range(3):
                    received = (max(0.0, light_along(surroundings, nx, ny, nz, channel)) * soak
                                + sun_colour[channel] * direct * soak)
                    shaded[channel] = (colour[strand, channel] * received
                                       + gleam * sun_colour[channel])
                wide = thickness * lens[0] / cz
                _line(last_x, last_y, last_z, x, y, cz, wide, shaded, linear, classes, depth, label)
            last_x, last_y, last_z = x, y, cz


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _line(x0, y0, z0, x1, y1, z1, wide, colour, linear, classes, depth, label):
    """A depth-tested line, at most two pixels wide; thinner ones let more through."""
    height, width = depth.shape
    dx, dy = x1 - x0, y1 - y0
    steps = int(max(abs(dx), abs(dy))) + 1
    if steps > 400:
        return
    opacity = min(1.0, wide) * 0.8
    double = wide > 1.4
    for k in range(steps):
        t = k / steps
        x, y, z = int(x0 + dx * t + 0.5), int(y0 + dy * t + 0.5), z0 + (z1 - z0) * t
        for extra in range(2 if double else 1):
            if abs(dx) > abs(dy):
                sx, sy = x, y + extra
            else:
                sx, sy = x + extra, y
            if 0 <= sx < width and 0 <= sy < height and z < depth[sy, sx] + 0.002:
                for channel in range(3):
                    linear[sy, sx, channel] += (colour[channel] - linear[sy, sx, channel]) * opacity
                if opacity > 0.4:
                    classes[sy, sx] = label
                    depth[sy, sx] = min(z, depth[sy, sx])
