# SPDX-License-Identifier: GPL-3.0-or-later
"""The head model, evaluated with numpy alone."""

from .head import Head, LinearPoints, gaze_matrix, load_head, look_weights
from .names import BONE_NAMES, EYE_BONES, GROUP_NAMES, SHAPE_NAMES, group_numbers

__all__ = [
    "BONE_NAMES", "EYE_BONES", "GROUP_NAMES", "SHAPE_NAMES",
    "Head", "LinearPoints", "gaze_matrix", "group_numbers", "load_head", "look_weights",
]  # fmt: skip
