# SPDX-License-Identifier: GPL-3.0-or-later
"""Things between camera and face, painted into a finished picture: hands, glasses, hair, cloth.

`occlude` runs while training. Every occluder is a mask and a colour field; it places itself by the
68 iBUG points, so that it lands where such things are in photographs. All drawing is OpenCV's
and stays below a millisecond at 128 px on average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from . import pool
from .hands import HAND_LENGTH, cones, draw_hand, sample_pose

PLAIN_PROBABILITY = 0.6
"""Pictures left as they are."""
SECOND_PROBABILITY = 0.25
"""A second occluder follows a first one with this probability."""

OPAQUE = 0.6
"""A mark counts as covered where the occluder lets less than 1 - OPAQUE of the face through, and a
cell of the segmentation as the occluder's where it fills more than OPAQUE of it."""
HARDLY_THERE = 0.2
"""Below this share the cell keeps its class; in between nobody can say."""
SUBPIXEL_BITS = 3
"""Fractional bits of coordinates handed to OpenCV's drawing."""

HAND_SHADOW, HAND_LIGHT = 0.06, 1.15
"""How far its shadow falls beside a hand, in hand lengths; its brightness beside the face's."""
SKIN_JITTER = 14.0
"""Standard deviation (8-bit steps) between the face's colour and that of a hand before it."""
HAIR_COLOURS = ((24, 18, 16), (46, 32, 24), (82, 56, 36), (140, 104, 66), (196, 166, 116),
                (120, 58, 30), (150, 148, 146), (210, 208, 204))
FRAME_COLOURS = ((18, 18, 20), (40, 30, 28), (92, 60, 34), (140, 140, 145), (180, 150, 90),
                 (120, 26, 30), (30, 44, 96), (225, 222, 215))
MASK_COLOURS = ((225, 232, 238), (150, 195, 225), (30, 30, 34), (200, 214, 205), (70, 80, 120))


@dataclass(frozen=True)
class Face:
    """Where the face is in the picture, all in px.

    marks (68,2): the iBUG points. right, down: unit vectors along the eyes (picture's left eye to
    the other) and from brow to chin. size: the mean of the points' width and height.
    """

    marks: np.ndarray
    centre: np.ndarray
    right: np.ndarray
    down: np.ndarray
    size: float
    eye_distance: float

    @staticmethod
    def of(points: np.ndarray) -> Face:
        """Read the frame of the face from the first 68 of `points` (P,2)."""
        marks = np.asarray(points[:68], np.float64)
        eyes = marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)
        across = eyes[1] - eyes[0]
        distance = float(np.hypot(*across))
        down = marks[6:11].mean(axis=0) - (eyes[0] + eyes[1]) / 2
        down /= max(np.hypot(*down), 1e-6)
        # Under strong yaw the eyes nearly fall together; the face's height still gives a direction.
        right = np.array([down[1], -down[0]])
        extent = np.ptp(marks, axis=0)
        size = float(max(extent.mean(), 4.0))
        return Face(marks, marks.mean(axis=0), right, down, size, distance)

    def at(self, x: float, y: float) -> np.ndarray:
        """The place x face sizes to the right of the centre and y sizes below it."""
        return self.centre + self.size * (x * self.right + y * self.down)


