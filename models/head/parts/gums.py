# SPDX-License-Identifier: GPL-3.0-or-later
"""Gums: one strip a jaw that rises between the teeth and lets them through."""

import numpy as np

from .arch import ARCHES, MILLIMETRE, Arch, Place, follower, jaw_movement, places
from .part import REFLECTION, Body, Form, Part, hung_on, strip_quads

# The strip's profile from the lips' side over the ridge to the tongue's: height above the neck in
# crowns and, added to that, in mm; how far out as a share of the crown's depth and, added, in mm.
AT_TOOTH = ((0.0, -8.0, 0.50, 0.2), (0.0, -3.5, 0.50, 0.8), (0.06, 0.0, 0.50, 0.35),
            (0.10, 0.0, 0.0, 0.0), (0.04, 0.0, -0.50, -0.4), (0.0, -6.5, -0.50, -1.6))  # fmt: skip
# Between two teeth: the gum's point fills the gap.
BETWEEN = ((0.0, -8.0, 0.50, -0.1), (0.0, -3.5, 0.50, 0.3), (0.08, 0.0, 0.44, -0.2),
           (0.24, 0.0, 0.12, 0.0), (0.08, 0.0, -0.46, 0.0), (0.0, -6.5, -0.50, -1.4))  # fmt: skip
ROWS = len(AT_TOOTH)
MARGIN = 0.04  # of the UV square, left and right of the strip
# Where the corners of the quads that close an end lie in their sliver of UV.
END_UV = np.array([[(1, 0), (1, 0.5), (0, 0.5), (0, 0)], [(1, 0.5), (1, 1), (0, 1), (0, 0.5)]])


def make_gums(body: Body) -> list[Part]:
    """Upper and lower gum, as one group in two parts."""
    parts = []
    for half, arch in enumerate(ARCHES):
        form = _strip(arch, half)
        operator = follower(body, arch, form.positions)
        bone = "jaw" if arch.helper == "teeth_lower" else "head"
        parts.append(Part.following(
            body, form, "gums", operator, hung_on(bone, len(form.positions)),
            shapes=jaw_movement(body, arch, operator)))  # fmt: skip
    return parts


def _strip(arch: Arch, half: int) -> Form:
    """The whole strip, from the right end to the left; half 0 or 1 of the UV square is its own."""
    left = _columns(places(arch))
    columns = np.concatenate([left[:0:-1] * REFLECTION, left]) * MILLIMETRE
    count = len(columns)
    positions = columns.transpose(1, 0, 2).reshape(-1, 3)
    number = np.arange(ROWS * count).reshape(ROWS, count)
    ends = [_end(number[:, 0]), _end(number[:, -1])[:, ::-1]]
    quads = np.concatenate([strip_quads(ROWS, count), *ends])
    across, height = np.meshgrid(np.linspace(MARGIN, 1 - MARGIN, count), np.linspace(0, 1, ROWS))
    uv = np.stack([across, height], axis=-1).reshape(-1, 2)[quads]
    # The two ends have slivers of their own beside the strip.
    uv[-4:-2] = END_UV * [MARGIN * 0.8, 1.0]
    uv[-2:] = END_UV[:, ::-1] * [MARGIN * 0.8, 1.0] + [1 - MARGIN * 0.8, 0.0]
    uv[..., 1] = (half + 0.05 + 0.9 * uv[..., 1]) / 2
    if arch.up < 0:
        quads, uv = quads[:, ::-1], uv[:, ::-1]
    return Form(positions, quads, uv, number[:, ::-1].ravel())


def _end(profile: np.ndarray) -> np.ndarray:
    """Quads (2,4) that close one end of the strip: vertices of its profile (6,)."""
    a, b, c, d, e, f = profile
    return np.array([(f, e, b, a), (e, d, c, b)])


def _columns(crowns: tuple[Place, ...]) -> np.ndarray:
    """(15,6,3) mm: profiles from the mid line over every tooth and gap to behind the last."""
    columns = [_between(crowns[0], -1.0)]
    columns[0][:, 0] = 0.0
    for index, crown in enumerate(crowns):
        columns.append(_profile(crown, 0.0, AT_TOOTH))
        behind = _between(crown, 1.0)
        if index + 1 < len(crowns):
            behind = (behind + _between(crowns[index + 1], -1.0)) / 2
        columns.append(behind)
    return np.stack(columns)


def _between(crown: Place, side: float) -> np.ndarray:
    return _profile(crown, side * crown.width / 2, BETWEEN)


def _profile(crown: Place, along: float, profile) -> np.ndarray:
    size = crown.crown
    return np.array([
        crown.at(along, share * size.depth + out, height + rise / size.height)
        for height, rise, share, out in profile
    ])
