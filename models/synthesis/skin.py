# SPDX-License-Identifier: GPL-3.0-or-later
"""Procedural skin: a chart of the head and an albedo map painted on it for each person.

The logarithm of the albedo is a base tone plus weighted layers (mottling, pores, freckles, lips,
brows, beard shadow, creases …). Layers are painted once per process in several variants from a
fixed seed; a person chooses variants and weights, so that a new face costs one pass over the map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numba
import numpy as np

from models.head import GROUP_NAMES, SHAPE_NAMES, Head

from .noise import fractal_noise, smooth_noise

CHART_HEIGHT, CHART_WIDTH = 320, 448
CHART_TOP, CHART_BOTTOM = 0.12, -0.19
"""Heights (m, head space) of the chart's upper and lower edge."""
CHART_AXIS_Z = -0.06
"""The chart is a cylinder about the vertical line through this z (m)."""
FRONT_ANGLE = np.deg2rad(100.0)
"""Azimuth up to which the chart is evenly spaced; the back of the head is compressed."""
BACK_COMPRESSION = 4.0

EAR_MARKS = ((36, 31), (45, 35))
"""The right and the left ear take their colour from between these iBUG points."""
EAR_SCALE = 0.3

LAYER_SEED = 20
TEXEL_PER_METRE = CHART_HEIGHT / (CHART_TOP - CHART_BOTTOM)

# sRGB colours of skin, lightest to darkest.
TONES = ((246, 216, 194), (236, 196, 168), (224, 178, 146), (206, 154, 118), (184, 130, 94),
         (156, 104, 72), (122, 78, 54), (92, 58, 42), (70, 46, 35))
ROUGHNESS_RANGE, SHINE_RANGE = (0.38, 0.62), (0.1, 0.75)
TONE_JITTER = 0.10
"""Standard deviation of the log brightness around the tone, and, smaller, of its hue."""

