# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour of every pixel of a rasterised scene, and the picture's development to 8 bits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numba
import numpy as np

from . import pool
from .light import SHADOW_BIAS, Light, ShadowMap, irradiance, light_along, polynomials
from .skin import Skin

SKIN, EYE, CAVITY, TEETH, CLOTH, HAT, FRAME = range(7)
"""Materials of triangles."""

# Columns of the attributes of a vertex, then those that are added for a place.
NORMAL, REST, OCCLUSION, VERTEX_ATTRIBUTES = 0, 3, 6, 7
CHART, ATTRIBUTES = 7, 9

BLOCK_STEP = 0.008
"""Depth (m) within a 2x2 block beyond which its pixels are coloured one by one."""

WRAP = np.array([0.28, 0.12, 0.07])
"""How far light creeps round the terminator in red, green and blue, by scattering in the skin."""
SCATTER = np.array([0.8, 0.5, 0.3], np.float32)
"""Share of red, green and blue light that scatters too far to show the skin's fine relief."""
BLEED = np.array([0.6, 0.0, -0.3], np.float32)
"""How the half-shadow of skin is lightened in red and deepened in blue."""
MIRROR_BANDS = np.array([1.0] + 3 * [0.88] + 5 * [0.65])
"""What skin's rough mirror leaves of each harmonic of its surroundings."""
OILY_WIDTH, OILY_V, OILY_GAIN, DRY_SHINE = 0.06, (0.17, 0.75), 1.3, 0.55
"""The strip along the mid line where skin shines more, from forehead to chin (in the chart's u and
v); how much, and how much other skin does."""
WINDOW_COSINES = (0.90, 0.96)
"""Where, about the direction of most light, its picture in an eye begins and is full."""
WINDOW_GAIN, EYE_GLEAM = 0.61, 0.3
"""Brightness of that picture for unit light; what is left of all other light's in the eye."""
LIPS_V, LIPS_SIZE, LIPS_GAIN = 0.62, (0.055, 0.03), 1.2
"""The lips' place on the chart and how much they shine beside that."""
FRESNEL = 0.035
"""Reflectance of skin and of wet surfaces at normal incidence."""
LID_SHADOW = 0.0042
"""Metres below the lid at which its shadow on the eye has faded to a third."""
TEETH_FRONT, MOUTH_DEPTH = 0.019, 0.010
"""z (m, head space) of the incisors, and how far behind them light, a lamp's too, falls to a
third."""
CLOTH_REPEATS = 2.5
"""Copies of the cloth's picture per metre."""
BUMP_STEP = 1.2
"""Distance (texels) between the heights whose difference tilts the normal."""

TONE_ENTRIES = 4096
TONE_WHITE = 4.0
"""Linear value at which the tone curve reaches white."""
SHOULDER = 0.7
"""Display-linear value above which highlights are compressed."""


@dataclass(frozen=True)
class Surface:
    """What was rasterised.

    triangle, bary, depth: as `raster.rasterize` returns them. triangles (N,3). vertex (V,7)
    float32: normal in camera space, position on the mean head (eyes: direction from the eye's
    centre before it turned), sky occlusion. corner_uv (N,3,2) on the skin chart. material (N,)
    uint8; label (N,) uint8 segmentation class.
    """

    triangle: np.ndarray
    bary: np.ndarray
    depth: np.ndarray
    triangles: np.ndarray
    vertex: np.ndarray
    corner_uv: np.ndarray
    material: np.ndarray
    label: np.ndarray


@dataclass(frozen=True)
class Look:
    """Colours of everything that is not skin, linear.

    iris, sclera (3,); iris_angle, pupil_angle: half angles (rad) seen from the eyeball's centre;
    mouth_light 0…1: how much light enters the mouth. hat, frame (3,). cloth (h,w,4) float32: a
    picture of the cloth, linear; the fourth channel is unused.
    """

    iris: np.ndarray
    sclera: np.ndarray
    iris_angle: float
    pupil_angle: float
    mouth_light: float
    teeth: np.ndarray
    cloth: np.ndarray
    hat: np.ndarray
    frame: np.ndarray

    def packed(self) -> np.ndarray:
        """Rows of four numbers for the kernel."""
        rows = [(*self.iris, self.iris_angle), (*self.sclera, self.pupil_angle),
                (*self.teeth, self.mouth_light), (*self.hat, 0.0), (*self.frame, 0.0)]
        return np.array(rows, np.float32)


