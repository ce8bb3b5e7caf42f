# SPDX-License-Identifier: GPL-3.0-or-later
"""What people wear, as small meshes in head space: clothes, hats, glasses, earrings, headphones,
scarves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from models.head import GROUP_NAMES, Head

from . import pool
from .shading import CLOTH, FRAME, HAT

NECK_BASE = np.array([0.0, -0.15, -0.085])
"""About where the neck turns on the shoulders (m, head space)."""
BODY_FOLLOWS = (0.25, 0.55)
"""Share of the head's rotation that the shoulders make too."""

# Rings of the shoulders from the collar down: height, half width, half depth, z of the centre (m).
SHOULDER_RINGS = ((-0.138, 0.060, 0.064, -0.082), (-0.152, 0.072, 0.074, -0.084),
                  (-0.166, 0.105, 0.084, -0.086), (-0.184, 0.150, 0.094, -0.088),
                  (-0.210, 0.185, 0.104, -0.088), (-0.260, 0.205, 0.112, -0.088),
                  (-0.420, 0.205, 0.118, -0.088))
RING_POINTS = 36

BORDER_Z = 0.03
"""Minus z (m) of the middle of a hat's border."""

LOBE_VERTICES = 4
"""The lowest vertices of an ear, which make its lobe."""

LENS_POINTS = 28
FRAME_SIDES = 5
LENS_GAP = 0.013
"""Distance (m) of the lenses from the front of the eyes."""


@dataclass(frozen=True)
class Mesh:
    """vertices (V,3) m in head space; triangles (N,3); material and segmentation class of all;
    rest (V,3) m: where it takes its pattern from, if not where it is."""

    vertices: np.ndarray
    triangles: np.ndarray
    material: int
    label: int
    rest: np.ndarray | None = None


@dataclass(frozen=True)
class Glasses:
    """frame: a mesh; lenses (V,3), lens_triangles (N,3); tint (3,), opacity and mirror 0…1."""

    frame: Mesh
    lenses: np.ndarray
    lens_triangles: np.ndarray
    tint: np.ndarray
    opacity: float
    mirror: float


def _grid_triangles(rows: int, columns: int, closed: bool) -> np.ndarray:
    """Triangles (N,3) of a grid of vertices, row by row; closed joins the last column
    to the first.
    """
    across = columns if closed else columns - 1
    row, column = np.mgrid[:rows - 1, :across]
    following = (column + 1) % columns
    a, b = row * columns + column, row * columns + following
    c, d = a + columns, b + columns
    return np.concatenate([np.stack([a, c, b], axis=-1).reshape(-1, 3),
                           np.stack([b, c, d], axis=-1).reshape(-1, 3)]).astype(np.int32)


def clothes(rng: np.random.Generator, head: Head, vertices: np.ndarray,
            rotation: np.ndarray) -> Mesh:
    """Shoulders in a shirt with a low, round, pointed or standing collar.

    vertices (V,3): the person's head; rotation (3,3): its pose, of which the body takes a share.
    """
    low = head.mean[:, 1] < -0.12
    broad = float(np.quantile(np.abs(vertices[low, 0]), 0.8)
                  / np.quantile(np.abs(head.mean[low, 0]), 0.8))
    rings = np.array(SHOULDER_RINGS)
    rings[:, 1:3] *= np.clip(broad, 0.8, 1.35) * rng.uniform(0.95, 1.15, 2)
    rings[3:, 1] *= rng.uniform(0.8, 1.1)
    turn = np.linspace(0, 2 * np.pi, RING_POINTS, endpoint=False)
    front = np.maximum(np.cos(turn), 0.0)
    points = np.stack([rings[:, 1, None] * np.sin(turn),
                       np.broadcast_to(rings[:, :1], (len(rings), RING_POINTS)),
                       rings[:, 3, None] + rings[:, 2, None] * np.cos(turn)], axis=-1)
    style = rng.random()
    if style < 0.3:
        # A pointed neckline: the collar's front is pulled down, most at the middle.
        points[0, :, 1] -= rng.uniform(0.005, 0.03) * front ** 4
    elif style < 0.6:
        # A standing collar, open in front.
        points[0, :, 1] += rng.uniform(0.0, 0.022) * (1 - front ** 6)
        points[0, :, [0, 2]] *= 1.06
    else:
        points[0, :, 1] -= rng.uniform(0.0, 0.012)
    points = points.reshape(-1, 3)
    points[:, 1] += rng.uniform(-0.012, 0.008)
    facing = Rotation.from_matrix(np.diag([1.0, -1.0, -1.0]) @ rotation)
    undo = Rotation.from_rotvec(-facing.as_rotvec() * (1 - rng.uniform(*BODY_FOLLOWS)))
    points = undo.apply(points - NECK_BASE) + NECK_BASE
    return Mesh(points.astype(np.float32), _grid_triangles(len(rings), RING_POINTS, True), CLOTH,
                pool.BACKGROUND)


