# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin: an albedo map painted on the chart of the head for each person.

The logarithm of the albedo is a base tone plus weighted layers (mottling, pores, freckles, lips,
brows, beard shadow, creases …). Layers are painted once per process in several variants from a
fixed seed; a person chooses variants and weights, so that a new face costs one pass over the map.
With a bank of photographed skins most people wear one of those in place of the plain tone, and
fewer layers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numba
import numpy as np

from models.head import SHAPE_NAMES, Head

from .noise import fractal_noise, smooth_noise
from .skin_bank import DETAIL_UNIT, SkinBank
from .skin_chart import (
    CHART_HEIGHT,
    CHART_WIDTH,
    TEXEL_PER_METRE,
    Chart,
    curve,
    grid,
    group_mask,
    soft_polygon,
    spot,
    to_linear,
)

LAYER_SEED = 20

# sRGB colours of skin, lightest to darkest.
TONES = ((246, 208, 188), (236, 186, 160), (222, 166, 138), (206, 145, 112), (184, 126, 92),
         (156, 104, 72), (122, 78, 54), (92, 58, 42), (70, 46, 35))
ROUGHNESS_RANGE, SHINE_RANGE = (0.36, 0.6), (0.3, 1.3)
TONE_JITTER = 0.10
"""Standard deviation of the log brightness around the tone, and, smaller, of its hue."""

LIP_COLOURS = ((178, 92, 88), (150, 40, 48), (196, 60, 80), (120, 40, 50), (205, 120, 110))
"""Lipstick, sRGB."""
LIPSTICK_PROBABILITY = 0.2
FRECKLE_PROBABILITY = 0.25
MAKE_UP_PROBABILITY = 0.2
FLUSH, SOCKETS = np.array([0.02, -0.22, -0.2]), np.array([-0.14, -0.22, -0.16])
FRECKLES, MOLES = np.array([-0.22, -0.42, -0.5]), np.array([-0.7, -0.9, -0.9])
"""What these add to the log albedo at most."""

PHOTOGRAPHED_PROBABILITY = 0.75
"""With a bank of skins, how many people wear one of them."""
MIXED_PROBABILITY, BEARD_RANKS = 0.5, 80
"""How many of these have another's low frequencies, from among so many who are about as bearded."""
OWN_TONE_PROBABILITY, OWN_HUE = 0.25, 0.7
MELANIN = np.array([0.84, 1.0, 1.16])
"""How log albedo falls from pale to dark skin, 1 in the mean: about as TONES
have it."""
TONE_REACH = 0.9
"""Standard deviation of how far (log lightness) a skin's tone is moved."""
FINE_GLEAM, COARSE_GLEAM = 0.3, 0.15
"""Log albedo over the tone at which photographed detail and low frequencies saturate."""
PAINTED_BROWS_PROBABILITY = 0.25
BALD_PROBABILITY = 0.12
"""How many scalps are bald on top."""
FEW = 0.3
"""How much rarer blemishes and make-up are painted on photographed skin, which has its own."""
BLACK_LOG, CONTRAST_RANGE = -4.2, (0.55, 1.15)
"""Log albedo of black hair, and how far contrasts change with a skin's tone."""
EXP_FLOOR, EXP_STEPS = -8.0, 500
"""Where the table of exponentials begins, and its entries per unit."""
RELIEF_RANGE, RELIEF_REACH, RELIEF_LIMIT = (0.1, 0.5), 3, np.float32(0.06)
"""Height (mm) per log lightness of photographed detail; texels to what it is compared with; mm."""

CREASE = np.array([-0.24, -0.3, -0.3, -0.7])
"""What a crease of full depth adds to the log albedo and to the height (mm)."""
SHALLOWEST = 0.01
"""Depth below which a crease is left out."""
LIGHTEST = 0.9
EXP_TABLE = np.exp(np.arange(EXP_FLOOR, np.log(LIGHTEST), 1 / EXP_STEPS)).astype(np.float32)
"""Albedos of logarithms from EXP_FLOOR to LIGHTEST: exp itself would take most of the time."""
FOLDS = ("folds_cheek", "folds_forehead", "folds_glabella", "folds_eye")
"""Kinds of creases."""