@dataclass(frozen=True)
class Occluded:
    """A picture with things before the face.

    image (H,W,3) uint8 RGB, a copy if anything was painted; covered (P,) bool: the points now
    hidden; layers: what was painted, in order: opacity (H,W) uint8 and segmentation class.
    """

    image: np.ndarray
    covered: np.ndarray
    layers: list[tuple[np.ndarray, int]]

    def seen_through(self, to_pixel: np.ndarray, side: int) -> Occluded:
        """What covers side x side other cells, whose centres lie in the picture where to_pixel
        (2,3) maps the cells' indices."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        layers = [(cv2.warpAffine(alpha, to_pixel, (side, side), flags=flags), value)
                  for alpha, value in self.layers]
        return replace(self, layers=layers)

    def paint_classes(self, classes: np.ndarray) -> None:
        """Write the classes of what covers the cells of `classes` (h,w) uint8, in place; unknown
        where it lets a part of what is behind through."""
        for alpha, value in self.layers:
            share = cv2.resize(alpha, classes.shape[::-1], interpolation=cv2.INTER_AREA) / 255.0
            classes[share > HARDLY_THERE] = pool.UNKNOWN
            classes[share > OPAQUE] = value


def occlude(
    image: np.ndarray,
    points: np.ndarray,
    rng: np.random.Generator,
    donor: np.ndarray | None = None,
) -> Occluded:
    """Put nothing, one or two things before the face.

    image (H,W,3) uint8 RGB; points (P,2) px, the first 68 iBUG; donor: another picture (h,w,3)
    uint8 of which patches may be used.
    """
    covered, layers = np.zeros(len(points), bool), []
    if rng.random() < PLAIN_PROBABILITY:
        return Occluded(image, covered, layers)
    face = Face.of(points)
    for _ in range(1 + (rng.random() < SECOND_PROBABILITY)):
        chosen = int(np.searchsorted(_CUMULATIVE, rng.random()))
        image, alpha = _KINDS[chosen](image, face, rng, donor)
        if alpha is not None:
            covered |= _alpha_at(alpha, points) > OPAQUE
            layers.append((alpha, CLASSES.get(_KINDS[chosen], pool.OCCLUDER)))
    return Occluded(image, covered, layers)


def _alpha_at(alpha: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The mask's value (P,) at the points' nearest pixels; 0 outside the picture."""
    height, width = alpha.shape
    x, y = np.rint(points).astype(np.int64).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    value = np.zeros(len(points), np.float32)
    value[inside] = alpha[y[inside], x[inside]] / 255.0
    return value


def _fixed(points: np.ndarray) -> np.ndarray:
    """Coordinates as the fixed-point integers of OpenCV's drawing functions."""
    return np.rint(np.asarray(points) * (1 << SUBPIXEL_BITS)).astype(np.int32).reshape(-1, 1, 2)