LIP_COLOURS = ((178, 92, 88), (150, 40, 48), (196, 60, 80), (120, 40, 50), (205, 120, 110))
"""Lipstick, sRGB."""
LIPSTICK_PROBABILITY = 0.2
FRECKLE_PROBABILITY = 0.25
MAKE_UP_PROBABILITY = 0.2
FOLDS = ("folds_cheek", "folds_forehead", "folds_glabella", "folds_eye")
"""Kinds of creases."""


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light 0…1 of 8-bit sRGB values (IEC 61966-2-1)."""
    value = np.asarray(srgb, np.float64) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True)
class Chart:
    """Coordinates of the head's surface on the skin map.

    corners (N,3,2) float32: u, v of each triangle's corners in 0…1; u may exceed 1 by the seam at
    the back of the head and wraps around. marks (68,2): the iBUG points in texels.
    """

    corners: np.ndarray
    marks: np.ndarray

    @staticmethod
    def of(head: Head) -> Chart:
        """The chart of the mean head."""
        uv = chart_coordinates(head.mean)
        corners = uv[head.triangles]
        far = corners[:, :, 0].max(axis=1) - corners[:, :, 0].min(axis=1) > 0.5
        corners[far, :, 0] += corners[far, :, 0] < 0.5
        # Ears stand before the hair in the chart; they take their skin from the cheek instead.
        ears = head.triangle_group == GROUP_NAMES.index("ears")
        left = head.mean[head.triangles, 0].mean(axis=1) > 0
        for chosen, marks in ((ears & ~left, EAR_MARKS[0]), (ears & left, EAR_MARKS[1])):
            place = uv[head.points68[list(marks)]].mean(axis=0)
            offset = corners[chosen] - corners[chosen].mean(axis=(0, 1))
            corners[chosen] = place + EAR_SCALE * offset
        marks = uv[head.points68] * (CHART_WIDTH, CHART_HEIGHT) - 0.5
        return Chart(np.ascontiguousarray(corners, np.float32), marks)


def chart_coordinates(positions: np.ndarray) -> np.ndarray:
    """u, v (…,2) float32 in 0…1 of positions (…,3) on the mean head; u = 0.5 is the mid line."""
    azimuth = np.arctan2(positions[..., 0], positions[..., 2] - CHART_AXIS_Z)
    beyond = np.maximum(np.abs(azimuth) - FRONT_ANGLE, 0.0)
    bent = np.sign(azimuth) * (np.minimum(np.abs(azimuth), FRONT_ANGLE) + beyond / BACK_COMPRESSION)
    half = FRONT_ANGLE + (np.pi - FRONT_ANGLE) / BACK_COMPRESSION
    u = 0.5 + 0.5 * bent / half
    v = (CHART_TOP - positions[..., 1]) / (CHART_TOP - CHART_BOTTOM)
    return np.stack([u, v], axis=-1).astype(np.float32)


@dataclass(frozen=True)
class Layers:
    """Painted layers: maps (n,H,W) int8, value / 127; first variant and count of each kind."""

    maps: np.ndarray
    start: dict[str, int]
    count: dict[str, int]

    def pick(self, kind: str, rng: np.random.Generator) -> int:
        """A random variant of one kind."""
        return self.start[kind] + int(rng.integers(self.count[kind]))


@dataclass(frozen=True)
class Skin:
    """One person's skin.

    albedo (H,W,4) float32: linear RGB reflectance and, fourth, height for bump shading (mm).
    tone (3,): the plain skin's albedo. roughness: of the specular lobe, 0…1. shine: its strength.
    layers: what albedo is made of, to make it again with another expression's creases.
    """

    albedo: np.ndarray
    tone: np.ndarray
    roughness: float
    shine: float
    layers: LayerWeights


@dataclass(frozen=True)
class LayerWeights:
    """tone_log (3,); index (n,) of layers and amount (n,4) of each; folds: for each kind of crease
    its layer, its depth without expression, and how much full expression adds."""

    tone_log: np.ndarray
    index: np.ndarray
    amount: np.ndarray
    folds: dict[str, tuple[int, float, float]]


class SkinPainter:
    """Makes skins; holds the chart and the layers of one head model."""

    def __init__(self, head: Head):
        self.chart = Chart.of(head)
        self.layers = _paint_layers(head, self.chart)

    def paint(self, rng: np.random.Generator, tone_log: np.ndarray, expression: np.ndarray,
              hair: np.ndarray, age: float, beard: tuple[int, float],
              scalp: tuple[int, float]) -> Skin:
        """Paint a skin.

        tone_log (3,): log albedo of the plain skin, as `sample_tone` gives it.
        expression (52,): deepens the creases that go with it. hair (3,): linear albedo of the hair.
        age 0…1. beard, scalp: the layer (as `layers.pick` gives it) and density 0…1 of hair that
        is painted on chin and skull.
        """
        hair_log = np.log(hair)
        weights: list[tuple[int, np.ndarray]] = []

        def add(kind: str, colour, height: float = 0.0) -> None:
            amount = np.array([*np.broadcast_to(colour, 3), height])
            weights.append((self.layers.pick(kind, rng), amount))

        paleness = float(np.clip(np.exp(tone_log[0]) * 1.4, 0.15, 1.0))
        blood = np.array([-0.02, -0.10, -0.09]) * paleness
        add("mottle", blood * rng.uniform(0.2, 1.3))
        add("blotch", -0.06 * rng.uniform(0.2, 1.5))
        add("grain", -0.05 * rng.uniform(0.3, 1.5), rng.uniform(0.02, 0.12))
        add("flush", np.array([0.02, -0.22, -0.2]) * paleness * rng.uniform(0.1, 1.3))
        add("sockets", np.array([-0.14, -0.22, -0.16]) * rng.uniform(0.0, 1.3))
        if rng.random() < FRECKLE_PROBABILITY:
            add("freckles", np.array([-0.22, -0.42, -0.5]) * rng.uniform(0.2, 1.0))
        add("moles", np.array([-0.7, -0.9, -0.9]) * rng.uniform(0.0, 1.0))
        self._paint_lips(rng, tone_log, paleness, add)
        if rng.random() < MAKE_UP_PROBABILITY:
            add("lids", np.log(to_linear(rng.uniform(50, 170, 3))) * 0.3 - tone_log * 0.3)
        # Lash roots, and liner on some.
        liner = rng.uniform(0.3, 1.2) * (rng.random() < MAKE_UP_PROBABILITY)
        add("rims", -rng.uniform(0.15, 0.6) - liner)
        brow = (hair_log - tone_log) * rng.uniform(0.45, 1.0)
        # Brows are as a rule darker than the skin even under grey or blond hair.
        add("brows", np.minimum(brow, -rng.uniform(0.1, 0.5)), rng.uniform(0.0, 0.15))
        for layer, density in (beard, scalp):
            if density > 0:
                weights.append((layer, np.array([*(hair_log - tone_log) * density, 0.2 * density])))
        layers = LayerWeights(
            tone_log, np.array([layer for layer, _ in weights], np.int64),
            np.array([colour for _, colour in weights], np.float32), self._folds(rng, age))
        return Skin(self._albedo(layers, expression), np.exp(tone_log),
                    rng.uniform(*ROUGHNESS_RANGE), rng.uniform(*SHINE_RANGE), layers)

    def creased(self, skin: Skin, expression: np.ndarray) -> Skin:
        """The same skin with the creases of another expression (52,)."""
        return replace(skin, albedo=self._albedo(skin.layers, expression))

    def _albedo(self, layers: LayerWeights, expression: np.ndarray) -> np.ndarray:
        active = crease_activity(expression)
        index, amount = list(layers.index), list(layers.amount)
        for kind, (layer, aged, gain) in layers.folds.items():
            depth = aged + min(active[kind], 1.0) * gain
            index.append(layer)
            amount.append(np.array([*(-0.3 * depth * np.array([0.8, 1.0, 1.0])), -0.7 * depth]))
        return _compose(self.layers.maps, np.array(index, np.int64),
                        np.array(amount, np.float32) / 127.0, layers.tone_log.astype(np.float32))

    def _paint_lips(self, rng, tone_log, paleness, add) -> None:
        """Natural lips are redder than the skin around them; lipstick covers that."""
        if rng.random() < LIPSTICK_PROBABILITY:
            colour = to_linear(np.array(LIP_COLOURS[rng.integers(len(LIP_COLOURS))]))
            add("lips", (np.log(colour) - tone_log) * rng.uniform(0.5, 1.0))
        else:
            red = np.array([-0.12, -0.55, -0.42]) * (0.4 + 0.6 * paleness)
            add("lips", red * rng.uniform(0.3, 1.1))

    def _folds(self, rng: np.random.Generator, age: float) -> dict[str, tuple[int, float, float]]:
        """Wrinkles of age, deepened by the expression that folds them, as LayerWeights has them."""
        folds = {}
        for kind in FOLDS:
            aged, gain = age ** 2 * rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.7)
            folds[kind] = self.layers.pick(kind, rng), aged, gain
        return folds


def crease_activity(expression: np.ndarray) -> dict[str, float]:
    """How strongly an expression (52,) folds each kind of crease."""
    weight = dict(zip(SHAPE_NAMES, expression, strict=True))

    def both(name: str) -> float:
        return (weight[name + "Left"] + weight[name + "Right"]) / 2

    return {
        "folds_cheek": both("mouthSmile") + 0.5 * both("noseSneer") + 0.3 * both("cheekSquint"),
        "folds_forehead": max(weight["browInnerUp"], both("browOuterUp")),
        "folds_glabella": both("browDown"),
        "folds_eye": 0.7 * both("eyeSquint") + 0.6 * both("cheekSquint"),
    }


def sample_tone(rng: np.random.Generator) -> np.ndarray:
    """Log albedo (3,) of plain skin."""
    anchors = np.log(to_linear(np.array(TONES)))
    place = rng.uniform(0.0, len(TONES) - 1.001)
    step = place - int(place)
    tone = anchors[int(place)] * (1 - step) + anchors[int(place) + 1] * step
    tone = tone + rng.normal(0.0, TONE_JITTER)
    # Redness against yellowness.
    return tone + rng.normal(0.0, TONE_JITTER) * np.array([0.1, -0.4, 0.5])


@numba.njit(cache=True, nogil=True, fastmath=True)
def _compose(maps, index, amount, base):
    """exp(base + sum of weighted layers) with the height, which is not exponentiated, fourth."""
    height, width = maps.shape[1:]
    out = np.empty((height, width, 4), np.float32)
    row = np.empty((4, width), np.float32)
    for y in range(height):
        for channel in range(3):
            row[channel, :] = base[channel]
        row[3, :] = 0
        for k in range(index.shape[0]):
            layer = maps[index[k], y]
            for channel in range(4):
                weight = amount[k, channel]
                if weight != 0:
                    for x in range(width):
                        row[channel, x] += weight * np.float32(layer[x])
        for x in range(width):
            for channel in range(3):
                out[y, x, channel] = min(np.exp(row[channel, x]), np.float32(0.9))
            out[y, x, 3] = row[3, x]
    return out


@cache
def _grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:CHART_HEIGHT, :CHART_WIDTH].astype(np.float32)
    return x, y


def _paint_layers(head: Head, chart: Chart) -> Layers:
    """All variants of all layers, from one fixed seed."""
    rng = np.random.default_rng(LAYER_SEED)
    marks = chart.marks
    size = (CHART_HEIGHT, CHART_WIDTH)
    lips = group_mask(head, chart, "lips")
    painted: dict[str, list[np.ndarray]] = {
        "mottle": [0.4 * fractal_noise(rng, *size, 9, 3) for _ in range(8)],
        "blotch": [0.4 * fractal_noise(rng, *size, 30, 3, 0.7) for _ in range(8)],
        "grain": [0.35 * fractal_noise(rng, *size, 110, 2, 1.0) for _ in range(8)],
        "flush": [_flush(rng, marks) for _ in range(8)],
        "sockets": [_sockets(rng, marks) for _ in range(8)],
        "freckles": [_dots(rng, marks, 500, (0.5, 1.1)) for _ in range(4)],
        "moles": [_dots(rng, marks, int(rng.integers(0, 9)), (0.8, 1.5)) for _ in range(8)],
        "lips": [_lips(rng, lips) for _ in range(6)],
        "lids": [_lids(rng, marks) for _ in range(4)],
        "rims": [_rims(rng, marks) for _ in range(3)],
        "brows": [_brows(rng, marks) for _ in range(32)],
        "beard": [_beard(rng, marks, lips) for _ in range(16)],
        "scalp": [_scalp(rng, marks) for _ in range(16)],
        "folds_cheek": [_cheek_folds(rng, marks) for _ in range(8)],
        "folds_forehead": [_forehead_folds(rng, marks) for _ in range(8)],
        "folds_glabella": [_glabella_folds(rng, marks) for _ in range(6)],
        "folds_eye": [_eye_folds(rng, marks) for _ in range(8)],
    }
    start, count, stack = {}, {}, []
    for kind, variants in painted.items():
        start[kind], count[kind] = len(stack), len(variants)
        stack += variants
    maps = np.clip(np.rint(np.stack(stack) * 127), -127, 127).astype(np.int8)
    return Layers(maps, start, count)


def group_mask(head: Head, chart: Chart, group: str) -> np.ndarray:
    """The part of the chart (H,W) 0…1 that a group of quads covers."""
    mask = np.zeros((CHART_HEIGHT, CHART_WIDTH), np.uint8)
    chosen = head.triangle_group == GROUP_NAMES.index(group)
    for corners in chart.corners[chosen] * (CHART_WIDTH, CHART_HEIGHT) - 0.5:
        cv2.fillConvexPoly(mask, np.rint(corners * 8).astype(np.int32), 255, cv2.LINE_AA, 3)
    return mask.astype(np.float32) / 255.0


def spot(centre, radius_x: float, radius_y: float) -> np.ndarray:
    """A Gaussian spot (H,W), radii in texels."""
    x, y = _grid()
    return np.exp(-0.5 * (((x - centre[0]) / radius_x) ** 2 + ((y - centre[1]) / radius_y) ** 2))


def curve(points, thickness: float, blur: float = 0.0) -> np.ndarray:
    """A line (H,W) 0…1 through points (n,2), smoothed into a curve."""
    points = np.asarray(points, np.float64)
    # Chaikin's corner cutting, twice.
    for _ in range(2):
        inner = np.stack([0.75 * points[:-1] + 0.25 * points[1:],
                          0.25 * points[:-1] + 0.75 * points[1:]], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], inner, points[-1:]])
    mask = np.zeros((CHART_HEIGHT, CHART_WIDTH), np.uint8)
    cv2.polylines(mask, [np.rint(points * 8).astype(np.int32)], False, 255,
                  max(1, round(thickness)), cv2.LINE_AA, 3)
    field = mask.astype(np.float32) / 255.0
    return cv2.GaussianBlur(field, (0, 0), blur) if blur else field


def soft_polygon(points, blur: float) -> np.ndarray:
    """A soft polygon (H,W) 0…1 of points (n,2)."""
    mask = np.zeros((CHART_HEIGHT, CHART_WIDTH), np.uint8)
    cv2.fillPoly(mask, [np.rint(np.asarray(points) * 8).astype(np.int32)], 255, cv2.LINE_AA, 3)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255.0, (0, 0), blur)


def _speckle(rng: np.random.Generator, cells: float, low: float, high: float) -> np.ndarray:
    """Noise mapped to low…high, for hair seen as texture."""
    noise = smooth_noise(rng, CHART_HEIGHT, CHART_WIDTH, cells)
    return np.clip(low + (high - low) * (0.5 + 0.35 * noise), 0.0, 1.0)


def _flush(rng, marks):
    size = abs(marks[45, 0] - marks[36, 0])
    cheeks = [(marks[a] + marks[b]) / 2 + rng.normal(0, 4, 2) for a, b in ((2, 31), (14, 35))]
    field = sum(spot(c, size * rng.uniform(0.13, 0.25), size * rng.uniform(0.1, 0.22))
                for c in cheeks)
    field = field + rng.uniform(0.2, 1.0) * spot(marks[30], size * 0.1, size * 0.1)
    field = field + rng.uniform(0.0, 0.5) * spot(marks[8], size * 0.14, size * 0.1)
    return np.clip(field * (1 + 0.25 * fractal_noise(rng, CHART_HEIGHT, CHART_WIDTH, 20, 2)), 0, 1)


def _sockets(rng, marks):
    size = abs(marks[45, 0] - marks[36, 0])
    field = 0.0
    for eye in (marks[36:42], marks[42:48]):
        centre = eye.mean(axis=0)
        field = field + spot(centre + (0, size * rng.uniform(0.05, 0.1)), size * 0.15, size * 0.06)
        field = field + rng.uniform(0.0, 0.8) * spot(centre - (0, size * 0.06), size * 0.16,
                                                      size * 0.06)
    return np.clip(field, 0, 1)


def _dots(rng, marks, count, radii):
    field = np.zeros((CHART_HEIGHT * 2, CHART_WIDTH * 2), np.uint8)
    middle, size = marks[30], abs(marks[45, 0] - marks[36, 0])
    for _ in range(count):
        place = middle + rng.normal(0, 1, 2) * (size * 0.7, size * 0.5)
        cv2.circle(field, tuple(np.rint(place * 16).astype(int).tolist()),
                   max(8, int(rng.uniform(*radii) * 16)), int(rng.uniform(60, 255)), -1,
                   cv2.LINE_AA, 3)
    small = cv2.resize(field, (CHART_WIDTH, CHART_HEIGHT), interpolation=cv2.INTER_AREA)
    return small.astype(np.float32) / 255.0


def _lips(rng, lips):
    soft = cv2.GaussianBlur(lips, (0, 0), rng.uniform(0.6, 2.2))
    lines = cv2.blur(rng.uniform(0.7, 1.0, lips.shape).astype(np.float32), (1, 7))
    return soft * np.clip(lines, 0, 1)


def _lids(rng, marks):
    field = 0.0
    for low, high in ((36, 17), (42, 22)):
        corners = marks[low:low + 4]
        brow = marks[high:high + 5]
        outline = np.concatenate([corners, (0.45 * corners[::-1] + 0.55 * brow[[4, 3, 1, 0]])])
        field = field + soft_polygon(outline, rng.uniform(2, 5))
    return np.clip(field, 0, 1)


def _rims(rng, marks):
    thickness = rng.uniform(1, 2.4)
    return np.clip(sum(curve(np.concatenate([eye, eye[:1]]), thickness, 0.7)
                       for eye in (marks[36:42], marks[42:48])), 0, 1)


def _brows(rng, marks):
    """Brows of a random shape: hairs drawn as strokes along the points' curve."""
    canvas = np.zeros((CHART_HEIGHT * 2, CHART_WIDTH * 2), np.uint8)
    thick = rng.uniform(3.0, 8.0)
    taper, lift, arch = rng.uniform(0.2, 0.9), rng.normal(-1.0, 1.2), rng.normal(0, 1.2)
    start, end = rng.uniform(-0.08, 0.1), rng.uniform(0.92, 1.08)
    strokes = int(rng.uniform(120, 420))
    for side, brow in ((-1, marks[21:16:-1]), (1, marks[22:27])):
        for _ in range(strokes):
            t = rng.uniform(start, end)
            along = np.array([np.interp(t * 4, range(5), brow[:, k]) for k in (0, 1)])
            along[0] += side * (min(t, 0.0) + max(t - 1, 0.0)) * 40
            half = thick / 2 * (1 - taper * max(0.0, t) ** 2)
            height = lift - arch * np.sin(np.pi * np.clip(t, 0, 1)) + rng.normal(0, half * 0.6)
            root = along + (0, height)
            # Hairs stand upright near the nose and lie down towards the temple.
            angle = np.deg2rad(np.interp(t, (0, 0.3, 1), (65, 30, -15)) + rng.normal(0, 10))
            tip = root + rng.uniform(4, 8) * np.array([side * np.cos(angle), -np.sin(angle)])
            cv2.line(canvas, tuple(np.rint(root * 16).astype(int).tolist()),
                     tuple(np.rint(tip * 16).astype(int).tolist()), 255, 1, cv2.LINE_AA, 3)
    small = cv2.resize(canvas, (CHART_WIDTH, CHART_HEIGHT), interpolation=cv2.INTER_AREA)
    field = small.astype(np.float32) / 255.0
    return np.clip(field * 0.9 + 0.25 * cv2.GaussianBlur(field, (0, 0), 2), 0, 1)


