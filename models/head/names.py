# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that the head, the network, the take and Blender share."""

import numpy as np

# The 52 shapes of ARKit in the column order of the Live Link Face CSV. Left is the character's.
SHAPE_NAMES = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft",
    "eyeSquintLeft", "eyeWideLeft",
    "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight",
    "jawForward", "jawRight", "jawLeft", "jawOpen",
    "mouthClose", "mouthFunnel", "mouthPucker", "mouthRight", "mouthLeft",
    "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight",
    "mouthUpperUpLeft", "mouthUpperUpRight",
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
    "noseSneerLeft", "noseSneerRight",
    "tongueOut",
)  # fmt: skip

# What a quad belongs to; Head.group holds positions in this tuple.
GROUP_NAMES = (
    "skin", "lips", "eyelids", "ears", "inside_mouth",
    "eye_left", "eye_right", "teeth_upper", "teeth_lower", "tongue", "lashes",
    "gums", "brows",
)  # fmt: skip

# What is one sheet of skin, from the scalp to the mouth's inside.
SURFACE = ("skin", "lips", "eyelids", "ears", "inside_mouth")

# Corrections on top of the shapes, for poses in which they add up to what no face does. The name
# says the weight: "A+B" is the product of the weights of A and B; "A@50" is 4 w (1 - w) of A's
# weight w, which is 1 half way and 0 at both ends (a lid slides round the ball, not through it).
HALF_WAY = "@50"
CORRECTIVE_NAMES = (
    "eyeBlinkLeft@50", "eyeBlinkRight@50",
    "eyeBlinkLeft+eyeLookDownLeft", "eyeBlinkRight+eyeLookDownRight",
    "eyeBlinkLeft+eyeLookUpLeft", "eyeBlinkRight+eyeLookUpRight",
    "eyeBlinkLeft+eyeSquintLeft", "eyeBlinkRight+eyeSquintRight",
    "eyeBlinkLeft+eyeWideLeft", "eyeBlinkRight+eyeWideRight",
    "jawOpen+mouthFunnel", "jawOpen+mouthPucker",
    "jawOpen+mouthSmileLeft", "jawOpen+mouthSmileRight",
)  # fmt: skip

BONE_NAMES = ("neck", "head", "jaw", "eye.L", "eye.R")
EYE_BONES = (3, 4)


def group_numbers(*names: str) -> list[int]:
    """Positions of groups in GROUP_NAMES: what Head.group holds for them."""
    return [GROUP_NAMES.index(name) for name in names]


def mirrored_name(shape: str) -> str:
    """The name of the same movement on the character's other side; itself where there is none."""
    if shape.endswith("Left"):
        return shape[: -len("Left")] + "Right"
    if shape.endswith("Right"):
        return shape[: -len("Right")] + "Left"
    return shape


def factors(corrective: str) -> tuple[int, int]:
    """Positions in SHAPE_NAMES of the two shapes of a corrective; twice the same where half way."""
    names = corrective.removesuffix(HALF_WAY).split("+")
    return SHAPE_NAMES.index(names[0]), SHAPE_NAMES.index(names[-1])


def corrective_weights(weights: np.ndarray) -> np.ndarray:
    """Weights (…,K) in the order of CORRECTIVE_NAMES that go with shape weights (…,52)."""
    first, second = weights[..., _FIRST], weights[..., _SECOND]
    return np.where(_HALF_WAY, 4 * np.clip(first * (1 - first), 0, None), first * second)


def corrective_slopes(weights: np.ndarray) -> np.ndarray:
    """(…,K,52): how `corrective_weights` change with the shape weights (…,52)."""
    first, second = weights[..., _FIRST], weights[..., _SECOND]
    slopes = np.zeros((*first.shape, len(SHAPE_NAMES)), weights.dtype)
    row = np.arange(len(CORRECTIVE_NAMES))
    within = (first > 0) & (first < 1)
    slopes[..., row, _SECOND] = np.where(_HALF_WAY, 0, first)
    slopes[..., row, _FIRST] = np.where(_HALF_WAY, np.where(within, 4 - 8 * first, 0), second)
    return slopes


_FIRST, _SECOND = np.array([factors(name) for name in CORRECTIVE_NAMES]).T
_HALF_WAY = np.array([name.endswith(HALF_WAY) for name in CORRECTIVE_NAMES])
