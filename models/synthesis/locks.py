# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of hair: broad strands that show as tubes of many fine ones.

Each lock is a band along its middle line that always turns its broad side to the camera. Light is
gathered along the line; across it, a tube's shading and the pattern of the fine strands are
computed for each pixel, and both borders and tips fray into them. What is nearest is found first,
so that each pixel is coloured once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np

from . import pool
from .light import Light, irradiance, light_along

NOISE_SEED, NOISE_LENGTH = 41, 4096
_NOISE = np.random.default_rng(NOISE_SEED).random(NOISE_LENGTH).astype(np.float32)

STRAND_PITCH = 0.0011
"""Metres between the fine strands that one sees as such."""
ROUNDNESS = 0.3
"""Share of a tube's height by which the middle of a lock stands out, in half widths."""
FRAYED_EDGE, FRAYED_TIP = 0.8, 0.5
"""Shares of the half width and of the length within which fine strands part from the lock."""
CONTRAST = 0.9
"""Of light and dark fine strands."""
GLEAM, COLOURED_GLEAM = 0.10, 0.5
"""Strength of the two highlights: light mirrored by the strands' surface, and light that went
through them and took their colour (Marschner et al. 2003)."""
GLEAM_SHIFT = 0.12
"""The first lies towards the root and the second towards the tip, by this much of T·H."""
ROOT_SHADE = 0.5
"""Light between the roots, under other hair."""

PLACE_BITS, NOTHING = 9, np.uint32(0xFFFFFFFF)
PLACE_MASK = np.uint32((1 << PLACE_BITS) - 1)
"""The place on a segment, across and along, is kept in so many bits each beside the segment's
number: one array less to fill for each picture."""
CASTING_STEPS = 7
"""Points along a lock that are enough for its shadow."""

# What is known along a lock's line.
_RED, _GREEN, _BLUE, _SUN, _ACROSS, _ALONG, _DIRECT = range(7)
_CHANNELS = 7


class Rooted:
    """Hair that grows from a head: has points (n,S,3) in head space, and root_triangle (n,) and
    root_bary (n,3): where they grow."""

    def carried(self, triangles: np.ndarray, rest: np.ndarray, face: np.ndarray) -> Rooted:
        """The hair that grew on vertices `rest` (V,3), moved along with its roots on `face` (V,3);
        triangles (N,3) of the head."""
        moved = (face - rest)[triangles[self.root_triangle]]
        step = np.einsum("ij,ijk->ik", self.root_bary, moved)
        return replace(self, points=(self.points + step[:, None]).astype(np.float32))