def _beard(rng, marks, lips):
    """Where a beard grows: all of it, or a moustache, chin or jaw strap alone."""
    nose, mouth = marks[33], marks[48:60]
    width = mouth[6, 0] - mouth[0, 0]
    cheek_line = rng.uniform(0.1, 0.6)
    left = marks[1] * (1 - cheek_line) + marks[3] * cheek_line
    right = np.array([2 * marks[8, 0] - left[0], left[1]])
    low = marks[8, 1] + rng.uniform(8, 40)
    full = soft_polygon([left, (mouth[0] + left) / 2 + (0, -rng.uniform(-8, 14)), nose + (-width * 0.4, 2),
                  nose + (width * 0.4, 2), (mouth[6] + right) / 2 + (0, -rng.uniform(-8, 14)),
                  right,
                  (right[0], low), (left[0], low)], rng.uniform(3, 8))
    moustache = soft_polygon([mouth[0] + (-4, 3), nose + (-width * 0.3, 3), nose + (width * 0.3, 3),
                       mouth[6] + (4, 3), mouth[3] + (0, -1)], 2)
    chin = soft_polygon([mouth[0] + (-2, 6), mouth[9] + (0, 3), mouth[6] + (2, 6), marks[10] + (0, 6),
                  marks[6] + (0, 6)], 4)
    style = rng.random()
    if style < 0.6:
        field = full
    elif style < 0.72:
        field = moustache
    elif style < 0.9:
        field = np.maximum(moustache, chin)
    else:
        field = chin
    field = field * (1 - cv2.GaussianBlur(lips, (0, 0), 1.2))
    return np.clip(field, 0, 1) * _speckle(rng, 140, 0.25, 1.15)


