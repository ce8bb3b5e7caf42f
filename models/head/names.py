# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that the head, the network, the take and Blender share."""

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