@dataclass(frozen=True)
class Locks(Rooted):
    """points (n,S,3) in head space; width (n,S) m; colour (n,3) linear albedo; seed (n,) int32 of
    the pattern; root_triangle (n,) and root_bary (n,3): where they grow."""

    points: np.ndarray
    width: np.ndarray
    colour: np.ndarray
    seed: np.ndarray
    root_triangle: np.ndarray
    root_bary: np.ndarray

    def casting(self, view) -> tuple[np.ndarray, np.ndarray]:
        """What throws their shadow, in the camera space of a view: vertices (M,3) float32 m and
        triangles (N,3), broad to the camera and thus, as a rule, to the light."""
        some = max(1, self.points.shape[1] // CASTING_STEPS)
        points = view.to_camera(self.points[:, ::some])
        tangent = np.gradient(points, axis=1)
        side = np.cross(tangent, points)
        side /= np.linalg.norm(side, axis=-1, keepdims=True) + 1e-9
        side *= 0.5 * self.width[:, ::some, None]
        both = np.stack([points - side, points + side], axis=2).astype(np.float32)
        count, steps = points.shape[:2]
        first = (np.arange(count)[:, None] * steps + np.arange(steps - 1)) * 2
        a = first.reshape(-1)
        triangles = np.concatenate([np.stack([a, a + 1, a + 2], axis=1),
                                    np.stack([a + 1, a + 3, a + 2], axis=1)])
        return both.reshape(-1, 3), triangles.astype(np.int32)


def draw_locks(locks: Locks, to_camera: tuple[np.ndarray, np.ndarray], intrinsics: np.ndarray,
               centre: np.ndarray, light: Light, linear: np.ndarray, classes: np.ndarray,
               depth: np.ndarray) -> None:
    """Draw locks over linear light (H,W,3), their class into classes and depth, in place.

    to_camera: rotation (3,3) and translation (3,) from head to camera space; centre (3,) m: of the
    skull, away from which hair faces.
    """
    rotation, translation = (part.astype(np.float32) for part in to_camera)
    surroundings = irradiance(light.harmonics())
    lens = np.array([intrinsics[0, 0], intrinsics[0, 2], intrinsics[1, 2]], np.float32)
    along, place, arc = _light(
        locks.points, locks.width, rotation, translation, lens, centre.astype(np.float32),
        surroundings, light.sun.astype(np.float32), light.sun_colour.astype(np.float32))
    found = np.full(depth.shape, NOTHING, np.uint32)
    # What is in front first: then little of what is behind is looked at.
    order = place[:, :, 2].mean(axis=1).argsort()
    streaks = np.maximum(3.0, locks.width.max(axis=1) / STRAND_PITCH).astype(np.float32)
    _fill(order, place, arc, locks.seed, streaks, found, depth)
    _colour(found, along, arc, locks.seed, streaks, locks.colour,
            light.sun_colour.astype(np.float32), linear, classes, np.uint8(pool.HAIR))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _light(points, width, rotation, translation, lens, centre, surroundings, sun, sun_colour):
    """Along each lock: what _CHANNELS say (n,S,7), the band on the screen (n,S,6): middle x, y,
    depth, half width across x, y and in metres, and the share of the length (n,S)."""
    count, steps = points.shape[:2]
    along = np.zeros((count, steps, _CHANNELS), np.float32)
    place = np.zeros((count, steps, 6), np.float32)
    arc = np.zeros((count, steps), np.float32)
    seen = np.empty((steps, 3), np.float32)
    # Halfway between lamp and viewer, who is at -z.
    bx, by, bz = sun[0], sun[1], sun[2] - 1.0
    size = 1.0 / np.sqrt(bx * bx + by * by + bz * bz + 1e-6)
    bx, by, bz = bx * size, by * size, bz * size
    for lock in range(count):
        for k in range(steps):
            for axis in range(3):
                total = translation[axis]
                for other in range(3):
                    total += rotation[axis, other] * points[lock, k, other]
                seen[k, axis] = total
            z = max(seen[k, 2], np.float32(0.02))
            place[lock, k, 0] = seen[k, 0] / z * lens[0] + lens[1]
            place[lock, k, 1] = seen[k, 1] / z * lens[0] + lens[2]
            place[lock, k, 2] = seen[k, 2]
            if k > 0:
                dx, dy = seen[k, 0] - seen[k - 1, 0], seen[k, 1] - seen[k - 1, 1]
                dz = seen[k, 2] - seen[k - 1, 2]
                arc[lock, k] = arc[lock, k - 1] + np.sqrt(dx * dx + dy * dy + dz * dz)
        whole = max(arc[lock, steps - 1], np.float32(1e-6))
        last_x, last_y = np.float32(0), np.float32(1)
        for k in range(steps):
            arc[lock, k] /= whole
            before, after = max(k - 1, 0), min(k + 1, steps - 1)
            tx = seen[after, 0] - seen[before, 0]
            ty = seen[after, 1] - seen[before, 1]
            tz = seen[after, 2] - seen[before, 2]
            size = 1.0 / np.sqrt(tx * tx + ty * ty + tz * tz + 1e-12)
            tx, ty, tz = tx * size, ty * size, tz * size
            sx = place[lock, after, 0] - place[lock, before, 0]
            sy = place[lock, after, 1] - place[lock, before, 1]
            flat = np.sqrt(sx * sx + sy * sy)
            if flat > 0.3:
                last_x, last_y = -sy / flat, sx / flat
            half = 0.5 * width[lock, k]
            pixels = half * lens[0] / max(seen[k, 2], np.float32(0.02))
            place[lock, k, 3], place[lock, k, 4] = last_x * pixels, last_y * pixels
            place[lock, k, 5] = half
            ox = points[lock, k, 0] - centre[0]
            oy = points[lock, k, 1] - centre[1]
            oz = points[lock, k, 2] - centre[2]
            size = 1.0 / np.sqrt(ox * ox + oy * oy + oz * oz + 1e-9)
            nx = (rotation[0, 0] * ox + rotation[0, 1] * oy + rotation[0, 2] * oz) * size
            ny = (rotation[1, 0] * ox + rotation[1, 1] * oy + rotation[1, 2] * oz) * size
            nz = (rotation[2, 0] * ox + rotation[2, 1] * oy + rotation[2, 2] * oz) * size
            # A lock faces away from the skull, but never along itself.
            lean = nx * tx + ny * ty + nz * tz
            nx, ny, nz = nx - 0.8 * lean * tx, ny - 0.8 * lean * ty, nz - 0.8 * lean * tz
            size = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-9)
            nx, ny, nz = nx * size, ny * size, nz * size
            soak = ROOT_SHADE + (1 - ROOT_SHADE) * min(1.0, arc[lock, k] * 2.5)
            for channel in range(3):
                along[lock, k, channel] = soak * max(
                    0.0, light_along(surroundings, nx, ny, nz, channel))
            along[lock, k, _SUN] = nx * sun[0] + ny * sun[1] + nz * sun[2]
            along[lock, k, _ACROSS] = last_x * sun[0] + last_y * sun[1]
            along[lock, k, _ALONG] = tx * bx + ty * by + tz * bz
            along[lock, k, _DIRECT] = soak
    return along, place, arc


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _noise(x):
    """Smooth noise 0…1 of a number."""
    whole = np.floor(x)
    part = x - whole
    first = int(whole) & (NOISE_LENGTH - 1)
    second = (first + 1) & (NOISE_LENGTH - 1)
    part = part * part * (np.float32(3) - np.float32(2) * part)
    return _NOISE[first] + (_NOISE[second] - _NOISE[first]) * part


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _frayed(s, t, seed, streaks):
    """Whether no fine strand of the lock runs at s (-1…1 across) and t (0…1 along)."""
    aside = abs(s)
    loose = np.float32(FRAYED_EDGE) * (np.float32(0.35) + np.float32(0.65) * t)
    tip = np.float32(1) - np.float32(0.12) * aside
    if aside < np.float32(1) - loose and t < tip - np.float32(FRAYED_TIP):
        return False
    fine = _noise(s * np.float32(0.5) * streaks + seed)
    return aside > np.float32(1) - loose * fine or t > tip - np.float32(FRAYED_TIP) * fine * fine


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _hidden(depth, closest, x0, y0, dx, dy, ux0, uy0, ux1, uy1):
    """Whether something nearer stands before nine places of a segment: then the little that may
    peep out between them is let go."""
    height, width = depth.shape
    for row in range(3):
        part = 0.5 * row
        ux, uy = ux0 + (ux1 - ux0) * part, uy0 + (uy1 - uy0) * part
        for column in range(-1, 2):
            x = int(x0 + dx * part + ux * 0.9 * column)
            y = int(y0 + dy * part + uy * 0.9 * column)
            if 0 <= x < width and 0 <= y < height and closest < depth[y, x]:
                return False
    return True