class HatMaker:
    """Hats cut out of the skull's own surface."""

    def __init__(self, head: Head):
        group = head.triangle_group
        usable = np.isin(group, [GROUP_NAMES.index("skin")])
        centre = head.mean[head.triangles].mean(axis=1)
        self.mean = head.mean
        self.candidates = head.triangles[usable & (centre[:, 1] > 0.0)]

    def make(self, rng: np.random.Generator, vertices: np.ndarray,
             normals: np.ndarray) -> tuple[Mesh, tuple[float, float]]:
        """A woollen hat, a cap with a peak, or a hat with a brim; vertices, normals (V,3).

        Also height and slope of its border: what has y - slope (z + BORDER_Z) above the height lies
        under the hat.
        """
        height = rng.uniform(0.028, 0.06)
        slope = rng.uniform(0.0, 0.35)
        level = self.mean[:, 1] - slope * (self.mean[:, 2] + BORDER_Z)
        inside = (level[self.candidates] > height).any(axis=1)
        used, index = np.unique(self.candidates[inside], return_inverse=True)
        crown = vertices[used] + normals[used] * rng.uniform(0.007, 0.014)
        # Vertices below the border are lifted to it, so that it runs straight.
        crown[:, 1] += np.maximum(height - level[used], 0.0)
        tall = rng.uniform(0.0, 0.35) * np.clip((level[used] - height) / 0.06, 0, 1)
        crown[:, 1] += tall * np.maximum(vertices[used, 1] - height, 0)
        mesh_points, triangles = [crown], [index.reshape(-1, 3)]
        kind = rng.random()
        if kind < 0.65 and len(used) > 50:
            reach = np.deg2rad(70) if kind < 0.45 else np.pi
            brim, brim_triangles = _brim(rng, crown, reach)
            triangles.append(brim_triangles + len(crown))
            mesh_points.append(brim)
        hat = Mesh(np.concatenate(mesh_points).astype(np.float32),
                   np.concatenate(triangles).astype(np.int32), HAT, pool.OCCLUDER)
        return hat, (height, slope)


def _brim(rng: np.random.Generator, crown: np.ndarray,
          reach: float) -> tuple[np.ndarray, np.ndarray]:
    """A peak (reach < pi) or a whole brim around the lower border of a crown (n,3)."""
    centre = (crown.max(axis=0) + crown.min(axis=0)) / 2
    radius = (crown.max(axis=0) - crown.min(axis=0)) / 2
    turn = np.linspace(-reach, reach, 33)
    front = crown[crown[:, 2] > centre[2] + 0.7 * radius[2], 1].min()
    back = crown[crown[:, 2] < centre[2], 1].min()
    y = back + (front - back) * (0.5 + 0.5 * np.cos(turn))
    # The brim begins inside the crown: no gap can open between them.
    inner = np.stack([centre[0] + 0.93 * radius[0] * np.sin(turn), y,
                      centre[2] + 0.93 * radius[2] * np.cos(turn)], axis=1)
    wide = rng.uniform(0.045, 0.085)
    flare = np.cos(turn / reach * np.pi / 2) ** 0.6 if reach < np.pi else np.ones_like(turn)
    outer = inner + (wide * flare)[:, None] * np.stack(
        [np.sin(turn) * (0.4 if reach < np.pi else 1.0), np.full_like(turn, -rng.uniform(0.0, 0.4)),
         np.cos(turn)], axis=1)
    middle = (inner + outer) / 2 + (0, rng.uniform(0.0, 0.006), 0)
    return np.concatenate([inner, middle, outer]), _grid_triangles(3, len(turn), False)


