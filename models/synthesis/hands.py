# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands before a face: tapered bones with flesh around them, rounded and lit as one height field.

A hand is a set of cones with round ends, given in the picture's plane with a height above the face.
Each pixel shows the highest of them, shaded by its own slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np

HAND_LENGTH = (1.15, 1.5)
"""Wrist to middle finger's tip, in face sizes (the 68 points' box is some 13 cm, a hand 19)."""
# Of the four fingers: place of the knuckle across the palm and its distance from the wrist, length
# of the finger, all in hand lengths; then the share of each of its bones.
KNUCKLES = ((-0.145, 0.50, 0.38), (-0.05, 0.53, 0.43), (0.045, 0.51, 0.40), (0.135, 0.46, 0.31))
BONES = (0.46, 0.30, 0.24)
FINGER_RADIUS, TIP_RADIUS, PALM_RADIUS, WRIST_RADIUS = 0.052, 0.038, 0.085, 0.135
JOINT_RANGE = (0.95, 1.45, 0.95)
"""Radians by which a finger's joints bend at most."""
CURL_DEPTH = 0.6
"""Share of a bent finger's reach towards the face that the height field keeps."""
FOREARM = 3.0
AMBIENT = 0.45
WRAP = 0.25
"""Light creeps so far round the edge: skin scatters."""


@dataclass(frozen=True)
class Pose:
    """bend (5,) 0…1 of thumb to little finger; spread: angle between fingers, rad; lift: how far
    fingertips stand off, in hand lengths."""

    bend: np.ndarray
    spread: float
    lift: float


def sample_pose(rng: np.random.Generator) -> Pose:
    """A flat hand, a loose one, a fist, or one that points."""
    kind = rng.random()
    if kind < 0.35:
        bend = np.full(5, rng.uniform(0.0, 0.25))
    elif kind < 0.65:
        bend = rng.uniform(0.2, 0.6) + rng.normal(0, 0.06, 5)
    elif kind < 0.82:
        bend = rng.uniform(0.8, 1.0) + rng.normal(0, 0.04, 5)
    else:
        bend = np.array([rng.uniform(0.3, 0.9), rng.uniform(0, 0.15), *rng.uniform(0.7, 1.0, 3)])
    return Pose(np.clip(bend, 0, 1), rng.uniform(0.0, 0.16), rng.uniform(-0.02, 0.06))


def cones(pose: Pose, mirror: bool) -> np.ndarray:
    """Cones (n,8) of a hand of length 1 that points along +y from a wrist at the origin: both ends
    x, y, z and both radii."""
    parts = []

    def add(a, b, ra, rb):
        parts.append([*a, *b, ra, rb])

    add((0, -FOREARM, 0.02), (0, 0.0, 0.02), WRIST_RADIUS * 1.3, WRIST_RADIUS)
    for index, (across, reach, length) in enumerate(KNUCKLES):
        knuckle = np.array([across, reach, 0.03])
        add((0.5 * across, 0.02, 0.03), knuckle, PALM_RADIUS * 1.05, PALM_RADIUS * 0.8)
        heading = 1.3 * across + pose.spread * (index - 1.5)
        bend, place, down = pose.bend[index + 1], knuckle, 0.0
        for bone, share in enumerate(BONES):
            down += bend * JOINT_RANGE[bone]
            flat, rise = np.cos(down), -np.sin(down) * CURL_DEPTH
            step = length * share * np.array([np.sin(heading) * flat, np.cos(heading) * flat, rise])
            end = place + step + (0, 0, pose.lift * share)
            thick = FINGER_RADIUS + (TIP_RADIUS - FINGER_RADIUS) * (bone + 1) / 3
            add(place, end, thick + 0.006, thick)
            place = end
    bend, place = pose.bend[0], np.array([-0.13, 0.14, 0.05])
    heading = -0.75 + 0.8 * bend
    add((-0.04, 0.05, 0.03), place, PALM_RADIUS * 1.1, PALM_RADIUS * 0.85)
    for length in (0.17, 0.13):
        end = place + length * np.array([np.sin(heading), np.cos(heading), 0.15])
        add(place, end, 0.062, 0.048)
        place, heading = end, heading + 0.5 * bend
    answer = np.array(parts)
    if mirror:
        answer[:, [0, 3]] *= -1
    return answer


def draw_hand(shape: tuple[int, ...], parts: np.ndarray, wrist: np.ndarray, along: np.ndarray,
              length: float, sun: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A hand's opacity (H,W) uint8 and light (H,W) float32, about 1 where it faces the lamp.

    parts (n,8): as `cones` gives them; wrist (2,) px, along (2,): unit vector from wrist to
    fingertips, length px; sun (3,): unit vector to the lamp, z towards the viewer.
    """
    aside = np.array([along[1], -along[0]])
    placed = np.empty_like(parts)
    for first in (0, 3):
        flat = parts[:, first, None] * aside + parts[:, first + 1, None] * along
        placed[:, first:first + 2] = wrist + length * flat
        placed[:, first + 2] = length * parts[:, first + 2]
    placed[:, 6:] = length * parts[:, 6:]
    return _draw(placed, shape[0], shape[1], sun)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _draw(parts, height, width, sun):
    alpha = np.zeros((height, width), np.uint8)
    light = np.zeros((height, width), np.float32)
    top = np.full((height, width), -1e9, np.float32)
    for index in range(parts.shape[0]):
        ax, ay, az, bx, by, bz, ra, rb = parts[index]
        reach = max(ra, rb) + 1.0
        low_x, low_y = max(0, int(min(ax, bx) - reach)), max(0, int(min(ay, by) - reach))
        high_x = min(width - 1, int(max(ax, bx) + reach) + 1)
        high_y = min(height - 1, int(max(ay, by) + reach) + 1)
        dx, dy = bx - ax, by - ay
        inverse = 1.0 / max(dx * dx + dy * dy, 1e-6)
        for y in range(low_y, high_y + 1):
            for x in range(low_x, high_x + 1):
                px, py = x - ax, y - ay
                t = min(max((px * dx + py * dy) * inverse, 0.0), 1.0)
                ex, ey = px - t * dx, py - t * dy
                r = ra + (rb - ra) * t
                square = ex * ex + ey * ey
                edge = r + 0.5
                if square >= edge * edge:
                    continue
                away = np.sqrt(square)
                cover = min(1.0, edge - away)
                alpha[y, x] = max(alpha[y, x], np.uint8(255 * cover))
                rise = np.sqrt(max(r * r - square, 0.0))
                z = az + (bz - az) * t + rise
                if z <= top[y, x]:
                    continue
                top[y, x] = z
                nx, ny, nz = ex / r, ey / r, max(rise / r, 0.05)
                facing = (nx * sun[0] + ny * sun[1] + nz * sun[2] + WRAP) / (1 + WRAP)
                # The rim sees less of the sky; where two fingers meet, both show their rims.
                light[y, x] = AMBIENT * (0.55 + 0.45 * nz) + (1 - AMBIENT) * max(0.0, facing)
    return alpha, light