@numba.njit(cache=True, nogil=True, fastmath=True)
def _fill(order, place, arc, seed, streaks, found, depth):
    """Write into each pixel which segment of which lock is nearest and where on it, packed."""
    height, width = depth.shape
    steps = arc.shape[1]
    for lock in order:
        for k in range(steps - 1):
            z0, z1 = place[lock, k, 2], place[lock, k + 1, 2]
            if z0 < 0.02 or z1 < 0.02:
                continue
            x0, y0 = place[lock, k, 0], place[lock, k, 1]
            x1, y1 = place[lock, k + 1, 0], place[lock, k + 1, 1]
            dx, dy = x1 - x0, y1 - y0
            square = dx * dx + dy * dy
            if square < 0.04:
                continue
            ux0, uy0 = place[lock, k, 3], place[lock, k, 4]
            ux1, uy1 = place[lock, k + 1, 3], place[lock, k + 1, 4]
            reach_x = max(abs(ux0), abs(ux1)) + 0.5
            reach_y = max(abs(uy0), abs(uy1)) + 0.5
            low_y = max(0, int(np.ceil(min(y0, y1) - reach_y)))
            high_y = min(height - 1, int(np.floor(max(y0, y1) + reach_y)))
            low_x = max(0, int(np.ceil(min(x0, x1) - reach_x)))
            high_x = min(width - 1, int(np.floor(max(x0, x1) + reach_x)))
            inverse = 1.0 / square
            slant = 1.0 / np.sqrt(square)
            wide0 = max(np.sqrt(ux0 * ux0 + uy0 * uy0), 1e-3)
            wide1 = max(np.sqrt(ux1 * ux1 + uy1 * uy1), 1e-3)
            widest = max(wide0, wide1)
            narrow0, narrow1 = 1.0 / wide0, 1.0 / wide1
            half0, half1 = place[lock, k, 5], place[lock, k + 1, 5]
            closest = min(z0, z1) - ROUNDNESS * max(half0, half1)
            if _hidden(depth, closest, x0, y0, dx, dy, ux0, uy0, ux1, uy1):
                continue
            arc0, arc1 = arc[lock, k], arc[lock, k + 1]
            # From column to column the share of the way and the distance from the line grow by
            # these; and so many columns raise them by one.
            step_part, step_s = dx * inverse, -dy * slant
            columns_part = 1.0 / step_part if abs(step_part) > 1e-6 else 1e6
            columns_s = 1.0 / step_s if abs(step_s) > 1e-6 else 1e6
            reach_part, reach_s = abs(0.55 * columns_part), abs(widest * columns_s)
            for y in range(low_y, high_y + 1):
                py = y - y0
                row_part, row_s = py * dy * inverse, py * dx * slant
                # A little beyond both ends, so that bends do not gape.
                middle_part, middle_s = x0 + (0.5 - row_part) * columns_part, x0 - row_s * columns_s
                first = max(low_x, int(np.ceil(max(middle_part - reach_part, middle_s - reach_s))))
                last = min(high_x, int(np.floor(min(middle_part + reach_part, middle_s + reach_s))))
                for x in range(first, last + 1):
                    if closest >= depth[y, x]:
                        continue
                    px = x - x0
                    part = min(max(row_part + px * step_part, 0.0), 1.0)
                    s = (row_s + px * step_s) * (narrow0 + (narrow1 - narrow0) * part)
                    if s < -1.0 or s > 1.0:
                        continue
                    half = half0 + (half1 - half0) * part
                    z = z0 + (z1 - z0) * part - ROUNDNESS * half * (1 - s * s)
                    if z >= depth[y, x]:
                        continue
                    if _frayed(s, arc0 + (arc1 - arc0) * part, seed[lock], streaks[lock]):
                        continue
                    depth[y, x] = z
                    found[y, x] = (np.uint32(lock * steps + k) << np.uint32(2 * PLACE_BITS)
                                   | np.uint32((s * 0.5 + 0.5) * PLACE_MASK)
                                   << np.uint32(PLACE_BITS) | np.uint32(part * PLACE_MASK))