def shade(surface: Surface, skin: Skin, look: Look, light: Light, shadow: ShadowMap,
          intrinsics: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Linear colours (H,W,3) float32, classes (H,W) uint8, and the mean light on skin (over pi).

    Pixels without a triangle stay 0 and background.
    """
    radiance = light.harmonics()
    surroundings = irradiance(radiance)
    mirrored = polynomials(radiance * MIRROR_BANDS[:, None])
    # The linear part points to where most light comes from.
    window = surroundings[:, 1:4].mean(axis=0)
    strength = np.linalg.norm(window)
    lens = np.array([intrinsics[0, 0], intrinsics[0, 2], intrinsics[1, 2],
                     *window / max(strength, 1e-6), WINDOW_GAIN * strength], np.float32)
    return _shade(
        surface.triangle, surface.bary, surface.depth, surface.triangles, surface.vertex,
        surface.corner_uv, surface.material, surface.label, skin.albedo, look.cloth,
        np.array([skin.roughness, skin.shine], np.float32), look.packed(), surroundings, mirrored,
        light.sun.astype(np.float32), light.sun_colour.astype(np.float32), shadow.depth,
        shadow.matrix, np.float32(light.softness), lens, WRAP.astype(np.float32))


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _lit(shadow, x, y, depth, softness):
    """Share of a 3x3 neighbourhood of the shadow map that lets the lamp through."""
    side = shadow.shape[0]
    open_taps = 0.0
    for row in range(-1, 2):
        for column in range(-1, 2):
            sx = int(x + column * softness + 0.5)
            sy = int(y + row * softness + 0.5)
            if sx < 0 or sy < 0 or sx >= side or sy >= side or depth < shadow[sy, sx] + SHADOW_BIAS:
                open_taps += 1.0
    return open_taps / 9.0


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _cell(texture, u, v):
    """The texels around (u, v) and the place between them; u wraps around, v is clamped."""
    height, width = texture.shape[0], texture.shape[1]
    x = (u - np.floor(u)) * width - 0.5
    y = min(max(v * height - 0.5, 0.0), height - 1.0)
    left = np.floor(x)
    # By comparison: a remainder takes as long as the rest of the lookup.
    x0, x1, y0 = int(left), int(left) + 1, int(y)
    if x0 < 0:
        x0 += width
    if x1 >= width:
        x1 -= width
    return x0, x1, y0, min(y0 + 1, height - 1), x - left, y - y0


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _fetch(texture, u, v, out):
    """Bilinear lookup of four channels."""
    x0, x1, y0, y1, fx, fy = _cell(texture, u, v)
    for k in range(4):
        top = texture[y0, x0, k] * (1 - fx) + texture[y0, x1, k] * fx
        bottom = texture[y1, x0, k] * (1 - fx) + texture[y1, x1, k] * fx
        out[k] = top * (1 - fy) + bottom * fy


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def height_at(texture, u, v):
    """Bilinear lookup of the fourth channel alone."""
    x0, x1, y0, y1, fx, fy = _cell(texture, u, v)
    return ((texture[y0, x0, 3] * (1 - fx) + texture[y0, x1, 3] * fx) * (1 - fy)
            + (texture[y1, x0, 3] * (1 - fx) + texture[y1, x1, 3] * fx) * fy)


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def slope(skin_map, u, v, here):
    """What the skin's height takes from the normal's x and y in camera space; here: height (mm).

    Height differences are in mm per step of about as many mm. On an upright face u runs to the
    picture's right and v down.
    """
    right = height_at(skin_map, u + BUMP_STEP / skin_map.shape[1], v)
    below = height_at(skin_map, u, v + BUMP_STEP / skin_map.shape[0])
    return (right - here) / BUMP_STEP, (below - here) / BUMP_STEP


@numba.njit(cache=True, nogil=True, fastmath=True)
def _shade(triangle, bary, depth, triangles, vertex, corner_uv, material, label, skin_map,
           cloth_map, gloss, look, surroundings, mirrored, sun, sun_colour, shadow, to_light,
           softness, lens, wrap):
    """Colour blocks of 2x2 pixels: once where one smooth material fills it, else each pixel."""
    height, width = triangle.shape
    out = np.zeros((height, width, 3), np.float32)
    classes = np.zeros((height, width), np.uint8)
    value = np.empty(ATTRIBUTES, np.float32)
    colour = np.empty(4, np.float32)
    # Rows since the lid above, for the shadow that lids and lashes cast on the eye.
    below_lid = np.zeros(width, np.float32)
    light_sum, light_count = 0.0, 0
    for top in range(0, height, 2):
        for left in range(0, width, 2):
            whole = _is_uniform(triangle, depth, material, label, corner_uv, top, left)
            value[:] = 0
            for corner in range(4):
                y, x = top + (corner >> 1), left + (corner & 1)
                index = triangle[y, x]
                if index < 0:
                    below_lid[x] = 0
                    continue
                classes[y, x] = label[index]
                kind = material[index]
                below_lid[x] = below_lid[x] + 1 if kind == EYE else 0
                if whole:
                    # The mean of one diagonal stands for the block.
                    if corner == 0 or corner == 3:
                        _gather(value, triangles, vertex, corner_uv, index, bary, y, x)
                    if corner < 3:
                        continue
                    for k in range(ATTRIBUTES):
                        value[k] *= 0.5
                    z = 0.5 * (depth[top, left] + depth[top + 1, left + 1])
                    sight_x, sight_y = left + 0.5, top + 0.5
                else:
                    value[:] = 0
                    _gather(value, triangles, vertex, corner_uv, index, bary, y, x)
                    z, sight_x, sight_y = depth[y, x], x, y
                brightness = _point(
                    kind, value, sight_x, sight_y, z, below_lid[x], skin_map, cloth_map, gloss,
                    look, surroundings, mirrored, sun, sun_colour, shadow, to_light, softness, lens,
                    wrap, colour)
                if whole:
                    for k in range(3):
                        out[top, left, k] = out[top, left + 1, k] = colour[k]
                        out[top + 1, left, k] = out[top + 1, left + 1, k] = colour[k]
                else:
                    for k in range(3):
                        out[y, x, k] = colour[k]
                if kind == SKIN:
                    light_sum += brightness
                    light_count += 1
    return out, classes, light_sum / max(1, light_count)


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _is_uniform(triangle, depth, material, label, corner_uv, top, left):
    """Whether one smooth material and one surface without a step fills a block."""
    first = triangle[top, left]
    if first < 0 or top + 1 >= triangle.shape[0] or left + 1 >= triangle.shape[1]:
        return False
    kind = material[first]
    if kind != SKIN and kind != CLOTH and kind != HAT:
        return False
    near = depth[top, left]
    far = near
    for corner in range(1, 4):
        y, x = top + (corner >> 1), left + (corner & 1)
        index = triangle[y, x]
        if index < 0 or material[index] != kind or label[index] != label[first]:
            return False
        # Neighbours across the chart's seam do not average.
        if abs(corner_uv[index, 0, 0] - corner_uv[first, 0, 0]) > 0.5:
            return False
        near, far = min(near, depth[y, x]), max(far, depth[y, x])
    return far - near < BLOCK_STEP


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _gather(value, triangles, vertex, corner_uv, index, bary, y, x):
    """Add the interpolated attributes of one pixel to value."""
    a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
    wa, wb, wc = bary[y, x, 0], bary[y, x, 1], bary[y, x, 2]
    for k in range(VERTEX_ATTRIBUTES):
        value[k] += wa * vertex[a, k] + wb * vertex[b, k] + wc * vertex[c, k]
    for k in range(2):
        value[CHART + k] += (wa * corner_uv[index, 0, k] + wb * corner_uv[index, 1, k]
                             + wc * corner_uv[index, 2, k])


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _point(kind, value, x, y, z, lid_rows, skin_map, cloth_map, gloss, look, surroundings, mirrored,
           sun, sun_colour, shadow, to_light, softness, lens, wrap, colour):
    """Colour (three of four numbers) of one place; returns the light on it, over pi."""
    px, py = (x - lens[1]) / lens[0] * z, (y - lens[2]) / lens[0] * z
    away = 1.0 / np.sqrt(px * px + py * py + z * z)
    vx, vy, vz = -px * away, -py * away, -z * away
    nx, ny, nz = value[NORMAL], value[NORMAL + 1], value[NORMAL + 2]
    if kind >= CLOTH and nx * vx + ny * vy + nz * vz < 0:
        nx, ny, nz = -nx, -ny, -nz
    sx, sy, sz = nx, ny, nz
    occlusion = value[OCCLUSION]
    shine, power = 0.0, 2.0 / gloss[0] ** 4 - 2.0
    if kind == SKIN:
        u, v = value[CHART], value[CHART + 1]
        _fetch(skin_map, u, v, colour)
        slope_x, slope_y = slope(skin_map, u, v, colour[3])
        nx -= slope_x
        ny -= slope_y
        strip, across, along = ((u - 0.5) / OILY_WIDTH, (u - 0.5) / LIPS_SIZE[0],
                                (v - LIPS_V) / LIPS_SIZE[1])
        oily = OILY_GAIN * min(max((v - OILY_V[0]) * 10, 0.0), 1.0)
        oily *= min(max((OILY_V[1] - v) * 20, 0.0), 1.0)
        shine = gloss[1] * (DRY_SHINE + oily / (1.0 + strip * strip) ** 2
                            + LIPS_GAIN / (1.0 + (across * across + along * along) ** 2))
    elif kind == EYE:
        _eye(value, look, colour)
        occlusion = 0.85 - 0.6 * np.exp(-lid_rows * z / lens[0] / LID_SHADOW)
        shine, power = 2.5, 300.0
    elif kind == CAVITY or kind == TEETH:
        _mouth(look, kind == TEETH, colour)
        inward = max(0.0, TEETH_FRONT - value[REST + 2])
        occlusion = look[2, 3] * np.exp(-inward / MOUTH_DEPTH)
        shine, power = 1.2, 60.0
    elif kind == CLOTH:
        _fetch(cloth_map, value[REST] * CLOTH_REPEATS, 0.5 + value[REST + 1] * CLOTH_REPEATS,
               colour)
        nx += 0.25 * np.sin(value[REST] * 47 + 3 * np.sin(value[REST + 1] * 39))
        occlusion = 0.85
    else:
        row = 3 if kind == HAT else 4
        for k in range(3):
            colour[k] = look[row, k]
        occlusion = 0.9
        shine, power = (0.0, 1.0) if kind == HAT else (3.0, 120.0)
    length = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
    nx *= length
    ny *= length
    nz *= length
    facing = nx * vx + ny * vy + nz * vz
    toward = nx * sun[0] + ny * sun[1] + nz * sun[2]
    open_share = 0.0
    if toward > -0.3 and sun_colour[1] > 0:
        lx = to_light[0, 0] * px + to_light[0, 1] * py + to_light[0, 2] * z + to_light[0, 3]
        ly = to_light[1, 0] * px + to_light[1, 1] * py + to_light[1, 2] * z + to_light[1, 3]
        lz = to_light[2, 0] * px + to_light[2, 1] * py + to_light[2, 2] * z + to_light[2, 3]
        open_share = _lit(shadow, lx, ly, lz, softness)
        if kind == CAVITY or kind == TEETH:
            open_share *= occlusion
    mirror = 0.0
    if open_share > 0 and shine > 0 and toward > 0:
        hx, hy, hz = sun[0] + vx, sun[1] + vy, sun[2] + vz
        half = (nx * hx + ny * hy + nz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz + 1e-9)
        if half > 0.3:
            # Normalised Blinn-Phong.
            mirror = shine * FRESNEL * (power + 8.0) / 8.0 * half ** power * toward * open_share
    grazing = (1.0 - min(max(facing, 0.0), 1.0)) ** 4
    gleam = shine * FRESNEL * (1.0 + 2.5 * grazing) * occlusion
    rx, ry, rz = 2 * facing * nx - vx, 2 * facing * ny - vy, 2 * facing * nz - vz
    smooth_toward = toward
    if kind == EYE:
        seen = rx * lens[3] + ry * lens[4] + rz * lens[5] - WINDOW_COSINES[0]
        seen = min(max(seen / (WINDOW_COSINES[1] - WINDOW_COSINES[0]), 0.0), 1.0)
        gleam = EYE_GLEAM * gleam + lens[6] * seen
    elif kind == SKIN:
        length = 1.0 / np.sqrt(sx * sx + sy * sy + sz * sz + 1e-12)
        sx, sy, sz = sx * length, sy * length, sz * length
        smooth_toward = sx * sun[0] + sy * sun[1] + sz * sun[2]
    brightness = 0.0
    for k in range(3):
        if kind == SKIN:
            share = SCATTER[k]
            direct = max(0.0, toward + share * (smooth_toward - toward) + wrap[k]) / (1 + wrap[k])
            direct *= open_share * (1 + BLEED[k] * (1 - open_share))
            ambient = light_along(surroundings, nx + share * (sx - nx), ny + share * (sy - ny),
                                  nz + share * (sz - nz), k)
            # Squared: hair, clothes and folds finer than the mesh take light away as well.
            ambient = max(0.0, ambient) * _bounced(occlusion * occlusion, colour[k])
        else:
            direct = max(0.0, toward) * open_share
            ambient = max(0.0, light_along(surroundings, nx, ny, nz, k)) * occlusion
        received = ambient + sun_colour[k] * direct
        brightness += received
        colour[k] = colour[k] * received + sun_colour[k] * mirror
        if gleam > 0:
            colour[k] += gleam * max(0.0, light_along(mirrored, rx, ry, rz, k))
    return brightness / 3


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _bounced(occlusion, albedo):
    """Occlusion lightened, and so coloured, by light between pale walls.

    The fit of Jimenez, Wu, Pesce, Jarabo 2016, "Practical realtime strategies for accurate indirect
    occlusion".
    """
    a = 2.0404 * albedo - 0.3324
    b = -4.7951 * albedo + 0.6417
    c = 2.7552 * albedo + 0.6903
    return max(occlusion, ((occlusion * a + b) * occlusion + c) * occlusion)


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _eye(value, look, colour):
    """Pupil, iris with fibres and a dark limbus, sclera reddened towards the corners."""
    ex, ey, ez = value[REST], value[REST + 1], value[REST + 2]
    radius = np.sqrt(ex * ex + ey * ey)
    angle = np.arctan2(radius, ez)
    iris_angle, pupil_angle = look[0, 3], look[1, 3]
    around = np.arctan2(ey, ex)
    in_iris = min(max((iris_angle - angle) / 0.035 + 0.5, 0.0), 1.0)
    in_pupil = min(max((pupil_angle - angle) / 0.03 + 0.5, 0.0), 1.0)
    share = angle / iris_angle
    fibre = 0.85 + 0.2 * np.sin(around * 23 + 2 * np.sin(around * 7)) * share
    limbus = 1.0 - 0.65 * min(max((share - 0.75) * 4, 0.0), 1.0)
    red = min(1.0, max(0.0, radius - 0.55) * 1.2)
    for k in range(3):
        white = look[1, k] * (1.0 - red * (0.15 if k == 0 else 0.38))
        iris = look[0, k] * fibre * limbus * (1 - in_pupil) + 0.004 * in_pupil
        colour[k] = white * (1 - in_iris) + iris * in_iris


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _mouth(look, teeth, colour):
    """Teeth, or wet flesh."""
    if teeth:
        for k in range(3):
            colour[k] = look[2, k]
    else:
        colour[0], colour[1], colour[2] = 0.42, 0.13, 0.12


@cache
def _tone_table() -> np.ndarray:
    """8-bit sRGB (as float) for linear values 0…TONE_WHITE, with compressed highlights."""
    linear = np.linspace(0.0, TONE_WHITE, TONE_ENTRIES)
    room = 1.0 - SHOULDER
    over = np.maximum(linear - SHOULDER, 0.0)
    shown = np.where(linear > SHOULDER, SHOULDER + room * (1 - np.exp(-over / room)), linear)
    encoded = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)
    return (255.0 * encoded).astype(np.float32)


def scene_linear(image: np.ndarray) -> np.ndarray:
    """The linear values (…) float32 that `develop` would show as this uint8 picture."""
    return _inverse_tone_table()[image]


@cache
def _inverse_tone_table() -> np.ndarray:
    table = _tone_table()
    linear = np.linspace(0.0, TONE_WHITE, TONE_ENTRIES)
    rising = np.concatenate([[True], np.diff(table) > 1e-4])
    return np.interp(np.arange(256), table[rising], linear[rising]).astype(np.float32)


def develop(linear: np.ndarray, factor: int) -> np.ndarray:
    """A uint8 sRGB picture (H/factor,W/factor,3) of exposed linear light (H,W,3)."""
    return _develop(linear, factor, _tone_table())


@numba.njit(cache=True, nogil=True, fastmath=True)
def _develop(linear, factor, table):
    height, width = linear.shape[0] // factor, linear.shape[1] // factor
    out = np.empty((height, width, 3), np.uint8)
    scale = np.float32((TONE_ENTRIES - 1) / TONE_WHITE)
    share = np.float32(1.0 / (factor * factor))
    for y in range(height):
        for x in range(width):
            for k in range(3):
                total = np.float32(0)
                for row in range(factor):
                    for column in range(factor):
                        level = linear[y * factor + row, x * factor + column, k] * scale
                        entry = int(min(max(level, np.float32(0)), np.float32(TONE_ENTRIES - 1)))
                        total += table[entry]
                out[y, x, k] = np.uint8(total * share + np.float32(0.5))
    return out


@numba.njit(cache=True, nogil=True)
def commonest(classes, factor):
    """The most frequent class (H/factor,W/factor) of each block of factor² pixels (H,W) uint8."""
    height, width = classes.shape[0] // factor, classes.shape[1] // factor
    out = np.empty((height, width), np.uint8)
    count = np.zeros(len(pool.SEGMENTATION_CLASSES), np.int32)
    for y in range(height):
        for x in range(width):
            count[:] = 0
            for row in range(factor):
                for column in range(factor):
                    count[classes[y * factor + row, x * factor + column]] += 1
            out[y, x] = np.argmax(count)
    return out
