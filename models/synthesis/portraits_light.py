# SPDX-License-Identifier: GPL-3.0-or-later
"""The light of a photograph, read off the face that is fitted to it, and other light instead.

Skin is nearly matt, so its brightness over its normals gives the harmonics of the light (Ramamoorthi
and Hanrahan 2001; see light.py). How bright the light itself was is not to be told from how dark the
skin is: cameras expose dark faces longer, as renderer.py has it, and its rule is turned round here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from .light import HARMONICS, LAMBERT, Light, basis, even_directions
from .renderer import EXPOSURE_RANGE, MIDDLE_TONE, TONE_COMPENSATION

RIDGE = np.array([0.0] + 3 * [0.02] + 5 * [0.08])
"""What holds the harmonics near those of even light, by order: a face shows half the directions."""
ROUNDS = 4
OUTLIER = 0.25
"""Relative deviation beyond which a place counts for less: beard, brows, highlights, cast shadows."""
DIMMEST = 0.3
"""Of the mean: lower the estimate does not fall on any side, where it would be a guess."""
ALBEDO_RANGE = (0.06, 0.55)
SKIN_HUE = np.array([1.33, 0.95, 0.72])
"""Red, green and blue of skin's albedo over their mean, in the mean of people."""
HUE_SHARE = 0.5
"""How much of a face's deviation from that is laid to the light; the rest is the person's."""
LARGEST_CHANGE = (0.4, 2.4)
"""Bounds of new light over old."""
LAMP_SHARE = 0.6
"""Of the light, where eyes and teeth shall mirror a lamp."""
TURNING_DIRECTIONS = 64


@dataclass(frozen=True)
class FaceLight:
    """Light around a face, as `shading.shade` takes it.

    coefficients (9,3): radiance harmonics, so that white paper in even light of 1 is display white;
    sun (3,): where most of it comes from; sun_colour (3,): what a lamp there adds to the harmonics;
    softness as in Light.
    """

    coefficients: np.ndarray
    sun: np.ndarray
    sun_colour: np.ndarray = field(default_factory=lambda: np.zeros(3))
    softness: float = 1.0

    def harmonics(self) -> np.ndarray:
        """(9,3)."""
        return self.coefficients

    def received(self, normals: np.ndarray) -> np.ndarray:
        """Grey light (N,), over pi, on surfaces with normals (N,3); never below a part of the mean."""
        grey = (self.coefficients.mean(axis=1) * LAMBERT / np.pi).astype(np.float32)
        even = grey[0] * 0.282095
        return np.maximum(_basis32(normals) @ grey, DIMMEST * even)

    def turned(self, rotation: np.ndarray) -> FaceLight:
        """The same light in another frame; rotation (3,3) takes this frame to that."""
        there = _DIRECTIONS @ rotation
        coefficients = _TO_HARMONICS @ (basis(there) @ self.coefficients)
        return replace(self, coefficients=coefficients, sun=rotation @ self.sun)

    def mixed(self, other: FaceLight, share: float) -> FaceLight:
        """This light with a share 0…1 of another; the lamp is that of the stronger."""
        strong = other if share > 0.5 else self
        return replace(
            strong, coefficients=(1 - share) * self.coefficients + share * other.coefficients
        )

    def with_lamp(self) -> FaceLight:
        """As much light, a part of which comes from one lamp, for surfaces that mirror."""
        facing = np.maximum((basis(self.sun) * LAMBERT / np.pi) @ self.coefficients, 0)
        return replace(
            self, coefficients=(1 - LAMP_SHARE) * self.coefficients, sun_colour=LAMP_SHARE * facing
        )


def estimate(colour: np.ndarray, normals: np.ndarray) -> FaceLight:
    """The light on a face, in the frame of the normals.

    colour (N,3): linear values (1: display white) of N places of the skin; normals (N,3) unit.
    """
    grey = colour.mean(axis=1)
    level = max(float(np.median(grey)), 1e-3)
    rows = basis(normals) * LAMBERT / np.pi
    light, trust = np.zeros(HARMONICS), np.ones(len(grey))
    for _ in range(ROUNDS):
        normal = (rows * trust[:, None]).T @ rows + np.diag(RIDGE) * trust.sum()
        light = np.linalg.solve(normal, rows.T @ (trust * grey / level))
        deviation = np.abs(grey / level - rows @ light)
        trust = 1 / (1 + (deviation / OUTLIER) ** 2)
    white = np.sqrt(np.prod(EXPOSURE_RANGE))
    albedo = (level / (white * MIDDLE_TONE**TONE_COMPENSATION)) ** (1 / (1 - TONE_COMPENSATION))
    strength = level / np.clip(albedo, *ALBEDO_RANGE)
    hue = np.median(colour, axis=0) / level / SKIN_HUE
    tint = np.clip(hue / hue.mean(), 0.5, 2.0) ** HUE_SHARE
    toward = light[[3, 1, 2]] + (0, 0, 1e-3)
    return FaceLight(np.outer(light, strength * tint), toward / np.linalg.norm(toward))


def of_scene(light: Light, level: float) -> FaceLight:
    """A scene's light (light.py) as light around a face that receives about `level` on the whole."""
    coefficients = light.harmonics()
    # The lamp's direct part as a broad lobe: the photograph brings its own hard edges.
    coefficients = coefficients + np.outer(basis(light.sun) * LAMBERT / np.pi, light.sun_colour)
    front = basis(np.array([0.0, 0.0, -1.0])) * LAMBERT / np.pi
    scale = level / max(float((front @ coefficients).mean()), 1e-3)
    return FaceLight(coefficients * scale, light.sun)


def change(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Factor (N,) float32 from grey light received before to that received now, (N,) each."""
    return np.clip(new / old, *LARGEST_CHANGE).astype(np.float32)


def _basis32(normals: np.ndarray) -> np.ndarray:
    return basis(normals).astype(np.float32)


_DIRECTIONS = even_directions(TURNING_DIRECTIONS)
_TO_HARMONICS = np.linalg.pinv(basis(_DIRECTIONS))