@dataclass(frozen=True)
class Layers:
    """Painted layers: maps (n,H,W) int8, value / 127; first variant and count of each kind; boxes
    (n,4) int: top, bottom, left and right of what is not empty."""

    maps: np.ndarray
    start: dict[str, int]
    count: dict[str, int]

    boxes: np.ndarray

    def pick(self, kind: str, rng: np.random.Generator) -> int:
        """A random variant of one kind."""
        return self.start[kind] + int(rng.integers(self.count[kind]))

    def box(self, layer: int) -> tuple[slice, slice]:
        """Rows and columns outside of which a layer is empty."""
        top, bottom, left, right = self.boxes[layer]
        return slice(top, bottom), slice(left, right)


@dataclass(frozen=True)
class Skin:
    """One person's skin.

    albedo (H,W,4) float32: linear RGB reflectance and, fourth, height for bump shading (mm).
    tone (3,): the plain skin's albedo. roughness: of the specular lobe, 0…1. shine: its strength.
    folds: for each kind of crease its layer, and how deep full expression makes it.
    """

    albedo: np.ndarray
    tone: np.ndarray
    roughness: float
    shine: float
    folds: dict[str, tuple[int, float]]


class SkinPainter:
    """Makes skins; holds the chart and the layers of one head model.

    skins: a bank of photographed skins, or the path of one, that most people are to wear.
    """

    def __init__(self, head: Head, skins: SkinBank | str | Path | None = None):
        self.chart = Chart.of(head)
        self.layers = _paint_layers(head, self.chart)
        self.relief = _relief(head, self.chart)
        self.bank = skins if skins is None or isinstance(skins, SkinBank) else SkinBank.load(skins)
        if self.bank:
            self._by_beard = np.argsort(self.bank.beard, kind="stable")

    def paint(self, rng: np.random.Generator, tone_log: np.ndarray, hair: np.ndarray, age: float,
              beard: tuple[int, float], scalp: tuple[int, float]) -> Skin:
        """Paint the skin of a face at rest.

        tone_log (3,): log albedo of the plain skin, as `sample_tone` gives it. hair (3,): linear
        albedo of the hair. age 0…1. beard, scalp: the layer (as `layers.pick` gives it) and density
        0…1 of hair that is painted on chin and skull.
        """
        if self.bank and rng.random() < PHOTOGRAPHED_PROBABILITY:
            return self._photographed(rng, tone_log, hair, age, beard, scalp)
        strokes = Strokes(self.layers, rng)
        paleness = _paleness(tone_log)
        blood = np.array([-0.02, -0.10, -0.09]) * paleness
        strokes.add("mottle", blood * rng.uniform(0.2, 1.3))
        strokes.add("blotch", -0.06 * rng.uniform(0.2, 1.5))
        strokes.add("grain", -0.05 * rng.uniform(0.3, 1.5), rng.uniform(0.02, 0.12))
        strokes.add("flush", FLUSH * paleness * rng.uniform(0.1, 1.3))
        strokes.add("sockets", SOCKETS * rng.uniform(0.0, 1.3))
        if rng.random() < FRECKLE_PROBABILITY:
            strokes.add("freckles", FRECKLES * rng.uniform(0.2, 1.0))
        strokes.add("moles", MOLES * rng.uniform(0.0, 1.0))
        if not self._lipstick(rng, tone_log, strokes, LIPSTICK_PROBABILITY):
            # Lips are redder than the skin around them.
            red = np.array([-0.12, -0.55, -0.42]) * (0.4 + 0.6 * paleness)
            strokes.add("lips", red * rng.uniform(0.3, 1.1))
        self._eyes(rng, tone_log, strokes)
        hair_log = np.log(hair)
        brow = (hair_log - tone_log) * rng.uniform(0.45, 1.0)
        # Brows are as a rule darker than the skin even under grey or blond hair.
        strokes.add("brows", np.minimum(brow, -rng.uniform(0.1, 0.5)), rng.uniform(0.0, 0.15))
        strokes.add_hair((beard, scalp), hair_log - tone_log)
        folds = self._folds(rng, age, strokes, 1.0)
        albedo = _compose(self.layers.maps, *strokes.packed(), tone_log.astype(np.float32))
        return _skin(rng, albedo, tone_log, folds)

    def _photographed(self, rng: np.random.Generator, tone_log: np.ndarray, hair: np.ndarray,
                      age: float, beard: tuple[int, float], scalp: tuple[int, float]) -> Skin:
        """A skin of the bank, in another tone as a rule, with few things painted on."""
        bank = self.bank
        # The farther the tone is moved, the less the photograph's contrasts suit it.
        apart = bank.tone.mean(axis=1) - tone_log.mean()
        share = bank.score * np.exp(-0.5 * (apart / TONE_REACH) ** 2)
        detail = low = int(rng.choice(len(bank), p=share / share.sum()))
        if rng.random() < MIXED_PROBABILITY:
            # The colour of somebody who is about as bearded.
            rank = int(np.flatnonzero(self._by_beard == detail)[0])
            first = max(0, min(rank - BEARD_RANKS // 2, len(bank) - BEARD_RANKS))
            low = int(self._by_beard[first + rng.integers(min(BEARD_RANKS, len(bank)))])
        tone_log = self._tone(rng, low, tone_log)
        strokes = Strokes(self.layers, rng)
        paleness = _paleness(tone_log)
        # What the photograph was too small to show.
        missing = 1.0 - min(1.0, float(bank.sharpness[detail]))
        strokes.add("grain", -0.05 * rng.uniform(0.2, 1.2) * missing, rng.uniform(0.0, 0.08))
        if rng.random() < FEW:
            strokes.add("flush", FLUSH * paleness * rng.uniform(0.1, 0.7))
        if rng.random() < FEW:
            strokes.add("sockets", SOCKETS * rng.uniform(0.0, 0.7))
        if rng.random() < FEW * FRECKLE_PROBABILITY:
            strokes.add("freckles", FRECKLES * rng.uniform(0.2, 1.0))
        if rng.random() < FEW:
            strokes.add("moles", MOLES * rng.uniform(0.0, 1.0))
        self._lipstick(rng, tone_log, strokes, FEW * LIPSTICK_PROBABILITY)
        self._eyes(rng, tone_log, strokes)
        hair_log = np.log(hair)
        if rng.random() < PAINTED_BROWS_PROBABILITY:
            strokes.add("brows", np.minimum((hair_log - tone_log) * rng.uniform(0.2, 0.7), -0.1))
        strokes.add_hair((beard, scalp), hair_log - tone_log)
        folds = self._folds(rng, age, strokes, 0.3)
        # The darker the skin, the less hair and blemishes differ from it: black stays black.
        contrast = (tone_log - BLACK_LOG) / (bank.tone[detail] - BLACK_LOG)
        contrast = np.clip(contrast, *CONTRAST_RANGE)
        table = _bounded((np.arange(256) - 128.0) * DETAIL_UNIT, FINE_GLEAM)[:, None] * contrast
        height = (np.arange(256) - 128.0) * (DETAIL_UNIT * rng.uniform(*RELIEF_RANGE))
        coarse = _bounded(bank.low_log(low), COARSE_GLEAM) * contrast
        coarse = (tone_log + coarse).astype(np.float32)
        fine = bank.detail(detail)
        if rng.random() < 0.5:
            coarse, fine = coarse[:, ::-1], fine[:, ::-1]
        albedo = _compose_photographed(
            self.layers.maps, *strokes.packed(), np.ascontiguousarray(coarse),
            np.ascontiguousarray(fine), table.astype(np.float32), height.astype(np.float32),
            self.relief)
        return _skin(rng, albedo, tone_log, folds)

    def _tone(self, rng: np.random.Generator, index: int, drawn: np.ndarray) -> np.ndarray:
        """The tone (3,) of a photographed skin made as light or dark as a drawn one."""
        own = self.bank.tone[index].astype(np.float64)
        if rng.random() < OWN_TONE_PROBABILITY:
            return own
        # A part of the tone's hue was the lamps'.
        typical = np.median(self.bank.tone, axis=0)
        typical = typical + MELANIN * (own.mean() - typical.mean())
        tone = typical + OWN_HUE * (own - typical)
        return tone + MELANIN * (drawn.mean() - tone.mean())

    def creased(self, skin: Skin, expression: np.ndarray) -> Skin:
        """A skin at rest with the creases of an expression (52,)."""
        active = crease_activity(expression)
        depth = {layer: min(active[kind], 1.0) * gain
                 for kind, (layer, gain) in skin.folds.items()}
        depth = {layer: value for layer, value in depth.items() if value > SHALLOWEST}
        if not depth:
            return skin
        albedo = skin.albedo.copy()
        for layer, value in depth.items():
            rows, columns = self.layers.box(layer)
            _crease(albedo[rows, columns], self.layers.maps[layer][rows, columns],
                    (value * CREASE).astype(np.float32))
        return replace(skin, albedo=albedo)

    def _lipstick(self, rng, tone_log, strokes, probability) -> bool:
        if rng.random() >= probability:
            return False
        colour = to_linear(np.array(LIP_COLOURS[rng.integers(len(LIP_COLOURS))]))
        strokes.add("lips", (np.log(colour) - tone_log) * rng.uniform(0.5, 1.0))
        return True

    def _eyes(self, rng, tone_log, strokes) -> None:
        """Coloured lids and liner on some, lash roots on all."""
        if rng.random() < MAKE_UP_PROBABILITY:
            strokes.add("lids", np.log(to_linear(rng.uniform(50, 170, 3))) * 0.3 - tone_log * 0.3)
        liner = rng.uniform(0.3, 1.2) * (rng.random() < MAKE_UP_PROBABILITY)
        strokes.add("rims", -rng.uniform(0.15, 0.6) - liner)

    def _folds(self, rng, age, strokes, share) -> dict[str, tuple[int, float]]:
        """Paint a share of the wrinkles of age; how expression will deepen them, as Skin has it."""
        folds = {}
        for kind in FOLDS:
            aged, gain = share * age ** 2 * rng.uniform(0.2, 0.9), rng.uniform(0.2, 0.7)
            layer = self.layers.pick(kind, rng)
            strokes.add_layer(layer, aged * CREASE)
            folds[kind] = layer, gain
        return folds


class Strokes:
    """Layers to be painted and how strongly, as they are chosen."""

    def __init__(self, layers: Layers, rng: np.random.Generator):
        self._layers, self._rng = layers, rng
        self._index: list[int] = []
        self._amount: list[np.ndarray] = []

    def add(self, kind: str, colour, height: float = 0.0) -> None:
        """A random layer of one kind, adding to the log albedo (3,) and to the height (mm)."""
        self.add_layer(self._layers.pick(kind, self._rng),
                       np.array([*np.broadcast_to(colour, 3), height]))

    def add_layer(self, layer: int, amount: np.ndarray) -> None:
        """A layer that adds amount (4,) to log albedo and height."""
        self._index.append(layer)
        self._amount.append(amount)

    def add_hair(self, hairy, contrast: np.ndarray) -> None:
        """Layers of hair with their density 0…1; contrast (3,): log albedo of hair over skin."""
        for layer, density in hairy:
            if density > 0:
                self.add_layer(layer, np.array([*contrast * density, 0.2 * density]))

    def packed(self) -> tuple[np.ndarray, np.ndarray]:
        """For the kernels: layers (n,), and their amounts (n,4) per unit of the maps."""
        return (np.array(self._index, np.int64),
                np.array(self._amount, np.float32) / np.float32(127))


def _bounded(log: np.ndarray, brightest: float) -> np.ndarray:
    """Logarithms whose positive part saturates: what is much brighter than the skin was a gleam."""
    bright = np.maximum(log, 0)
    return log - bright + brightest * np.tanh(bright / brightest)


def _paleness(tone_log: np.ndarray) -> float:
    return float(np.clip(np.exp(tone_log[0]) * 1.4, 0.15, 1.0))


def _skin(rng: np.random.Generator, albedo, tone_log, folds) -> Skin:
    return Skin(albedo, np.exp(tone_log), rng.uniform(*ROUGHNESS_RANGE), rng.uniform(*SHINE_RANGE),
                folds)


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
        _finish_row(maps, index, amount, y, row, out)
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _compose_photographed(maps, index, amount, coarse, fine, table, height_table, relief):
    """The same over a photographed skin.

    coarse (h,w,3): log albedo on cells. fine (H,W,3) uint8 adds table[fine]; relief (H,W) uint8:
    share (of 255) in which its lightness, beside that around it, is height, by height_table.
    """
    height, width = maps.shape[1:]
    cells_y, cells_x = coarse.shape[:2]
    out = np.empty((height, width, 4), np.float32)
    row = np.empty((4, width), np.float32)
    for y in range(height):
        at = min(max((y + 0.5) * cells_y / height - 0.5, 0.0), cells_y - 1.0)
        top = min(int(at), cells_y - 2)
        down = np.float32(at - top)
        above, below = max(y - RELIEF_REACH, 0), min(y + RELIEF_REACH, height - 1)
        for x in range(width):
            at = min(max((x + 0.5) * cells_x / width - 0.5, 0.0), cells_x - 1.0)
            left = min(int(at), cells_x - 2)
            right = np.float32(at - left)
            for k in range(3):
                upper = coarse[top, left, k] + right * (coarse[top, left + 1, k]
                                                        - coarse[top, left, k])
                lower = coarse[top + 1, left, k] + right * (coarse[top + 1, left + 1, k]
                                                            - coarse[top + 1, left, k])
                row[k, x] = upper + down * (lower - upper) + table[fine[y, x, k], k]
            rise = np.float32(0)
            if relief[y, x]:
                before, after = max(x - RELIEF_REACH, 0), min(x + RELIEF_REACH, width - 1)
                around = (int(fine[above, x, 1]) + int(fine[below, x, 1]) + int(fine[y, before, 1])
                          + int(fine[y, after, 1]) + 2) >> 2
                rise = height_table[min(max(128 + int(fine[y, x, 1]) - around, 0), 255)]
                rise *= relief[y, x] * np.float32(1 / 255)
            row[3, x] = min(max(rise, -RELIEF_LIMIT), RELIEF_LIMIT)
        _finish_row(maps, index, amount, y, row, out)
    return out


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _finish_row(maps, index, amount, y, row, out):
    """Add the layers to a row of log albedo and height, and write it."""
    width = row.shape[1]
    for k in range(index.shape[0]):
        layer = maps[index[k], y]
        for channel in range(4):
            weight = amount[k, channel]
            if weight != 0:
                for x in range(width):
                    row[channel, x] += weight * np.float32(layer[x])
    for x in range(width):
        for channel in range(3):
            entry = int((row[channel, x] - EXP_FLOOR) * EXP_STEPS)
            out[y, x, channel] = EXP_TABLE[min(max(entry, 0), EXP_TABLE.shape[0] - 1)]
        out[y, x, 3] = row[3, x]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _crease(albedo, layer, amount):
    """Lay a crease over a part (h,w,4) of an albedo map, in place."""
    scale = amount * np.float32(1 / 127)
    for y in range(albedo.shape[0]):
        for x in range(albedo.shape[1]):
            value = np.float32(layer[y, x])
            if value != 0:
                for channel in range(3):
                    albedo[y, x, channel] *= np.exp(scale[channel] * value)
                albedo[y, x, 3] += scale[3] * value


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
    return Layers(maps, start, count, np.array([_box(layer) for layer in maps]))


def _box(layer: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(layer.any(axis=1)), np.flatnonzero(layer.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def _relief(head: Head, chart: Chart) -> np.ndarray:
    """Where (H,W) uint8 what is dark lies deep, rather than is a hair, a lip or an eye."""
    marks = chart.marks
    eyes = marks[45, 0] - marks[36, 0]
    flat = group_mask(head, chart, "lips")
    for low in (17, 22):
        brow = marks[low:low + 5]
        flat = np.maximum(flat, soft_polygon(np.concatenate([
            brow - (0, 0.12 * eyes), brow[::-1] + (0, 0.08 * eyes)]), 3))
    for low in (36, 42):
        flat = np.maximum(flat, soft_polygon(marks[low:low + 6], 2))
    return np.rint(255 * (1 - np.clip(2 * flat, 0, 1))).astype(np.uint8)


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
    full = soft_polygon([left, (mouth[0] + left) / 2 + (0, -rng.uniform(-8, 14)),
                         nose + (-width * 0.4, 2), nose + (width * 0.4, 2),
                         (mouth[6] + right) / 2 + (0, -rng.uniform(-8, 14)), right,
                         (right[0], low), (left[0], low)], rng.uniform(3, 8))
    moustache = soft_polygon([mouth[0] + (-4, 3), nose + (-width * 0.3, 3), nose + (width * 0.3, 3),
                              mouth[6] + (4, 3), mouth[3] + (0, -1)], 2)
    chin = soft_polygon([mouth[0] + (-2, 6), mouth[9] + (0, 3), mouth[6] + (2, 6),
                         marks[10] + (0, 6), marks[6] + (0, 6)], 4)
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
    x, y = grid()
    middle = marks[27, 0]
    reach = np.abs(x - middle) / (marks[16, 0] - middle)
    forehead = marks[27, 1] - TEXEL_PER_METRE * rng.uniform(0.040, 0.075)
    temple = marks[27, 1] - TEXEL_PER_METRE * rng.uniform(0.0, 0.035)
    recess = rng.uniform(0.0, 0.035) * TEXEL_PER_METRE
    line = forehead + (temple - forehead) * np.clip(reach - 0.35, 0, None) ** 1.5 * 1.4
    line = line - recess * np.exp(-((reach - 0.5) / 0.2) ** 2)
    if rng.random() < BALD_PROBABILITY:
        line = np.where(reach < 0.85, 0.0, line)
    # Sideburns before the ear, and behind it down to the nape.
    ear = rng.uniform(0.80, 0.86)
    line = np.where(reach > ear, line + (reach - ear) * CHART_HEIGHT * 1.5, line)
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