def glasses(rng: np.random.Generator, head: Head, vertices: np.ndarray,
            eyes: np.ndarray) -> Glasses:
    """Glasses on the nose; vertices (V,3) of the person, eyes (2,3): left and right eye centre."""
    marks = vertices[head.points68]
    half_width = rng.uniform(0.021, 0.029)
    half_height = rng.uniform(0.013, 0.025)
    power = np.exp(rng.uniform(np.log(2.0), np.log(6.0)))
    front = max(marks[27, 2] + 0.003, eyes[:, 2].max() + 0.0145 + LENS_GAP)
    drop = rng.uniform(0.0, 0.008)
    bow = rng.uniform(1.0, 4.0)
    turn = np.linspace(0, 2 * np.pi, LENS_POINTS, endpoint=False)
    unit_x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / power)
    unit_y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / power)
    pointed = rng.uniform(-0.15, 0.25)
    outlines = []
    for eye, outward in zip(eyes, (1.0, -1.0), strict=True):
        x = eye[0] + outward * 0.002 + outward * half_width * unit_x * (1 + 0.12 * unit_y * pointed)
        y = eye[1] - drop + half_height * unit_y * (1 + pointed * unit_x * (unit_y > 0))
        outlines.append(np.stack([x, y, front - bow * x * x], axis=1))
    radius = np.exp(rng.uniform(np.log(0.0007), np.log(0.003)))
    tubes = [_tube(outline, radius, closed=True) for outline in outlines]
    left, right = outlines
    inner = left[np.argmin(left[:, 0])], right[np.argmax(right[:, 0])]
    lift = np.array([0.0, rng.uniform(0.0, 0.008), 0.003])
    tubes.append(_tube(np.stack([inner[0], (inner[0] + inner[1]) / 2 + lift, inner[1]]), radius))
    for outline, outward, ear in ((left, 1.0, marks[16]), (right, -1.0, marks[0])):
        hinge = outline[np.argmax(outward * outline[:, 0])].copy()
        hinge[1] += rng.uniform(0, 0.4) * half_height
        end = np.array([ear[0] * 1.02 + outward * 0.004, ear[1] + 0.008, ear[2] - 0.02])
        corner = hinge + (outward * 0.003, 0.0, -0.006)
        tubes.append(_tube(np.stack([hinge, corner, end]), radius))
    points, triangles = _join(tubes)
    frame = Mesh(points, triangles, FRAME, pool.GLASSES)

    lens_points = np.concatenate([np.concatenate([outline.mean(axis=0, keepdims=True), outline])
                                  for outline in outlines])
    ring = np.arange(LENS_POINTS)
    fan = np.stack([np.zeros_like(ring), ring + 1, (ring + 1) % LENS_POINTS + 1], axis=1)
    fans = np.concatenate([fan, fan + LENS_POINTS + 1]).astype(np.int32)
    kind = rng.random()
    opacity = rng.uniform(0.0, 0.1) if kind < 0.6 else (
        rng.uniform(0.1, 0.6) if kind < 0.75 else rng.uniform(0.8, 1.0))
    tint = np.clip(rng.normal(0.02, 0.015, 3), 0.003, 0.1)
    mirror = rng.uniform(0.0, 0.12) if rng.random() < 0.6 else rng.uniform(0.1, 0.4)
    return Glasses(frame, lens_points.astype(np.float32), fans, tint, opacity, mirror)


def earrings(rng: np.random.Generator, head: Head, vertices: np.ndarray) -> Mesh:
    """Studs, drops or hoops at both lobes; vertices (V,3) of the person."""
    kind, size = rng.random(), rng.uniform(0.0018, 0.004)
    hoop = rng.uniform(0.006, 0.024)
    hanging = rng.uniform(0.01, 0.045)
    ears = head.group_vertices("ears")
    parts = []
    for side in (1.0, -1.0):
        ear = ears[side * head.mean[ears, 0] > 0]
        lobe = vertices[ear[head.mean[ear, 1].argsort()[:LOBE_VERTICES]]].mean(axis=0)
        lobe = lobe + (side * 0.002, 0.003, 0.001)
        if kind < 0.4:
            parts.append(_ball(lobe, np.full(3, size)))
        elif kind < 0.7:
            end = lobe - (0.0, hanging, 0.0)
            parts.append(_tube(np.stack([lobe, (lobe + end) / 2, end]), 0.0006))
            parts.append(_ball(end, size * rng.uniform(0.8, 1.8, 3)))
        else:
            turn = np.linspace(0, 2 * np.pi, 20, endpoint=False)
            ring = lobe + hoop * np.stack([0.25 * side * np.sin(turn), np.cos(turn) - 1,
                                           np.sin(turn)], axis=1)
            parts.append(_tube(ring, 0.3 * size, closed=True))
    return Mesh(*_join(parts), FRAME, pool.OCCLUDER)


