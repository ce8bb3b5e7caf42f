# SPDX-License-Identifier: GPL-3.0-or-later
"""Light as polynomials says what its harmonics say."""

import numpy as np

from models.synthesis.light import LAMBERT, basis, irradiance, light_along


def test_polynomials_are_the_harmonics():
    rng = np.random.default_rng(1)
    radiance = rng.normal(0, 1, (9, 3))
    directions = rng.normal(0, 1, (20, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    wanted = basis(directions) @ (radiance * LAMBERT[:, None] / np.pi)
    surroundings = irradiance(radiance)
    said = [[light_along(surroundings, *direction, channel) for channel in range(3)]
            for direction in directions]
    np.testing.assert_allclose(said, wanted, atol=1e-6)