def _polygon(shape: tuple[int, ...], points: np.ndarray) -> np.ndarray:
    """An antialiased filled polygon as a mask (H,W) uint8."""
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [_fixed(points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    return mask


def _stroke(mask: np.ndarray, points: np.ndarray, width: float, value: int = 255,
            closed: bool = False) -> None:
    """An antialiased polyline, at least one pixel wide; thinner ones get paler instead."""
    value = int(value * min(1.0, max(width, 0.25)))
    cv2.polylines(mask, [_fixed(points)], closed, value, max(1, round(width)), cv2.LINE_AA,
                  SUBPIXEL_BITS)


def _ellipse(centre: np.ndarray, axes: tuple[float, float], angle: float,
             count: int = 40) -> np.ndarray:
    """Points (count,2) around an ellipse; angle in radians."""
    turn = np.linspace(0.0, 2 * np.pi, count, endpoint=False)
    x, y = axes[0] * np.cos(turn), axes[1] * np.sin(turn)
    c, s = np.cos(angle), np.sin(angle)
    return centre + np.stack([c * x - s * y, s * x + c * y], axis=1)


def _soften(mask: np.ndarray, rng: np.random.Generator, most: float = 0.012) -> np.ndarray:
    """Blur a mask's border a little: occluders are often out of focus."""
    sigma = rng.uniform(0.0, most) * mask.shape[0]
    return cv2.GaussianBlur(mask, (0, 0), sigma) if sigma > 0.35 else mask


def _blend(image: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay a colour (3,) or colour field (H,W,3) uint8 over the picture where the mask says so."""
    x, y, width, height = cv2.boundingRect(alpha)
    out = image.copy()
    if width == 0:
        return out
    window = np.s_[y:y + height, x:x + width]
    weight = alpha[window].astype(np.float32)[..., None] * (1.0 / 255.0)
    under = image[window].astype(np.float32)
    over = colour[window] if np.ndim(colour) == 3 else np.asarray(colour, np.float32)
    out[window] = under + (over - under) * weight + 0.5
    return out


def _shaded(shape: tuple[int, ...], colour: np.ndarray, rng: np.random.Generator,
            strength: float = 0.35) -> np.ndarray:
    """A field (H,W,3) uint8 of one colour under uneven light, with some grain."""
    light = 1.0 + rng.uniform(-strength, strength, (3, 3)).astype(np.float32)
    base = np.clip(light[..., None] * np.asarray(colour, np.float32), 0, 255)
    return cv2.resize(base, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def _pick(colours: tuple, rng: np.random.Generator, jitter: float = 12.0) -> np.ndarray:
    """One of a list of colours, jittered."""
    base = np.array(colours[rng.integers(len(colours))], float)
    return np.clip(base * rng.uniform(0.7, 1.25) + rng.normal(0, jitter, 3), 4, 250)


def _any_colour(rng: np.random.Generator) -> np.ndarray:
    """Things are mostly greyish; a strong colour now and then."""
    grey = rng.uniform(10, 245)
    return np.clip(grey + rng.normal(0, 18 if rng.random() < 0.6 else 70, 3), 3, 252)


def _skin_colour(image: np.ndarray, face: Face, rng: np.random.Generator) -> np.ndarray:
    """The face's own colour, between nose and cheeks, jittered in brightness more than in hue."""
    places = np.rint((face.marks[[31, 35, 29]] + face.marks[[3, 13, 27]]) / 2).astype(int)
    x = np.clip(places[:, 0], 0, image.shape[1] - 1)
    y = np.clip(places[:, 1], 0, image.shape[0] - 1)
    colour = np.median(image[y, x].astype(float), axis=0)
    return np.clip(colour + rng.normal(0, SKIN_JITTER) + rng.normal(0, 4, 3), 8, 248)


def _hand(image, face, rng, donor):
    """A hand reaching in from below or the side, with its shadow: before mouth, chin, cheek or
    eyes."""
    target = face.at(rng.uniform(-0.45, 0.45), rng.uniform(-0.3, 0.6))
    return _hand_at(target, image, face, rng)


def _hand_at(target, image, face, rng):
    """A hand whose palm or fingers lie at a place (2,) px."""
    heading = rng.uniform(-0.2, np.pi + 0.2)
    along = -np.array([np.cos(heading), np.sin(heading)])
    length = face.size * rng.uniform(*HAND_LENGTH)
    parts = cones(sample_pose(rng), rng.random() < 0.5)
    wrist = target - along * length * rng.uniform(0.35, 0.95)
    lamp = np.array([rng.normal(0, 0.5), rng.normal(-0.5, 0.3), 0.8])
    lamp /= np.linalg.norm(lamp)
    alpha, light = draw_hand(image.shape, parts, wrist, along, length, lamp)
    drop = np.array([[1, 0, -lamp[0]], [0, 1, -lamp[1]]]) * (1, 1, HAND_SHADOW * length)
    shadow = cv2.warpAffine(alpha, drop, alpha.shape[::-1])
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(0.6, 0.025 * length))
    image = _darken(image, shadow, rng.uniform(0.2, 0.55))
    light = cv2.GaussianBlur(light, (0, 0), max(0.4, 0.008 * length))
    # Blood shows where less light falls.
    tint = np.stack([light ** 0.75, light, light ** 1.1], axis=-1)
    field = np.clip(HAND_LIGHT * tint * _skin_colour(image, face, rng), 0, 255).astype(np.uint8)
    alpha = _soften(alpha, rng, 0.006)
    return _blend(image, field, alpha), alpha


def _at_mouth(image, face, rng, donor):
    """Something held to the lips or between them: a bottle, glass or pipe seen from its side, a bite
    of food, cup or microphone, a straw; in half of the pictures with the hand that holds it."""
    lips = face.marks[48:68]
    place = lips.mean(axis=0) + face.size * rng.normal(0, 0.035, 2)
    lean = rng.normal(0, 0.7)
    out = np.cos(lean) * face.down + np.sin(lean) * face.right
    across = np.array([-out[1], out[0]])
    kind = rng.random()
    straw, long = kind < 0.15, kind < 0.55
    half = face.size * (rng.uniform(0.01, 0.03) if straw else rng.uniform(0.05, 0.2))
    length = face.size * rng.uniform(0.3, 1.6)
    if long:  # a straw, or a bottle, whose wider end is away from the lips
        ends = np.array([0.0, rng.uniform(0.1, 0.5), 1.0])
        widths = half * np.array([1.0, 1.0, 1.0 if straw else rng.uniform(1.0, 2.2)])
        middle = place + np.outer(ends, out) * length
        outline = np.concatenate([middle + widths[:, None] * across,
                                  (middle - widths[:, None] * across)[::-1]])
    else:
        length = half * rng.uniform(0.7, 1.4)
        outline = _ellipse(place, (half, length), rng.uniform(0, np.pi))
    alpha = _soften(_polygon(image.shape, outline), rng, 0.006)
    if donor is not None and rng.random() < 0.3:
        field = _donor_field(image.shape, donor, rng)
    else:
        dark = rng.random() < 0.4
        colour = rng.uniform(5, 70) + rng.normal(0, 8, 3) if dark else _any_colour(rng)
        field = _shaded(image.shape, colour, rng, 0.4)
    image = _blend(image, _rounded(field, place, across, half, rng), alpha)
    if rng.random() < 0.5:
        image, hand = _hand_at(place + out * length * rng.uniform(0.3, 1.0), image, face, rng)
        alpha = cv2.max(alpha, hand)
    return image, alpha


def _rounded(field: np.ndarray, place: np.ndarray, across: np.ndarray, half: float,
             rng: np.random.Generator) -> np.ndarray:
    """A colour field (H,W,3) uint8 as if it lay round a tube through place (2,) px, half its width
    `half` px along the unit vector across (2,): lit from one side, with a highlight now and then."""
    rows, columns = np.indices(field.shape[:2], dtype=np.float32)
    side = ((columns - place[0]) * across[0] + (rows - place[1]) * across[1]) / max(half, 0.5)
    lit = np.clip(side, -1, 1) - rng.uniform(-0.8, 0.8)
    light = 1.1 - rng.uniform(0.1, 0.5) * lit ** 2
    if rng.random() < 0.4:
        light += rng.uniform(0.3, 1.5) * np.exp(-(lit / 0.15) ** 2)
    return np.clip(field * light[..., None], 0, 255).astype(np.uint8)


def _microphone(image, face, rng, donor):
    """A dark ball on a stick before mouth or chin."""
    place = face.at(rng.uniform(-0.3, 0.3), rng.uniform(0.28, 0.65))
    radius = face.size * rng.uniform(0.07, 0.17)
    end = place + face.size * np.array([rng.uniform(-0.8, 0.8), rng.uniform(0.8, 1.8)])
    mask = _polygon(image.shape, _ellipse(place, (radius, radius * rng.uniform(1.0, 1.4)), 0.0))
    _stroke(mask, np.stack([place, end]), radius * rng.uniform(0.5, 1.2))
    alpha = _soften(mask, rng)
    dark = np.full(3, rng.uniform(15, 90)) + rng.normal(0, 8, 3)
    return _blend(image, _shaded(image.shape, dark, rng, 0.6), alpha), alpha


def _object(image, face, rng, donor):
    """A cup, phone, ball or box anywhere on the face, plain or with a piece of another picture."""
    place = face.at(rng.uniform(-0.55, 0.55), rng.uniform(-0.5, 0.6))
    axes = face.size * rng.uniform(0.08, 0.32, 2)
    angle = rng.uniform(0, np.pi)
    if rng.random() < 0.5:
        outline = _ellipse(place, tuple(axes), angle)
    else:
        c, s = np.cos(angle), np.sin(angle)
        corner = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * axes
        outline = place + corner @ np.array([(c, s), (-s, c)])
    alpha = _soften(_polygon(image.shape, outline), rng)
    if donor is not None and rng.random() < 0.5:
        field = _donor_field(image.shape, donor, rng)
    else:
        field = _shaded(image.shape, _any_colour(rng), rng, 0.5)
        if rng.random() < 0.3:
            for _ in range(int(rng.integers(1, 5))):
                ends = place + rng.normal(0, 0.5, (2, 2)) * axes.max() * 2
                cv2.polylines(field, [_fixed(ends)], False, _any_colour(rng).tolist(),
                              int(rng.integers(1, 6)), cv2.LINE_AA, SUBPIXEL_BITS)
    return _blend(image, field, alpha), alpha


def _donor_field(shape: tuple[int, ...], donor: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random part of another picture, enlarged to this one's size."""
    height, width = donor.shape[:2]
    share = rng.uniform(0.3, 1.0)
    h, w = max(2, int(height * share)), max(2, int(width * share))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    part = donor[top:top + h, left:left + w]
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return cv2.resize(part, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def _donor_patch(image, face, rng, donor):
    """A soft-edged blob of another picture: shoulders, hair or hands of somebody nearer."""
    if donor is None:
        return _object(image, face, rng, donor)
    side = rng.uniform(0, 2 * np.pi)
    place = face.at(np.cos(side) * rng.uniform(0.35, 0.75), np.sin(side) * rng.uniform(0.35, 0.75))
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    wobble = 1.0 + sum(rng.normal(0, 0.12) * np.cos(k * turn + rng.uniform(0, 6.3))
                       for k in (2, 3, 4))
    radius = face.size * rng.uniform(0.15, 0.42) * wobble
    outline = place + radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    alpha = _soften(_polygon(image.shape, outline), rng, 0.03)
    return _blend(image, _donor_field(image.shape, donor, rng), alpha), alpha


def _hair(image, face, rng, donor):
    """Locks that fall from above over brow, eyes or cheek, a few strands or a whole fringe."""
    colour = _pick(HAIR_COLOURS, rng)
    root = face.at(rng.uniform(-0.5, 0.5), rng.uniform(-0.95, -0.6))
    width = face.size * rng.uniform(0.1, 0.7)
    reach = face.size * rng.uniform(0.3, 1.1)
    sway = rng.normal(0, 0.25)
    count = int(rng.integers(4, 60))
    alpha = np.zeros(image.shape[:2], np.uint8)
    light = np.zeros(image.shape[:2], np.uint8)
    t = np.linspace(0, 1, 7)[:, None]
    thickness = rng.uniform(0.004, 0.014) * face.size
    for _ in range(count):
        start = root + face.right * width * rng.uniform(-0.5, 0.5)
        bend = sway + rng.normal(0, 0.1)
        length = reach * rng.uniform(0.6, 1.0)
        path = start + length * (t * face.down + (bend * t ** 2 + rng.normal(0, 0.05) * t)
                                 * face.right)
        _stroke(alpha, path, thickness * rng.uniform(0.5, 2.0))
        if rng.random() < 0.3:
            _stroke(light, path, thickness * 0.5, 90)
    field = _shaded(image.shape, colour, rng, 0.4)
    field = cv2.add(field, cv2.merge((light, light, light)))
    return _blend(image, field, alpha), alpha


def _cap(image, face, rng, donor):
    """A brim, band or straight fringe over the forehead, with the shadow that it casts below."""
    low = rng.uniform(-0.62, -0.38)
    arch = rng.normal(0, 0.08)
    tilt = rng.normal(0, 0.06)
    half = rng.uniform(0.5, 0.8)
    x = np.linspace(-half, half, 13)
    edge = np.array([face.at(v, low + tilt * v + arch * (1 - (v / half) ** 2)) for v in x])
    height = rng.uniform(0.4, 1.2)
    dome = np.array([face.at(half * np.cos(v), low - height * np.sin(v))
                     for v in np.linspace(0.1, np.pi - 0.1, 13)])
    outline = np.concatenate([edge, dome])
    alpha = _soften(_polygon(image.shape, outline), rng, 0.008)
    if rng.random() < 0.6:
        drop = face.down * face.size * rng.uniform(0.08, 0.3)
        shadow = cv2.GaussianBlur(_polygon(image.shape, outline + drop), (0, 0),
                                  max(0.6, image.shape[0] * rng.uniform(0.004, 0.03)))
        image = _darken(image, shadow, rng.uniform(0.35, 0.8))
    colour = _pick(HAIR_COLOURS, rng) if rng.random() < 0.4 else _any_colour(rng)
    return _blend(image, _shaded(image.shape, colour, rng, 0.35), alpha), alpha


def _cloth(image, face, rng, donor):
    """A medical mask or a scarf over mouth and chin, sometimes over the nose."""
    marks = face.marks
    top_left = marks[1] + (marks[2] - marks[1]) * rng.uniform(0, 1.5)
    top_right = marks[15] + (marks[14] - marks[15]) * rng.uniform(0, 1.5)
    nose = marks[28] + (marks[33] - marks[28]) * rng.uniform(0.0, 1.3)
    low = face.down * face.size * rng.uniform(0.0, 0.1)
    outline = np.concatenate([[top_left, (top_left + nose) / 2 - low, nose,
                               (top_right + nose) / 2 - low, top_right],
                              marks[14:2:-1] + low])
    if rng.random() < 0.4:
        # A scarf goes on below the chin.
        outline = np.concatenate([outline[:5], [face.at(0.9, 0.6), face.at(0.9, 2.0),
                                                face.at(-0.9, 2.0), face.at(-0.9, 0.6)]])
    alpha = _soften(_polygon(image.shape, outline), rng, 0.006)
    field = _shaded(image.shape, _pick(MASK_COLOURS, rng, 16.0), rng, 0.3)
    for fold in rng.uniform(0.1, 0.6, int(rng.integers(0, 4))):
        line = np.array([face.at(v, fold + 0.1 * (0.5 - v * v)) for v in (-0.5, -0.2, 0.2, 0.5)])
        cv2.polylines(field, [_fixed(line)], False, _any_colour(rng).tolist(), 1, cv2.LINE_AA,
                      SUBPIXEL_BITS)
    return _blend(image, field, alpha), alpha


def _lens_outlines(face: Face, rng: np.random.Generator) -> list[np.ndarray]:
    """Outlines (n,2) of two lenses before the eyes, of one shared random shape."""
    marks = face.marks
    eyes = marks[36:42], marks[42:48]
    height = face.size * rng.uniform(0.1, 0.2)
    power = rng.uniform(2.0, 6.0)
    turn = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    # A superellipse: 2 is round, 6 nearly a rectangle.
    unit_x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** (2 / power)
    unit_y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** (2 / power)
    drop = face.size * rng.uniform(0.0, 0.05)
    widen = rng.uniform(0.85, 1.25)
    outlines = []
    for eye in eyes:
        half = max(np.ptp(eye @ face.right), 0.04 * face.size) * widen
        centre = eye.mean(axis=0) + face.down * drop
        outlines.append(centre + unit_x[:, None] * half * face.right
                        + unit_y[:, None] * height * face.down)
    return outlines


def _glasses(image, face, rng, donor):
    """A frame of any thickness with clear, tinted or black lenses and a reflection."""
    left, right = _lens_outlines(face, rng)
    thickness = face.size * np.exp(rng.uniform(np.log(0.006), np.log(0.04)))
    frame = np.zeros(image.shape[:2], np.uint8)
    for outline in (left, right):
        _stroke(frame, outline, thickness, closed=True)
    inner = left[np.argmax(left @ face.right)], right[np.argmin(right @ face.right)]
    arch = (inner[0] + inner[1]) / 2 - face.down * face.size * rng.uniform(0.0, 0.04)
    _stroke(frame, np.stack([inner[0], arch, inner[1]]), thickness)
    outer = left[np.argmin(left @ face.right)], right[np.argmax(right @ face.right)]
    for place, ear in zip(outer, (face.marks[0], face.marks[16]), strict=True):
        _stroke(frame, np.stack([place, ear - face.down * face.size * 0.03]), thickness)
    lenses = cv2.bitwise_or(_polygon(image.shape, left), _polygon(image.shape, right))
    tint = rng.random()
    if tint < 0.45:
        strength = rng.uniform(0.0, 0.12)
    elif tint < 0.6:
        strength = rng.uniform(0.12, 0.6)
    else:
        strength = rng.uniform(0.75, 1.0)
    lenses = cv2.convertScaleAbs(lenses, alpha=strength)
    dark = _shaded(image.shape, np.clip(rng.normal(25, 15, 3), 2, 90), rng, 0.8)
    image = _blend(image, dark, lenses)
    if rng.random() < 0.5:
        image = _reflection(image, (left, right), face, rng)
    image = _blend(image, _shaded(image.shape, _pick(FRAME_COLOURS, rng), rng, 0.3), frame)
    return image, cv2.max(frame, lenses)


def _reflection(image, outlines, face, rng):
    """A bright slanted streak in each lens."""
    lenses = cv2.bitwise_or(*(_polygon(image.shape, outline) for outline in outlines))
    streak = np.zeros(image.shape[:2], np.uint8)
    slant = face.down + rng.uniform(-0.8, 0.8) * face.right
    shift = rng.uniform(-0.06, 0.06) * face.size * face.right
    for outline in outlines:
        middle = outline.mean(axis=0) + shift
        ends = np.stack([middle - slant * face.size * 0.2, middle + slant * face.size * 0.2])
        _stroke(streak, ends, face.size * rng.uniform(0.01, 0.1))
    streak = cv2.bitwise_and(cv2.GaussianBlur(streak, (0, 0), 0.8), lenses)
    streak = cv2.convertScaleAbs(streak, alpha=rng.uniform(0.1, 0.7))
    return _blend(image, np.array([250.0, 252.0, 255.0]), streak)


def _darken(image: np.ndarray, shadow: np.ndarray, strength: float) -> np.ndarray:
    """Multiply the picture by 1 - strength where the shadow mask is full."""
    keep = cv2.convertScaleAbs(shadow, alpha=-strength, beta=0)
    keep = cv2.subtract(np.full_like(keep, 255), keep)
    return cv2.multiply(image, cv2.merge((keep, keep, keep)), scale=1 / 255.0)


def _shadow(image, face, rng, donor):
    """A shadow with a hard or soft border over part of the face. It covers nothing."""
    angle = rng.uniform(0, 2 * np.pi)
    normal = np.array([np.cos(angle), np.sin(angle)])
    tangent = np.array([-normal[1], normal[0]])
    edge = face.at(rng.uniform(-0.4, 0.4), rng.uniform(-0.5, 0.5))
    far = 3 * face.size
    along = np.linspace(-1, 1, 9)
    wave = rng.normal(0, 0.08, 9) * face.size
    border = edge + along[:, None] * far * tangent + wave[:, None] * normal
    if rng.random() < 0.4:
        # A band: the shadow of a pole, branch or window bar.
        back = border[::-1] + normal * face.size * rng.uniform(0.1, 0.6)
    else:
        back = border[[-1, 0]] + normal * far
    mask = cv2.GaussianBlur(_polygon(image.shape, np.concatenate([border, back])), (0, 0),
                            max(0.6, image.shape[0] * rng.uniform(0.004, 0.06)))
    return _darken(image, mask, rng.uniform(0.25, 0.75)), None


def _frame_edge(image, face, rng, donor):
    """The photograph ends inside the crop: the rest is one colour or its stretched border."""
    side = int(rng.integers(4))
    turned = np.rot90(image, side)
    height = turned.shape[0]
    centre = face.centre - (np.array(image.shape[1::-1]) - 1) / 2
    # Distance from the picture's middle to the face's, along the side that is cut (top after turn).
    offset = (centre[1], centre[0], -centre[1], -centre[0])[side]
    cut = int(np.clip(height / 2 + offset - face.size * rng.uniform(0.3, 0.8), 0, height - 1))
    out = turned.copy()
    mask = np.zeros(turned.shape[:2], np.uint8)
    mask[:cut] = 255
    out[:cut] = turned[cut] if rng.random() < 0.4 else (
        0 if rng.random() < 0.6 else _any_colour(rng))
    return (np.ascontiguousarray(np.rot90(out, -side)),
            np.ascontiguousarray(np.rot90(mask, -side)))


Occluder = Callable[..., tuple[np.ndarray, np.ndarray | None]]

WEIGHTS: dict[Occluder, float] = {
    _hand: 0.15, _at_mouth: 0.15, _object: 0.10, _donor_patch: 0.10, _microphone: 0.05, _hair: 0.14,
    _cap: 0.10, _cloth: 0.05, _glasses: 0.14, _shadow: 0.11, _frame_edge: 0.04,
}
"""How often each occluder is chosen, relative to the others."""

CLASSES: dict[Occluder, int] = {
    _hair: pool.HAIR, _glasses: pool.GLASSES, _frame_edge: pool.UNKNOWN,
}
"""Segmentation classes of those that are more than just an occluder."""

_KINDS = tuple(WEIGHTS)
_CUMULATIVE = np.cumsum(list(WEIGHTS.values())) / sum(WEIGHTS.values())