def headphones(rng: np.random.Generator, head: Head, vertices: np.ndarray) -> Mesh:
    """A band over the skull and a cup on each ear; vertices (V,3) of the person."""
    ears = head.group_vertices("ears")
    parts, centres = [], []
    size = rng.uniform(0.024, 0.042)
    for side in (1.0, -1.0):
        ear = vertices[ears[side * head.mean[ears, 0] > 0]]
        centre = ear.mean(axis=0) + (side * 0.014, 0.0, 0.0)
        centres.append(centre)
        parts.append(_ball(centre, np.array([rng.uniform(0.010, 0.018), size * 1.15, size])))
    top = vertices[:, 1].max() + rng.uniform(0.012, 0.03)
    turn = np.linspace(0, np.pi, 24)[:, None]
    middle = (centres[0] + centres[1]) / 2
    arc = (middle + np.cos(turn) * (centres[0] - middle)
           + np.sin(turn) * (0.0, top - middle[1], rng.uniform(-0.01, 0.02)))
    parts.append(_tube(arc, rng.uniform(0.004, 0.009)))
    return Mesh(*_join(parts), HAT if rng.random() < 0.6 else FRAME, pool.OCCLUDER)


def scarf(rng: np.random.Generator, vertices: np.ndarray, head: Head) -> Mesh:
    """Two or three thick turns of cloth around the neck, up to the chin or beyond."""
    chin = vertices[head.points68[8], 1]
    thick = rng.uniform(0.016, 0.030)
    height = chin - rng.uniform(0.01, 0.05)
    parts = []
    for _ in range(int(rng.integers(2, 4))):
        # The seam lies in the nape.
        turn = np.linspace(np.pi, 3 * np.pi, 28, endpoint=False)
        wave = rng.normal(0, 0.006) * np.sin(turn + rng.uniform(0, 6.3))
        radius = 0.068 + 0.6 * thick + rng.normal(0, 0.004)
        ring = np.stack([radius * np.sin(turn), height + wave + 0.02 * np.cos(turn) ** 2 - 0.02,
                         NECK_BASE[2] + 0.012 + 1.15 * radius * np.cos(turn)], axis=1)
        parts.append(_tube(ring, thick, closed=True, sides=8))
        height -= 0.9 * thick
    return Mesh(*_join(parts), CLOTH, pool.OCCLUDER)


def _ball(centre: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid around centre (3,) with half axes (3,)."""
    rise = np.linspace(-np.pi / 2, np.pi / 2, 7)[:, None]
    turn = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    unit = np.stack([np.cos(rise) * np.cos(turn), np.sin(rise) * np.ones_like(turn),
                     np.cos(rise) * np.sin(turn)], axis=-1)
    return (centre + radii * unit).reshape(-1, 3), _grid_triangles(len(rise), len(turn), True)


def _tube(path: np.ndarray, radius: float, closed: bool = False,
          sides: int = FRAME_SIDES) -> tuple[np.ndarray, np.ndarray]:
    """A tube along path (n,3)."""
    if closed:
        path = np.concatenate([path, path[:1]])
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-12
    helper = np.array([0.3, 0.2, 1.0])
    first = np.cross(tangent, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True) + 1e-12
    second = np.cross(tangent, first)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    rings = path[:, None] + radius * (np.cos(turn)[None, :, None] * first[:, None]
                                      + np.sin(turn)[None, :, None] * second[:, None])
    return rings.reshape(-1, 3), _grid_triangles(len(path), sides, True)


def _join(parts: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """One mesh of several."""
    points, triangles, offset = [], [], 0
    for vertices, faces in parts:
        points.append(vertices)
        triangles.append(faces + offset)
        offset += len(vertices)
    return np.concatenate(points).astype(np.float32), np.concatenate(triangles).astype(np.int32)
