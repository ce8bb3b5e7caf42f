# SPDX-License-Identifier: GPL-3.0-or-later
"""Light around the head: soft surroundings in spherical harmonics, one sun-like lamp, shadows.

Second-order harmonics carry irradiance to about one per cent (Ramamoorthi and Hanrahan 2001, "An
efficient representation for irradiance environment maps"). Soft shadowing of the surroundings by
the head itself is precomputed transfer (Sloan, Kautz, Snyder 2002), folded into one factor a
vertex.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np

from models.head import Head, group_numbers

from .raster import depth_map, vertex_normals

HARMONICS = 9
LAMBERT = np.array([np.pi] + 3 * [2 * np.pi / 3] + 5 * [np.pi / 4])
"""The cosine lobe's factor for each harmonic."""

SKY_DIRECTIONS = 96
"""Directions from which the head's self-shadowing is gathered."""
TRANSFER_SIDE = 160
SHADOW_BIAS = 0.006
"""Metres that a surface may lie behind the nearest one and still be lit."""
BODY_SHADE = 0.35
"""What is left of light from steeply below, where shoulders and chest are in its way."""
OCCLUSION_RANGE = (0.08, 1.15)

TINT_SPREAD = 0.05
"""Standard deviation of a lamp's log colour per channel: near neutral, as auto white balance leaves
it. Strongly coloured light made the worst pictures in trials."""
WARMTH_SPREAD = 0.10
"""The same along the line from candle light to blue sky, where real lamps lie."""

SHADOW_SIDE = 160
SHADOW_REACH = 0.21
"""Half the side (m) of the square around the head that the shadow map covers."""


@dataclass(frozen=True)
class Light:
    """Light in camera space.

    lobes: directions towards the light (n,3), colours (n,3), for the soft surroundings; ambient
    (3,).
    sun: direction towards it (3,); sun_colour (3,): irradiance on a facing surface over pi.
    softness: radius of the sun's penumbra in texels of the shadow map.
    """

    ambient: np.ndarray
    lobe_directions: np.ndarray
    lobe_colours: np.ndarray
    sun: np.ndarray
    sun_colour: np.ndarray
    softness: float

    def harmonics(self, rotation: np.ndarray | None = None) -> np.ndarray:
        """Radiance coefficients (9,3) of ambient and lobes; rotation (3,3) takes camera space to
        the wanted space."""
        directions = self.lobe_directions
        if rotation is not None:
            directions = directions @ rotation.T
        # A broad lobe: the cosine lobe itself, scaled so that a facing surface receives `colour`.
        coefficients = (basis(directions) * LAMBERT / np.pi).T @ self.lobe_colours
        coefficients[0] += self.ambient / basis(np.array([0.0, 0.0, 1.0]))[0]
        return coefficients

    def scaled(self, factor: float) -> Light:
        """The same light, brighter by a factor."""
        return replace(self, ambient=self.ambient * factor, lobe_colours=self.lobe_colours * factor,
                       sun_colour=self.sun_colour * factor)


def sample_light(rng: np.random.Generator) -> Light:
    """Draw the light: cloudy skies, rooms, windows, flash, hard sun; always some fill."""
    fill = rng.uniform(0.12, 0.7)
    count = int(rng.integers(1, 4))
    directions = rng.standard_normal((count, 3)) + (0.0, -0.7, -0.5)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    strength = rng.uniform(0.1, 0.7, (count, 1))
    colours = strength * np.stack([_tint(rng) for _ in range(count)])
    kind = rng.random()
    if kind < 0.25:
        sun, power = _direction(rng, 1.0), 0.0
    elif kind < 0.4:
        # Flash beside the lens.
        sun, power = _unit(rng.normal(0, 0.15, 3) + (0, -0.1, -1.0)), rng.uniform(0.4, 1.0)
    else:
        sun, power = _direction(rng, 0.9), rng.uniform(0.2, 1.6)
    return Light(fill * _tint(rng), directions, colours, sun, power * _tint(rng),
                 float(np.exp(rng.uniform(np.log(0.5), np.log(4.0)))))


def _direction(rng: np.random.Generator, spread: float) -> np.ndarray:
    """Towards a lamp: as a rule from above and before the face (camera space)."""
    return _unit(rng.standard_normal(3) * spread + (0.0, -0.8, -0.6))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def _tint(rng: np.random.Generator) -> np.ndarray:
    """A lamp's colour (3,) of unit mean."""
    log = rng.normal(0, TINT_SPREAD, 3) + rng.normal(0, WARMTH_SPREAD) * np.array([1.0, 0.2, -1.0])
    colour = np.exp(log)
    return colour / colour.mean()


def basis(directions: np.ndarray) -> np.ndarray:
    """Real spherical harmonics (…,9) up to order two at unit directions (…,3)."""
    x, y, z = np.moveaxis(np.asarray(directions, np.float64), -1, 0)
    return np.stack([
        np.full_like(x, 0.282095), 0.488603 * y, 0.488603 * z, 0.488603 * x,
        1.092548 * x * y, 1.092548 * y * z, 0.315392 * (3 * z * z - 1), 1.092548 * x * z,
        0.546274 * (x * x - y * y)], axis=-1)


