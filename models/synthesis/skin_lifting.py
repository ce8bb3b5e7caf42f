# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin lifted off photographs of fitted heads: unwrapped, its light taken off, completed.

Light is second-order harmonics (Ramamoorthi and Hanrahan 2001) through the head's own precomputed
shadowing (Sloan, Kautz, Snyder 2002), fitted against the mean albedo of all photographs, which is
learnt along the way. Highlights are split from the skin by their colour (the dichromatic model of
Shafer 1985). What a photograph does not show comes from the other side of the face, and at last
from the mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from models.head import Head, group_numbers

from .landmarks import project
from .light import HARMONICS, LAMBERT, SkyOcclusion, basis
from .raster import interpolate, rasterize, vertex_normals
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

CHART_GROUPS = ("skin", "lips", "eyelids")
FIT_STEP = 4
"""The light is fitted to every fourth texel of every fourth row."""
EYES_IN_CHART = 112.0
"""Texels between the outer corners of the eyes on the mean head."""
DEPTH_TOLERANCE = 0.005
"""Metres that skin may lie behind the nearest surface and still count as seen."""
FACING = (0.3, 0.6)
"""Cosines between normal and sight at which skin is not yet, and fully, trusted."""
DARKEST = 0.003
"""Linear light below which a photograph says nothing about colour."""

HOLE_MARGIN = 0.012
"""How far the blur around eyes and mouth reaches, in distances between the outer eye corners."""

AMBIENT_RIDGE = np.array([0.0] + 3 * [0.02] + 5 * [0.08])
"""How strongly the light's harmonics are drawn to none; as share of the data's weight."""
CHROMA_RIDGE = 0.3
"""The same, to the light's mean colour."""
LIGHT_ROUNDS = 5
HUBER = 0.08
"""Relative deviation beyond which a texel counts less in the light's fit."""
DIMMEST = 0.45
"""Irradiance, of the face's mean, that is taken off at least: less is a guess."""
SHADE_BLUR = 2.5
"""Standard deviation (texels) of the blur of irradiance."""
DIM_RANGE = (0.35, 0.65)
"""Irradiances between which trust in a texel rises to full."""

DARK_LIMITS, BRIGHT_LIMIT, CHROMA_LIMITS = (0.4, 0.7), 0.55, (0.13, 0.25)
"""Log albedo by which skin may differ from tone and mean."""
HIGHLIGHT_SLACK = 0.03
"""White, of the skin's brightness, that is no highlight yet."""
FOREHEAD, NECK = 0.075, 0.012
"""Metres above the nasion and below the chin at which a photograph shows hair or clothes rather
than skin."""

HIGHLIGHT_BLUR = 12.0
BLUR_STEP = 4
"""Wide blurs are made at a fourth of the resolution."""

LOW_BLUR = 12.0
"""Standard deviation (texels) of what counts as low frequencies."""
MEAN_ROUNDS = 3
"""Turns in which light and mean are learnt."""
MEAN_RANGE = (-1.5, 0.6)
MEAN_BLUR = 20.0
MEAN_SHARE = 0.05
"""Share of the photographs that must show a place for it to be known."""
MIN_TEXELS = 4000
LIGHTNESS_KEPT, HUE_KEPT = 0.45, 0.8
"""What is left of low-frequency deviations, in lightness and in hue: the rest is light."""
SMILE_TAKEN_OFF = 0.5
"""Share of the cheek folds' darkness that is taken for a smile's."""
DETAIL_GLEAM = 0.2
"""Log lightness at which bright detail saturates."""

LOW_STEP = 8
"""Texels a side of a low-frequency cell."""


@dataclass(frozen=True)
class Unwrapped:
    """A photograph on the chart.

    colour (H,W,3) float32: linear light. trust (H,W) float32 0…1: how well it is seen. basis (V,9)
    float32: what each vertex receives of the light's harmonics, over pi. sharpness: px of the
    photograph per texel.
    """

    colour: np.ndarray
    trust: np.ndarray
    basis: np.ndarray
    sharpness: float


