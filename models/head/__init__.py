# SPDX-License-Identifier: GPL-3.0-or-later
"""The head model, evaluated with numpy alone."""

from .gaze import gaze_matrix, look_weights
from .head import Head, load_head
from .names import (
    BONE_NAMES,
    CORRECTIVE_NAMES,
    EYE_BONES,
    GROUP_NAMES,
    SHAPE_NAMES,
    corrective_slopes,
    corrective_weights,
    factors,
    group_numbers,
)
from .person import Person, PersonPoints

__all__ = [
    "BONE_NAMES", "CORRECTIVE_NAMES", "EYE_BONES", "GROUP_NAMES", "SHAPE_NAMES",
    "Head", "Person", "PersonPoints",
    "corrective_slopes", "corrective_weights", "factors", "gaze_matrix", "group_numbers",
    "load_head", "look_weights",
]  # fmt: skip