def _scalp(rng, marks):
    """Hair on the skull, as short as paint, behind a random hairline."""
    x, y = _grid()
    middle = marks[27, 0]
    reach = np.abs(x - middle) / (marks[16, 0] - middle)
    forehead = marks[27, 1] - TEXEL_PER_METRE * rng.uniform(0.045, 0.085)
    temple = marks[27, 1] - TEXEL_PER_METRE * rng.uniform(0.0, 0.035)
    recess = rng.uniform(0.0, 0.035) * TEXEL_PER_METRE
    line = forehead + (temple - forehead) * np.clip(reach - 0.35, 0, None) ** 1.5 * 1.4
    line = line - recess * np.exp(-((reach - 0.5) / 0.2) ** 2)
    # Behind the temples the line falls to the nape.
    line = np.where(reach > 0.95, line + (reach - 0.95) * CHART_HEIGHT * 1.2, line)
    line = np.minimum(line, marks[2, 1])
    edge = (2 * smooth_noise(rng, CHART_HEIGHT, CHART_WIDTH, 40)
            + 3 * smooth_noise(rng, CHART_HEIGHT, CHART_WIDTH, 140))
    soft = rng.uniform(5.0, 16.0)
    return np.clip((line + edge - y) / soft + 0.5, 0, 1) * _speckle(rng, 150, 0.6, 1.1)