class Unwrapper:
    """Lays photographs of fitted heads on the chart."""

    def __init__(self, head: Head, occlusion: SkyOcclusion | None = None):
        self.head = head
        self.occlusion = occlusion or SkyOcclusion(head)
        self.chart = Chart.of(head)
        self.solid = np.flatnonzero(~np.isin(head.triangle_group, group_numbers("lashes", "brows")))
        self.triangle, self.bary = self._on_chart()
        self.corners = head.triangles[self.triangle]
        self.bary[self.triangle < 0] = 0
        holes = group_numbers("inside_mouth", "teeth_upper", "teeth_lower", "gums", "tongue",
                              "eye_left", "eye_right", "ears")
        self.cover = np.maximum(cv2.GaussianBlur((self.triangle >= 0).astype(np.float32), (0, 0),
                                                 SHADE_BLUR), 1e-3)[..., None]
        self.hole = np.isin(head.triangle_group, holes)

    def _on_chart(self) -> tuple[np.ndarray, np.ndarray]:
        """Triangle (H,W) int32, -1 for none, and weights of its corners (H,W,3) at each texel."""
        head = self.head
        used = np.flatnonzero(np.isin(head.triangle_group, group_numbers(*CHART_GROUPS)))
        place = self.chart.corners[used] * (CHART_WIDTH, CHART_HEIGHT) - 0.5
        radius = np.hypot(head.mean[:, 0], head.mean[:, 2] - head.mean[:, 2].min())
        # The outermost surface counts: lids and lips curl in under themselves.
        depth = 10.0 - radius[head.triangles[used]]
        screen = np.concatenate([place, depth[..., None]], axis=2).reshape(-1, 3)
        corners = np.arange(len(screen)).reshape(-1, 3)
        triangle, bary, _ = rasterize(screen, corners, CHART_HEIGHT, CHART_WIDTH)
        return np.where(triangle >= 0, used[triangle], -1).astype(np.int32), bary

    def spread(self, values: np.ndarray, step: int = 1) -> np.ndarray:
        """Values of vertices (V,C) at every step-th texel (h,w,C) float32."""
        rows = np.s_[::step, ::step]
        return interpolate(values, np.ascontiguousarray(self.triangle[rows]),
                           np.ascontiguousarray(self.bary[rows]), self.head.triangles)

    def unwrap(self, image: np.ndarray, fit: dict[str, np.ndarray]) -> Unwrapped:
        """Lay a photograph (H,W,3) uint8 RGB on the chart; fit: one row of the file of fits."""
        head = self.head
        vertices = head.evaluate(fit["identity"], fit["weights"], fit["gaze"])
        normals = vertex_normals(vertices, head.triangles[self.solid])
        camera = vertices @ fit["rotation"].T + fit["translation"]
        height, width = image.shape[:2]
        intrinsics = np.array([[fit["focal"], 0, (width - 1) / 2],
                               [0, fit["focal"], (height - 1) / 2], [0, 0, 1.0]])
        uv = project(camera, intrinsics)
        eyes = float(np.linalg.norm(np.subtract(*uv[head.points68[[36, 45]]])))
        scale = min(1.0, EYES_IN_CHART / eyes)
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            uv = (uv + 0.5) * (size[0] / width, size[1] / height) - 0.5
            eyes *= scale
        linear = to_linear(np.arange(256)).astype(np.float32)[image]
        place = self.spread(np.concatenate([uv, camera[:, 2:]], axis=1))
        column, row = place[..., 0], place[..., 1]
        colour = cv2.remap(linear, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        colour = np.maximum(colour, DARKEST)

        screen = np.concatenate([uv, camera[:, 2:]], axis=1)
        drawn, _, depth = rasterize(screen, head.triangles[self.solid], *linear.shape[:2])
        hole = (drawn >= 0) & self.hole[self.solid[drawn]]
        # What is beside a hole may be the hole: the fit is not exact, nor is the picture sharp.
        hole = cv2.GaussianBlur(cv2.dilate(hole.astype(np.float32), np.ones((3, 3))), (0, 0),
                                0.3 + HOLE_MARGIN * eyes)
        far = cv2.dilate(np.minimum(depth, 1e3), np.ones((3, 3)))
        inside = (column > 0) & (row > 0) & (column < linear.shape[1] - 1) & (
            row < linear.shape[0] - 1)
        seen = inside & (place[..., 2] < _at(far, column, row) + DEPTH_TOLERANCE)
        sight = -camera / np.linalg.norm(camera, axis=1, keepdims=True)
        facing = ((normals @ fit["rotation"].T) * sight).sum(axis=1, keepdims=True)
        facing = self.spread(facing)[..., 0]
        trust = np.clip((facing - FACING[0]) / (FACING[1] - FACING[0]), 0, 1)
        trust *= seen & (self.triangle >= 0)
        trust *= np.clip(1 - 2 * _at(hole, column, row), 0, 1)
        trust *= cv2.GaussianBlur(cv2.erode(seen.astype(np.float32), np.ones((5, 5))), (0, 0), 1.5)
        # Shadowing is that of the resting mean head, the rest that of the face as it is.
        received = basis(normals) * LAMBERT + (self.occlusion.transfer
                                               - self.occlusion.open_transfer)
        return Unwrapped(colour, trust.astype(np.float32), (received / np.pi).astype(np.float32),
                         eyes / EYES_IN_CHART)


def _at(picture: np.ndarray, column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The nearest pixels of a picture (h,w) float at places (H,W)."""
    return cv2.remap(picture.astype(np.float32), column, row, cv2.INTER_NEAREST)


class Zones:
    """Fixed places on the chart, (H,W) float32 0…1 each.

    plain: skin without brows, lips, and nostrils, by which light and tone are measured. brows,
    beard: where hair belongs to the skin. inner: nose and inner cheeks. sockets: around the eyes,
    where glasses sit; bridge: rows and columns of the root of the nose, where they rest. folds:
    from the nose's wings past the corners of the mouth. face: what a photograph can show of the
    skin, border: the same with a soft edge; front: the part that a frontal one always shows.
    """

    def __init__(self, head: Head, chart: Chart):
        marks = chart.marks
        eyes = marks[45, 0] - marks[36, 0]
        lips = group_mask(head, chart, "lips")
        self.lips = cv2.dilate(lips, np.ones((3, 3)))
        brows = [marks[low:low + 5] for low in (17, 22)]
        self.brows = sum(soft_polygon(np.concatenate([
            brow - (0, 0.13 * eyes), brow[::-1] + (0, 0.08 * eyes)]), 4) for brow in brows)
        self.brows = np.clip(1.5 * self.brows, 0, 1)
        middle, chin = marks[27, 0], marks[8, 1]
        x, y = grid()
        aside = np.abs(x - middle) / (marks[16, 0] - middle)
        below = np.interp(aside, (0.0, 0.25, 0.5, 1.0),
                          (marks[33, 1], marks[33, 1] + 4, marks[31, 1] + 10, marks[36, 1]))
        self.beard = (np.clip((y - below) / 6, 0, 1) * np.clip((chin + 0.35 * eyes - y) / 10, 0, 1)
                      * np.clip((0.85 - aside) / 0.15, 0, 1))
        forehead = marks[27, 1] - FOREHEAD * TEXEL_PER_METRE
        neck = chin + NECK * TEXEL_PER_METRE
        self.face = (np.clip((y - forehead) / 24, 0, 1) * np.clip((neck - y) / 24, 0, 1)
                     * np.clip((0.95 - aside) / 0.2, 0, 1))
        self.border = cv2.GaussianBlur(self.face, (0, 0), LOW_BLUR)
        nostrils = sum(spot(marks[k] + (0, -2), 5, 4) for k in (31, 32, 34, 35))
        lids = sum(soft_polygon(marks[k:k + 6], 3) for k in (36, 42))
        other = np.maximum.reduce([self.lips, self.brows, np.clip(2 * nostrils, 0, 1),
                                   np.clip(2 * lids, 0, 1)])
        self.front = self.face * np.clip((0.75 - aside) / 0.1, 0, 1)
        self.plain = self.face * (1 - other)
        eye_line, mouth_line = marks[36, 1], marks[48, 1]
        self.inner = (np.clip((0.42 - aside) / 0.1, 0, 1) * np.clip((y - eye_line - 18) / 8, 0, 1)
                      * np.clip((mouth_line + 30 - y) / 10, 0, 1))
        self.inner = np.maximum(self.inner, spot((middle, (eye_line + marks[30, 1]) / 2), 8, 16))
        self.folds = np.clip(1.3 * sum(curve([
            marks[wing] + (3 * side, -4), marks[wing] + (8 * side, 6), (marks[wing] + marks[corner])
            / 2 + (10 * side, 2), marks[corner] + (10 * side, 10)], 9, 3.5)
            for wing, corner, side in ((31, 48, -1), (35, 54, 1))), 0, 1)
        line, half = int(eye_line), int(0.06 * eyes)
        self.bridge = np.s_[line - int(0.16 * eyes):line + int(0.12 * eyes),
                            round(middle) - half:round(middle) + half + 1]
        ring = sum(spot(marks[k:k + 6].mean(axis=0), 0.3 * eyes, 0.2 * eyes) for k in (36, 42))
        self.sockets = np.clip(2 * ring, 0, 1) * (1 - np.clip(2 * lids, 0, 1)) * (1 - self.brows)


def fit_light(photograph: Unwrapped, unwrapper: Unwrapper, trust: np.ndarray,
              albedo_log: np.ndarray) -> np.ndarray:
    """The light's harmonics (9,3) in head space, so scaled that the trusted skin receives 1 in the
    mean of every channel.

    trust (H,W) 0…1; albedo_log (H,W,3): the albedo expected, up to a tone.
    """
    rows = np.s_[::FIT_STEP, ::FIT_STEP]
    weight = trust[rows]
    chosen = weight > 0.1
    weight = weight[chosen].astype(np.float64)
    received = unwrapper.spread(photograph.basis, FIT_STEP)[chosen].astype(np.float64)
    target = (photograph.colour[rows][chosen] / np.exp(albedo_log[rows][chosen])).astype(np.float64)
    target /= np.average(target, axis=0, weights=weight)
    grey = target.mean(axis=1)
    light = np.zeros(HARMONICS)
    predicted = np.ones(len(grey))
    ridge = np.diag(AMBIENT_RIDGE)
    for _ in range(LIGHT_ROUNDS):
        deviation = np.abs(grey / predicted - 1)
        robust = weight / predicted ** 2 * np.minimum(1, HUBER / np.maximum(deviation, 1e-6)) ** 1.5
        normal = (received * robust[:, None]).T @ received
        light = np.linalg.solve(normal + ridge * robust.sum(), received.T @ (robust * grey))
        predicted = np.maximum(received @ light, DIMMEST / 2)
    coloured = np.empty((HARMONICS, 3))
    # Each channel is drawn to the grey light: lamps differ in strength rather than in colour.
    size = np.trace(normal) / HARMONICS
    for k in range(3):
        coloured[:, k] = light + np.linalg.solve(
            normal + CHROMA_RIDGE * size * np.eye(HARMONICS),
            received.T @ (robust * (target[:, k] - received @ light)))
    mean = np.average(np.maximum(received @ coloured, 1e-3), axis=0, weights=weight)
    return coloured / mean


def take_light_off(photograph: Unwrapped, unwrapper: Unwrapper, light: np.ndarray):
    """The albedo's logarithm (H,W,3) and irradiance (H,W), 1 in the mean, under a light (9,3)."""
    irradiance = unwrapper.spread(photograph.basis @ light.astype(np.float32))
    # Neither the fit nor the shadowing is exact to the texel.
    irradiance = cv2.GaussianBlur(irradiance, (0, 0), SHADE_BLUR) / unwrapper.cover
    bounded = np.maximum(irradiance, DIMMEST)
    return np.log(photograph.colour / bounded), irradiance.mean(axis=2)


def low_pass(values: np.ndarray, weight: np.ndarray, blur: float) -> np.ndarray:
    """Weighted mean (H,W,C) of (H,W,C) values around each texel; blur: standard deviation."""
    height, width = weight.shape
    small = (width // BLUR_STEP, height // BLUR_STEP)
    share = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(values * weight[..., None], small, interpolation=cv2.INTER_AREA)
    share, coarse = (cv2.GaussianBlur(part, (0, 0), blur / BLUR_STEP) for part in (share, coarse))
    coarse = coarse.reshape(*share.shape, -1) / np.maximum(share, 1e-6)[..., None]
    return cv2.resize(coarse, (width, height)).reshape(values.shape)


def not_skin(deviation: np.ndarray, trust: np.ndarray, zones: Zones) -> np.ndarray:
    """Where (H,W) 0…1 something else than this person's skin is seen: hair, frames, a collar.

    deviation (H,W,3): of the albedo's logarithm from tone and mean.
    """
    smooth = cv2.GaussianBlur(deviation, (0, 0), 1.5)
    lightness = smooth.mean(axis=2)
    hue = np.abs(smooth[..., [0, 2]] - lightness[..., None]) * (1.0, 0.7)
    hue = hue.max(axis=2)
    weight = trust * zones.plain + 1e-9
    spread, hue_spread = (np.sqrt(np.average(part ** 2, weights=weight))
                          for part in (lightness, hue))
    # Nothing but skin is to be expected on nose and inner cheeks.
    slack = 1 + zones.inner
    dark = lightness < -slack * np.clip(2.5 * spread, *DARK_LIMITS) - 1.2 * np.maximum(
        zones.brows, zones.beard)
    light = lightness > slack * BRIGHT_LIMIT
    odd = hue > slack * np.clip(3 * hue_spread, *CHROMA_LIMITS)
    odd &= (zones.lips < 0.1) & (np.maximum(zones.brows, zones.beard) < 0.5)
    bad = (dark | light | odd).astype(np.uint8) & (trust > 0)
    bad = cv2.morphologyEx(bad, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    bad = cv2.dilate(bad, np.ones((7, 7), np.uint8))
    return cv2.GaussianBlur(bad.astype(np.float32), (0, 0), 2)


def membrane(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Fill (H,W,C) values smoothly where weight (H,W) 0…1 is less than one, and towards 0 far away.

    The pyramid of pull and push (Gortler et al. 1996, "The lumigraph").
    """
    height, width = weight.shape
    if min(height, width) < 4:
        total = weight.sum()
        mean = (values * weight[..., None]).sum(axis=(0, 1)) / (total + 0.5)
        return weight[..., None] * values + (1 - weight[..., None]) * mean
    small = ((width + 1) // 2, (height + 1) // 2)
    share = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
    coarse = cv2.resize(values * weight[..., None], small, interpolation=cv2.INTER_AREA)
    coarse = coarse.reshape(*share.shape, -1) / np.maximum(share, 1e-4)[..., None]
    coarse = membrane(coarse, np.minimum(1, 2 * share))
    filled = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return weight[..., None] * values + (1 - weight[..., None]) * filled.reshape(values.shape)


def without_highlights(albedo_log: np.ndarray, trust: np.ndarray) -> np.ndarray:
    """The albedo's logarithm (H,W,3) less what mirrors the lamps.

    Where light is mirrored the colour is the skin's plus white; how much white explains a texel
    beside the colour around it is taken off.
    """
    albedo = np.exp(albedo_log)
    around = low_pass(albedo, np.maximum(trust, 1e-3), HIGHLIGHT_BLUR)
    brightness = around.mean(axis=2)
    # Least squares for albedo = a * around + b * white.
    aa, ab = (around ** 2).sum(axis=2), around.sum(axis=2)
    ya, yb = (albedo * around).sum(axis=2), albedo.sum(axis=2)
    white = (aa * yb - ab * ya) / np.maximum(3 * aa - ab ** 2, 0.02 * aa)
    white = cv2.GaussianBlur(white, (0, 0), 1.2) - HIGHLIGHT_SLACK * brightness
    brighter = np.clip((albedo.mean(axis=2) / brightness - 1.0) / 0.15, 0, 1)
    cut = np.clip(white, 0, 0.6 * albedo.min(axis=2)) * brighter
    return np.log(np.maximum(albedo - cut[..., None], DARKEST))


@dataclass(frozen=True)
class Lifted:
    """A skin without light.

    log (H,W,3) float32: the albedo's logarithm less the tone. tone (3,): the plain skin's.
    trust (H,W) float32 0…1. sharpness as in Unwrapped.
    """

    log: np.ndarray
    tone: np.ndarray
    trust: np.ndarray
    sharpness: float


def lift(photograph: Unwrapped, unwrapper: Unwrapper, zones: Zones, mean: np.ndarray) -> Lifted:
    """Take light and highlights off and leave out what is not skin.

    mean (H,W,3): the albedo's logarithm, less the tone, that is expected.
    """
    trust = photograph.trust * zones.face
    foreign = np.zeros_like(trust)
    for _ in range(2):
        clean = trust * (1 - foreign)
        light = fit_light(photograph, unwrapper, clean * zones.plain, mean)
        log, irradiance = take_light_off(photograph, unwrapper, light)
        tone = _median(log - mean, clean * zones.plain)
        foreign = not_skin(log - mean - tone, trust, zones)
    low, high = DIM_RANGE
    trust = trust * (1 - foreign) * np.clip((irradiance - low) / (high - low), 0, 1)
    return Lifted(without_highlights(log, trust) - tone, tone, trust, photograph.sharpness)


def _median(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Median (3,) of the values (H,W,3) that weigh (H,W) something."""
    chosen = weight > 0.3
    if chosen.sum() < MIN_TEXELS:
        raise Unfit("hardly any skin is seen")
    return np.median(values[chosen], axis=0).astype(np.float32)


class Unfit(ValueError):
    """A photograph that gives no skin; says why."""


def learn_mean(photographs: list[Unwrapped], unwrapper: Unwrapper, zones: Zones) -> np.ndarray:
    """The mean of the albedos' logarithms less their tones (H,W,3) float32, symmetric.

    Light and mean are learnt in turns. What all lights have in common and second-order harmonics
    cannot say would stay in the mean, so its own low frequencies of lightness are damped.
    """
    mean = np.zeros((CHART_HEIGHT, CHART_WIDTH, 3), np.float32)
    for _ in range(MEAN_ROUNDS):
        total, weight = np.zeros_like(mean), np.zeros(mean.shape[:2], np.float32)
        for photograph in photographs:
            try:
                skin = lift(photograph, unwrapper, zones, mean)
            except Unfit:
                continue
            total += skin.trust[..., None] * np.clip(skin.log, *MEAN_RANGE)
            weight += skin.trust
        total, weight = total + total[:, ::-1], weight + weight[:, ::-1]
        mean = total / np.maximum(weight, 1e-3)[..., None]
        known = np.minimum(1, weight / (MEAN_SHARE * len(photographs)))
        lightness = low_pass(mean.mean(axis=2, keepdims=True), known * zones.plain + 1e-4,
                             MEAN_BLUR)
        # Where few faces are seen, hair is: nothing is known there.
        mean = membrane(mean - (1 - LIGHTNESS_KEPT) * lightness, known) * zones.border[..., None]
    return mean


def complete(skin: Lifted, zones: Zones, mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low frequencies (h,w,3) on cells of LOW_STEP texels, and detail (H,W,3), of a whole skin.

    Their sum is the albedo's logarithm less the tone. What is not trusted comes from the other side
    and, far from all that is seen, from the mean.
    """
    rest, trust = skin.log - mean, skin.trust
    smooth = trust * (1 - zones.brows) * (1 - zones.lips)
    low = low_pass(rest, smooth + 1e-4, LOW_BLUR)
    known = np.minimum(1, 2 * cv2.GaussianBlur(smooth, (0, 0), LOW_BLUR / 2))
    low = membrane(low, known)
    # Uneven lightness is left-over light rather than skin, except where a beard grows.
    lightness = low.mean(axis=2, keepdims=True)
    even = (lightness + lightness[:, ::-1]) / 2
    kept = (LIGHTNESS_KEPT + (0.85 - LIGHTNESS_KEPT) * zones.beard)[..., None] * even
    low = (low - lightness) * HUE_KEPT + np.where(even > 0, LIGHTNESS_KEPT * even, kept)

    detail = rest - low_pass(rest, trust + 1e-4, LOW_BLUR)
    bright = np.maximum(detail.mean(axis=2, keepdims=True), 0)
    detail -= bright - DETAIL_GLEAM * np.tanh(bright / DETAIL_GLEAM)
    # Most sitters smile, but few of those who wear their skin will.
    dark = np.minimum(detail.mean(axis=2, keepdims=True), 0)
    detail -= SMILE_TAKEN_OFF * zones.folds[..., None] * dark
    other = (1 - trust) * trust[:, ::-1]
    share = trust + other
    detail = ((trust[..., None] * detail + other[..., None] * detail[:, ::-1])
              / np.maximum(share, 1e-4)[..., None])
    detail = membrane(detail, share)
    whole = low + detail + mean
    small = (CHART_WIDTH // LOW_STEP, CHART_HEIGHT // LOW_STEP)
    coarse = cv2.resize(low + low_pass(mean, smooth + 1e-2, LOW_BLUR), small,
                        interpolation=cv2.INTER_AREA)
    return coarse, whole - enlarged(coarse)


def enlarged(low: np.ndarray) -> np.ndarray:
    """Low frequencies (h,w,3) on the whole chart (H,W,3)."""
    return cv2.resize(low, (CHART_WIDTH, CHART_HEIGHT), interpolation=cv2.INTER_LINEAR)
