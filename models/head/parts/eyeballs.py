# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyeballs: a sphere for the white with the cornea's bulge in front, as one surface."""

import numpy as np

from ..names import EYE_BONES, SHAPE_NAMES, group_numbers
from .disc import Disc
from .part import Body, Part, hung_on

# Angles from the eye's axis in degrees. The pupil's and the iris's edge lie on rings of vertices;
# the iris's is 5.8 mm from the axis, as a human's is, though the ball of 30 mm that fits the base
# mesh's lids is larger than a human's.
PUPIL_ANGLE, IRIS_ANGLE = 11.25, 22.5
RINGS = (15.0, 18.75, IRIS_ANGLE, 25.5, 31.0, 39.0, 50.0, 65.0, 85.0, 108.0, 135.0)
DISC_RINGS = 3  # of quads in the pupil and at the back: 24 vertices a ring

# The cornea stands out by 1.1 mm over the white's sphere: a cap of 7.8 mm radius on a ball of
# 12 mm does (Gullstrand's eye). It runs out into the white just beyond the iris.
BULGE = 0.07  # of the ball's radius
BULGE_EDGE = 25.5  # degrees
BULGE_POWER = 1.5

BACK_CENTRE, BACK_RADIUS = 0.07, 0.065  # of the island of UV that the hidden back has for itself


def make_eyeballs(body: Body) -> list[Part]:
    """Both eyes."""
    direction, height, quads, uv = _unit_ball()
    count = len(direction)
    bump = direction * height[:, None]
    mean = [body.bone_mean[bone] + radius * bump
            for bone, radius in zip(EYE_BONES, body.eye_radius_mean, strict=True)]  # fmt: skip
    basis = [body.bone_basis[:, bone, None] + body.eye_radius_basis[:, side, None, None] * bump
             for side, bone in enumerate(EYE_BONES)]  # fmt: skip
    reflected = _reflected(direction)
    part = Part(
        mean=np.concatenate(mean),
        identity_basis=np.concatenate(basis, axis=1),
        shapes=np.zeros((len(SHAPE_NAMES), 2 * count, 3)),
        quads=np.concatenate([quads, quads + count]),
        uv=np.concatenate([uv, uv]),
        group=np.repeat(group_numbers("eye_left", "eye_right"), len(quads)).astype(np.uint8),
        mirror=np.concatenate([reflected + count, reflected]),
        skin_weight=np.concatenate([hung_on("eye.L", count), hung_on("eye.R", count)]),
        anchor=np.full(2 * count, -1),
    )
    return [part.symmetrical(body)]


def _unit_ball():
    """Directions (N,3), distances (N,) from the centre, quads, uv of a ball that looks along +z."""
    front, back = Disc.of(DISC_RINGS), Disc.of(DISC_RINGS)
    around = front.azimuth[front.rim]
    angle = [front.radius * PUPIL_ANGLE]
    azimuth = [front.azimuth]
    rings = [front.rim]
    count = len(front.radius)
    for ring in RINGS[:-1]:
        angle.append(np.full(len(around), ring))
        azimuth.append(around)
        rings.append(count + np.arange(len(around)))
        count += len(around)
    angle.append(180 - back.radius * (180 - RINGS[-1]))
    azimuth.append(back.azimuth)
    rings.append(count + back.rim)
    angle, azimuth = np.deg2rad(np.concatenate(angle)), np.concatenate(azimuth)

    bands = [np.stack([a, b, np.roll(b, -1), np.roll(a, -1)], axis=1)
             for a, b in zip(rings, rings[1:], strict=False)]  # fmt: skip
    behind = back.quads[:, ::-1] + count
    quads = np.concatenate([front.quads, *bands, behind])

    flat = np.stack([np.cos(azimuth), np.sin(azimuth)], axis=1)
    direction = np.column_stack([flat * np.sin(angle)[:, None], np.cos(angle)])
    inside = np.clip(1 - (angle / np.deg2rad(BULGE_EDGE)) ** 2, 0, 1)
    uv = 0.5 + 0.5 * flat * (angle / np.pi)[:, None]
    reach = (np.pi - angle) / np.deg2rad(180 - RINGS[-1])
    island = BACK_CENTRE + BACK_RADIUS * flat * [-1, 1] * reach[:, None]
    corner_uv = np.concatenate([uv[quads[: -len(behind)]], island[behind]])
    return direction, 1 + BULGE * inside**BULGE_POWER, quads, corner_uv


def _reflected(direction: np.ndarray) -> np.ndarray:
    """(N,) the vertex of the ball whose direction is the mirror image of each one's."""
    wanted = direction * [-1, 1, 1]
    return np.linalg.norm(wanted[:, None] - direction[None], axis=2).argmin(axis=1)