def polynomials(harmonics: np.ndarray) -> np.ndarray:
    """Coefficients (9,3) of harmonics as the polynomials (3,9) that `light_along` evaluates: factors
    of 1, x, y, z, xy, yz, zz, xz and xx - yy of a direction (x, y, z)."""
    factors = np.array([0.282095, 0.488603, 0.488603, 0.488603, 1.092548, 1.092548, 3 * 0.315392,
                        1.092548, 0.546274])
    rows = harmonics[[0, 3, 1, 2, 4, 5, 6, 7, 8]] * factors[:, None]
    rows[0] -= 0.315392 * harmonics[6]
    return np.ascontiguousarray(rows.T, np.float64)


def irradiance(radiance: np.ndarray) -> np.ndarray:
    """Polynomials (3,9) of the irradiance over pi on a surface, by its normal; radiance (9,3)."""
    return polynomials(radiance * LAMBERT[:, None] / np.pi)


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def light_along(polynomials, x, y, z, channel):
    """The value of one channel in a direction."""
    p = polynomials[channel]
    return (p[0] + p[1] * x + p[2] * y + p[3] * z + p[4] * x * y + p[5] * y * z + p[6] * z * z
            + p[7] * x * z + p[8] * (x * x - y * y))


class SkyOcclusion:
    """How much of the surroundings' light reaches each vertex of the mean, resting head."""

    def __init__(self, head: Head):
        solid = ~np.isin(head.triangle_group, group_numbers("lashes", "brows"))
        triangles = head.triangles[solid]
        normals = vertex_normals(head.mean, triangles).astype(np.float64)
        self.open_transfer = basis(normals) * LAMBERT
        self.transfer = np.zeros((len(head.mean), HARMONICS))
        directions = even_directions(SKY_DIRECTIONS)
        for direction in directions:
            share = BODY_SHADE if direction[1] < -0.5 else 1.0
            seen = _visible(head.mean, triangles, direction)
            cosine = np.maximum(normals @ direction, 0.0) * seen * share
            self.transfer += np.outer(cosine * 4 * np.pi / SKY_DIRECTIONS, basis(direction))

    def factors(self, harmonics: np.ndarray) -> np.ndarray:
        """(V,) float32: light that arrives over light without self-shadowing, for coefficients
        (9,3) in head space."""
        grey = harmonics.mean(axis=1)
        unhindered = np.maximum(self.open_transfer @ grey, 0.05 * grey[0])
        factor = self.transfer @ grey / unhindered
        return np.clip(factor, *OCCLUSION_RANGE).astype(np.float32)


def even_directions(count: int) -> np.ndarray:
    """Fibonacci's spiral on the sphere (count,3)."""
    k = np.arange(count) + 0.5
    z = 1 - 2 * k / count
    turn = np.pi * (1 + 5 ** 0.5) * k
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(turn), radius * np.sin(turn), z], axis=1)


def light_frame(direction: np.ndarray) -> np.ndarray:
    """Rotation (3,3) whose rows are right, down and away from a lamp in `direction`."""
    away = -_unit(np.asarray(direction, np.float64))
    helper = np.array([0.0, 1.0, 0.0]) if abs(away[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = _unit(np.cross(helper, away))
    return np.stack([right, np.cross(away, right), away])


def _visible(vertices: np.ndarray, triangles: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Which vertices (V,) a far lamp in `direction` sees."""
    turned = vertices @ light_frame(direction).T
    centre = (turned.max(axis=0) + turned.min(axis=0)) / 2
    scale = 0.48 * TRANSFER_SIDE / np.abs(turned[:, :2] - centre[:2]).max()
    screen = np.concatenate([(turned[:, :2] - centre[:2]) * scale + TRANSFER_SIDE / 2,
                             turned[:, 2:] - centre[2] + 1.0], axis=1)
    depth = depth_map(screen, triangles, TRANSFER_SIDE, TRANSFER_SIDE)
    x, y = np.rint(screen[:, :2]).astype(int).T
    return screen[:, 2] < depth[y, x] + SHADOW_BIAS


@dataclass(frozen=True)
class ShadowMap:
    """depth (side,side) float32 from the lamp; matrix (3,4): camera space to texel x, y, depth."""

    depth: np.ndarray
    matrix: np.ndarray

    @staticmethod
    def of(vertices: np.ndarray, triangles: np.ndarray, centre: np.ndarray, light: Light,
           cull: int = 0) -> ShadowMap:
        """Shadows of a mesh (V,3), camera space, around `centre` (3,); cull as in `rasterize`."""
        frame = light_frame(light.sun)
        scale = SHADOW_SIDE / (2 * SHADOW_REACH)
        rows = frame * np.array([scale, scale, 1.0])[:, None]
        shift = -rows @ centre + (SHADOW_SIDE / 2, SHADOW_SIDE / 2, 1.0)
        matrix = np.concatenate([rows, shift[:, None]], axis=1).astype(np.float32)
        screen = vertices.astype(np.float32) @ matrix[:, :3].T + matrix[:, 3]
        if not light.sun_colour.any():
            triangles = triangles[:0]
        depth = depth_map(screen, triangles, SHADOW_SIDE, SHADOW_SIDE, cull)
        return ShadowMap(depth, matrix)