def _cheek_folds(rng, marks):
    field = 0.0
    for wing, corner, side in ((31, 48, -1), (35, 54, 1)):
        start, end = marks[wing], marks[corner]
        out = side * rng.uniform(5, 11)
        path = [start + (side * 3, -4), start + (out * 0.7, 4),
                (start + end) / 2 + (out, 0), end + (out, rng.uniform(0, 14))]
        field = field + curve(path, rng.uniform(1, 2.2), rng.uniform(0.8, 2.0))
    return np.clip(2.2 * field, 0, 1)


def _forehead_folds(rng, marks):
    field = 0.0
    left, right = marks[18], marks[25]
    for level in range(int(rng.integers(2, 6))):
        y = min(left[1], right[1]) - 12 - level * rng.uniform(9, 14)
        x = np.linspace(left[0] + rng.uniform(-6, 30), right[0] - rng.uniform(-6, 30), 7)
        path = np.stack([x, y + rng.normal(0, 1.8, 7)], axis=1)
        field = field + rng.uniform(0.4, 1.0) * curve(path, rng.uniform(1, 2), 1.0)
    return np.clip(2.0 * field, 0, 1)


def _glabella_folds(rng, marks):
    field = 0.0
    for mark, side in ((21, -1), (22, 1)):
        x = marks[27, 0] + side * rng.uniform(4, 9)
        y = marks[mark, 1]
        path = [(x, y - rng.uniform(4, 12)), (x + side * 1.5, y), (x, y + rng.uniform(4, 9))]
        field = field + curve(path, rng.uniform(1, 2), 1.0)
    return np.clip(2.0 * field, 0, 1)


def _eye_folds(rng, marks):
    field = 0.0
    for corner, eye, side in ((36, marks[36:42], -1), (45, marks[42:48], 1)):
        for _ in range(int(rng.integers(2, 5))):
            start = marks[corner] + (side * rng.uniform(6, 9), rng.uniform(-6, 6))
            slope = rng.uniform(-0.5, 0.6)
            length = rng.uniform(8, 18)
            path = [start, start + side * length * np.array([0.5, side * slope * 0.4]),
                    start + side * length * np.array([1.0, side * slope])]
            field = field + 0.8 * curve(path, 1, 0.8)
        low = eye[[0, 5, 4, 3]] + np.array([(0, 4), (0, 8), (0, 8), (0, 4)]) * rng.uniform(0.8, 1.4)
        field = field + rng.uniform(0.2, 1.0) * curve(low, 1.5, 1.4)
        # The fold of the upper lid.
        high = eye[:4] - np.array([(0, 2), (0, 5), (0, 5), (0, 2)]) * rng.uniform(0.8, 1.5)
        field = field + rng.uniform(0.3, 1.0) * curve(high, 1.2, 0.8)
    return np.clip(1.6 * field, 0, 1)