@numba.njit(cache=True, nogil=True, fastmath=True)
def _colour(found, along, arc, seed, streaks, colour, sun_colour, linear, classes, label):
    height, width = found.shape
    steps = arc.shape[1]
    unit = np.float32(1.0 / PLACE_MASK)
    flat = along.reshape(-1, _CHANNELS)
    for y in range(height):
        for x in range(width):
            packed = found[y, x]
            if packed == NOTHING:
                continue
            place = np.int64(packed >> np.uint32(2 * PLACE_BITS))
            lock = place // steps
            s = ((packed >> np.uint32(PLACE_BITS)) & PLACE_MASK) * unit * 2 - 1
            part = (packed & PLACE_MASK) * unit
            k = place - lock * steps
            t = arc[lock, k] + (arc[lock, k + 1] - arc[lock, k]) * part
            number = s * 0.5 * streaks[lock] + seed[lock]
            # Fine strands run a little across the lock, and change their shade along it.
            fine = _noise(number + t * (0.3 * (seed[lock] & 7) - 1.0) + 0.5)
            long = _noise(number * 0.37 + t * 2.0 + 97.0)
            shade = 1.0 + CONTRAST * (0.65 * fine + 0.35 * long - 0.5)
            round = 1.0 - 0.2 * s * s
            here, there = flat[place], flat[place + 1]
            toward = here[_SUN] + (there[_SUN] - here[_SUN]) * part
            side = here[_ACROSS] + (there[_ACROSS] - here[_ACROSS]) * part
            tangent = here[_ALONG] + (there[_ALONG] - here[_ALONG]) * part
            soak = here[_DIRECT] + (there[_DIRECT] - here[_DIRECT]) * part
            direct = max(0.0, (toward + 0.3 * s * side + 0.25) / 1.25) * soak
            jitter = 0.25 * (fine - 0.5)
            first = 1.0 - (tangent - GLEAM_SHIFT + jitter) ** 2
            second = 1.0 - (tangent + GLEAM_SHIFT + jitter) ** 2
            first = max(0.0, first) ** 24 * GLEAM
            second = max(0.0, second) ** 8 * COLOURED_GLEAM
            for channel in range(3):
                sky = here[channel] + (there[channel] - here[channel]) * part
                albedo = colour[lock, channel]
                lit = albedo * shade * round * (sky + sun_colour[channel] * direct)
                lit += sun_colour[channel] * direct * round * (first * fine * 2 + second * albedo)
                lit += 0.02 * sky * fine
                linear[y, x, channel] = lit
            classes[y, x] = label
