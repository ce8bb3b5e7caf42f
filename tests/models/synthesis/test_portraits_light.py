# SPDX-License-Identifier: GPL-3.0-or-later
"""Light read off a face."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.synthesis.light import LAMBERT, basis, sample_light
from models.synthesis.portraits_light import LARGEST_CHANGE, change, estimate, of_scene


@pytest.fixture(scope="module")
def normals():
    """Directions of half a sphere, as a face shows them in head space."""
    directions = np.random.default_rng(2).standard_normal((3000, 3))
    directions[:, 2] = np.abs(directions[:, 2]) + 0.1
    return directions / np.linalg.norm(directions, axis=1, keepdims=True)


def lit(normals, albedo, toward, ambient=0.3, power=0.6):
    toward = np.array(toward) / np.linalg.norm(toward)
    return np.outer(ambient + power * np.maximum(normals @ toward, 0), albedo)


def test_the_light_comes_from_where_it_came(normals):
    colour = lit(normals, (0.5, 0.36, 0.28), (0.7, 0.4, 0.6))
    light = estimate(colour, normals)
    angle = np.degrees(np.arccos(light.sun @ np.array([0.7, 0.4, 0.6]) / np.linalg.norm([0.7, 0.4, 0.6])))
    assert angle < 30, "of half the directions nothing is seen"
    received = light.received(normals)
    assert np.corrcoef(received, colour.mean(axis=1))[0, 1] > 0.94


def test_a_beard_is_not_a_shadow(normals):
    """A third of the face, all of it below, is dark by itself."""
    colour = lit(normals, (0.5, 0.36, 0.28), (0.6, 0.1, 0.8))
    bearded = colour.copy()
    bearded[normals[:, 1] < -0.5] *= 0.15
    clean, dirty = (estimate(c, normals).received(normals) for c in (colour, bearded))
    side = np.argsort(normals[:, 0])
    for light in (clean, dirty):
        assert light[side[-300:]].mean() > 1.3 * light[side[:300]].mean()


def test_dark_skin_is_no_dim_light(normals):
    pale = estimate(lit(normals, (0.5, 0.36, 0.28), (0, 0.3, 1)), normals)
    dark = estimate(lit(normals, (0.10, 0.072, 0.056), (0, 0.3, 1)), normals)
    brightness = dark.received(normals).mean() / pale.received(normals).mean()
    assert 0.4 < brightness < 1.6, "five times darker skin"


def test_light_turns_with_its_frame(normals):
    light = estimate(lit(normals, (0.5, 0.36, 0.28), (0.7, 0.4, 0.6)), normals)
    turn = Rotation.from_euler("xyz", [0.4, -0.8, 0.2]).as_matrix()
    turned = light.turned(turn)
    assert np.allclose(turned.received(normals @ turn.T), light.received(normals), atol=1e-4)
    assert np.allclose(turned.sun, turn @ light.sun)


def test_a_lamp_brings_no_more_light(normals):
    light = estimate(lit(normals, (0.5, 0.36, 0.28), (0.3, 0.4, 0.8)), normals)
    split = light.with_lamp()
    rest = (basis(light.sun) * LAMBERT / np.pi) @ split.coefficients
    whole = (basis(light.sun) * LAMBERT / np.pi) @ light.coefficients
    assert np.allclose(rest + split.sun_colour, whole)
    assert (split.sun_colour > 0.3 * whole).all()


def test_a_scene_lights_the_face_as_asked():
    for seed in range(5):
        light = of_scene(sample_light(np.random.default_rng(seed)), 0.8)
        assert np.isclose(light.received(np.array([[0.0, 0.0, -1.0]]))[0], 0.8, rtol=0.02)


def test_changes_are_bounded():
    factor = change(np.array([1.0, 1.0, 0.01, 1.0]), np.array([1.0, 1.5, 5.0, 0.01]))
    assert np.allclose(factor, [1, 1.5, LARGEST_CHANGE[1], LARGEST_CHANGE[0]])
