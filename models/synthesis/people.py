# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the picture and what the face does: identity, expression, gaze.

Expressions are made so that a network sees rare ones often: what moves the skin little or seldom
in life, as a jaw pushed aside or puffed cheeks, is drawn as often as a frown. Each region of the
face draws one of several actions (as coders of the Facial Action Coding System group them), the two
sides nearly alike or, now and then, not at all; a few whole-face emotions tie the regions together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.head import SHAPE_NAMES, look_weights

IDENTITY_LIMIT = 2.6
"""Coefficients are cut here (standard deviations): beyond it the head leaves the human range."""
IDENTITY_SPREAD_RANGE = (0.7, 1.15)
"""People differ in how unusual they are: each person scales all coefficients by one number."""

NEUTRAL_PROBABILITY = 0.10
EMOTION_PROBABILITY = 0.25
STRENGTH_RANGE = (0.2, 1.5)
SIDE_JITTER = 0.12
"""Standard deviation of the ratio between the two sides of a nearly symmetric action."""
ONE_SIDED_PROBABILITY = 0.12
STRAY_PROBABILITY = 0.3
"""Small activity of a few unrelated shapes, so that no combination is impossible."""
STRAY_COUNT, STRAY_WEIGHT = 6, 0.3

GAZE_SPREAD = (0.22, 0.14)
"""Standard deviation of yaw and pitch of a common glance, radians."""
GAZE_LIMIT = (0.65, 0.45)
"""The eyes' range, radians: captured takes reach 0.6."""
EXTREME_GAZE_PROBABILITY = 0.2
CAMERA_GAZE_PROBABILITY = 0.35
"""People often look into the camera, whatever their head does."""
VERGENCE_SPREAD = 0.02
BLINK_LOST_LOOKING_DOWN = 0.3
"""A lid that follows the eye down is partly closed already: so much less blink closes it."""

_INDEX = {name: position for position, name in enumerate(SHAPE_NAMES)}

# Actions of one region: relative frequency and shapes with the weight of full strength.
# A name without a side stands for both sides.
Action = tuple[float, dict[str, float]]

EYE_ACTIONS: tuple[Action, ...] = (
    (0.26, {}),
    (0.22, {"eyeBlink": 1.25}),
    (0.30, {"eyeBlink": 0.5}),
    (0.10, {"eyeSquint": 1.0}),
    (0.07, {"eyeSquint": 0.9, "cheekSquint": 0.9, "eyeBlink": 0.35}),
    (0.13, {"eyeWide": 1.0}),
    (0.07, {"eyeBlink": 1.0, "eyeSquint": 1.0, "cheekSquint": 0.8}),
)
WINK_PROBABILITY = 0.05

BROW_ACTIONS: tuple[Action, ...] = (
    (0.38, {}),
    (0.16, {"browDown": 1.0}),
    (0.14, {"browInnerUp": 1.0}),
    (0.16, {"browInnerUp": 0.9, "browOuterUp": 1.0}),
    (0.09, {"browOuterUp": 1.0}),
    (0.07, {"browInnerUp": 0.7, "browDown": 0.6}),
)

JAW_ACTIONS: tuple[Action, ...] = (
    (0.42, {}),
    (0.22, {"jawOpen": 0.35}),
    (0.14, {"jawOpen": 0.7}),
    (0.14, {"jawOpen": 1.2}),
    (0.08, {"jawOpen": 0.6, "mouthClose": 0.6}),
)

# Jaw and mouth pushed out of the middle, whatever else they do.
SHIFT_ACTIONS: tuple[Action, ...] = (
    (0.52, {}),
    (0.09, {"jawForward": 1.2}),
    (0.08, {"jawLeft": 1.2}),
    (0.08, {"jawRight": 1.2}),
    (0.08, {"mouthLeft": 1.1}),
    (0.08, {"mouthRight": 1.1}),
    (0.035, {"jawLeft": 0.9, "mouthLeft": 0.8}),
    (0.035, {"jawRight": 0.9, "mouthRight": 0.8}),
)

MOUTH_ACTIONS: tuple[Action, ...] = (
    (0.20, {}),
    (0.16, {"mouthSmile": 1.0, "cheekSquint": 0.4}),
    (0.06, {"mouthSmile": 0.7, "mouthUpperUp": 0.5, "mouthLowerDown": 0.3}),
    (0.07, {"mouthPucker": 1.0}),
    (0.06, {"mouthFunnel": 1.0}),
    (0.06, {"mouthFrown": 1.0, "mouthShrugLower": 0.5}),
    (0.09, {"mouthPress": 1.0}),
    (0.05, {"mouthRollLower": 1.0, "mouthRollUpper": 1.0}),
    (0.05, {"mouthRollLower": 1.0}),
    (0.04, {"mouthRollUpper": 1.0}),
    (0.06, {"mouthStretch": 1.0, "mouthLowerDown": 0.6}),
    (0.04, {"mouthUpperUp": 1.0, "noseSneer": 0.6}),
    (0.07, {"mouthLowerDown": 1.1}),
    (0.12, {"mouthDimple": 1.1}),
    (0.08, {"mouthShrugUpper": 1.0, "mouthShrugLower": 1.0}),
    (0.06, {"mouthShrugUpper": 1.1}),
)

EXTRA_ACTIONS: tuple[Action, ...] = (
    (0.52, {}),
    (0.24, {"cheekPuff": 1.1}),
    (0.17, {"noseSneer": 1.1}),
    (0.07, {"tongueOut": 1.0, "jawOpen": 0.35}),
)

REGION_ACTIONS = (EYE_ACTIONS, BROW_ACTIONS, JAW_ACTIONS, SHIFT_ACTIONS, MOUTH_ACTIONS,
                  EXTRA_ACTIONS)
"""A face that shows no emotion draws one action of each."""

EMOTIONS: tuple[Action, ...] = (
    (0.34, {"mouthSmile": 0.9, "cheekSquint": 0.7, "eyeSquint": 0.4, "mouthUpperUp": 0.35,
            "mouthDimple": 0.2}),
    (0.20, {"mouthSmile": 0.9, "cheekSquint": 0.9, "eyeSquint": 0.6, "jawOpen": 0.45,
            "mouthUpperUp": 0.5, "mouthLowerDown": 0.3}),
    (0.05, {"mouthSmile": 0.8, "cheekSquint": 1.0, "eyeSquint": 0.7, "eyeBlink": 0.3, "jawOpen": 1.1,
            "mouthUpperUp": 0.6, "mouthLowerDown": 0.6}),
    (0.05, {"browDown": 0.6, "eyeSquint": 0.8, "eyeBlink": 0.4, "noseSneer": 0.6, "jawOpen": 1.2,
            "mouthUpperUp": 0.6, "mouthLowerDown": 0.7, "mouthStretch": 0.5}),
    (0.12, {"browInnerUp": 0.9, "browOuterUp": 0.9, "eyeWide": 0.9, "jawOpen": 0.8}),
    (0.11, {"browDown": 1.0, "eyeSquint": 0.5, "noseSneer": 0.5, "mouthPress": 0.6,
            "mouthFrown": 0.3}),
    (0.09, {"browInnerUp": 0.8, "mouthFrown": 0.8, "mouthShrugLower": 0.5, "eyeBlink": 0.2}),
    (0.07, {"noseSneer": 0.9, "mouthUpperUp": 0.7, "browDown": 0.6, "eyeSquint": 0.6}),
    (0.07, {"browInnerUp": 0.9, "browOuterUp": 0.5, "eyeWide": 0.8, "mouthStretch": 0.9,
            "jawOpen": 0.25}),
)


@dataclass(frozen=True)
class Person:
    """identity (60,), expression (52,), gaze (2,2) rad, as the head model takes them; float32."""

    identity: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray


def sample_identity(rng: np.random.Generator, count: int) -> np.ndarray:
    """Coefficients (count,) float32 in standard deviations."""
    spread = rng.uniform(*IDENTITY_SPREAD_RANGE)
    coefficients = rng.standard_normal(count) * spread
    return np.clip(coefficients, -IDENTITY_LIMIT, IDENTITY_LIMIT).astype(np.float32)


def sample_expression(rng: np.random.Generator, gaze: np.ndarray) -> np.ndarray:
    """Weights (52,) float32 in 0…1; the eyeLook shapes are always those of the gaze (2,2)."""
    neutral = rng.random() < NEUTRAL_PROBABILITY
    weights = np.zeros(len(SHAPE_NAMES)) if neutral else sample_activity(rng)
    look = look_weights(gaze)
    weights[[_INDEX[name] for name in SHAPE_NAMES if name.startswith("eyeLook")]] = 0.0
    weights = possible(np.clip(weights + look, 0.0, 1.0))
    return weights.astype(np.float32)


def sample_activity(rng: np.random.Generator) -> np.ndarray:
    """Weights (52,) of a face that does something, not yet `possible` ones; may exceed 1."""
    weights = np.zeros(len(SHAPE_NAMES))
    if rng.random() < EMOTION_PROBABILITY:
        act(weights, EMOTIONS, rng)
    else:
        for actions in REGION_ACTIONS:
            act(weights, actions, rng)
        if rng.random() < WINK_PROBABILITY:
            _wink(weights, rng)
    if rng.random() < STRAY_PROBABILITY:
        stray = rng.choice(len(weights), STRAY_COUNT, replace=False)
        weights[stray] += rng.uniform(0.0, STRAY_WEIGHT, STRAY_COUNT)
    return weights


def sample_gaze(rng: np.random.Generator, towards: np.ndarray | None = None) -> np.ndarray:
    """Yaw and pitch (2,2) float32 of both eyes, radians; sometimes towards a direction (3,)."""
    kind = rng.random()
    if towards is not None and kind < CAMERA_GAZE_PROBABILITY:
        x, y, z = towards / np.linalg.norm(towards)
        aim = np.array([np.arctan2(x, z), np.arcsin(y)]) + rng.normal(0.0, 0.03, 2)
    elif kind < CAMERA_GAZE_PROBABILITY + EXTREME_GAZE_PROBABILITY:
        aim = rng.uniform(-1.0, 1.0, 2) * GAZE_LIMIT
    else:
        aim = rng.normal(0.0, 1.0, 2) * GAZE_SPREAD
    aim = np.clip(aim, -np.array(GAZE_LIMIT), GAZE_LIMIT)
    # Eyes converge on near things: the left eye (+x) turns to the right, that is to negative yaw.
    vergence = abs(rng.normal(0.0, VERGENCE_SPREAD))
    return np.array([(aim[0] - vergence, aim[1]), (aim[0] + vergence, aim[1])], np.float32)


def act(weights: np.ndarray, actions: tuple[Action, ...], rng: np.random.Generator) -> None:
    """Add one of the actions at a random strength to weights (52,)."""
    frequency = np.array([action[0] for action in actions])
    shapes = actions[rng.choice(len(actions), p=frequency / frequency.sum())][1]
    # Above one and cut: full strength is common, as in acted and in laughing faces.
    strength = rng.uniform(*STRENGTH_RANGE)
    left, right = sides(rng)
    amounts = {name: strength * weight * rng.uniform(0.8, 1.2) for name, weight in shapes.items()}
    add_shapes(weights, amounts, left, right)


def add_shapes(weights: np.ndarray, amounts: dict[str, float], left: float = 1.0,
               right: float = 1.0) -> None:
    """Add shapes to weights (52,); a name without a side stands for both, times their factors."""
    for name, amount in amounts.items():
        if name in _INDEX:
            weights[_INDEX[name]] += amount
        else:
            weights[_INDEX[name + "Left"]] += amount * left
            weights[_INDEX[name + "Right"]] += amount * right


def sides(rng: np.random.Generator) -> tuple[float, float]:
    """Factors of the left and right side."""
    if rng.random() < ONE_SIDED_PROBABILITY:
        weak = rng.uniform(0.0, 0.4)
        return (1.0, weak) if rng.random() < 0.5 else (weak, 1.0)
    tilt = rng.normal(0.0, SIDE_JITTER)
    return 1.0 + tilt, 1.0 - tilt


def _wink(weights: np.ndarray, rng: np.random.Generator) -> None:
    closed, other = ("Left", "Right") if rng.random() < 0.5 else ("Right", "Left")
    weights[_INDEX["eyeBlink" + closed]] = rng.uniform(0.85, 1.0)
    weights[_INDEX["cheekSquint" + closed]] += rng.uniform(0.0, 0.8)
    weights[_INDEX["eyeBlink" + other]] *= rng.uniform(0.0, 0.3)


def limit_lids(weights: np.ndarray) -> None:
    """Change weights (52,): a lid that follows the eye down is partly closed already, and a closed
    one is not wide."""
    for side in ("Left", "Right"):
        blink, down = _INDEX["eyeBlink" + side], weights[_INDEX["eyeLookDown" + side]]
        weights[blink] = min(weights[blink], 1.0 - BLINK_LOST_LOOKING_DOWN * down)
        weights[_INDEX["eyeWide" + side]] *= 1.0 - weights[blink]


_PARTS_LIPS = [_INDEX[name] for name in (
    "jawOpen", "mouthFunnel", "tongueOut", "mouthUpperUpLeft", "mouthUpperUpRight",
    "mouthLowerDownLeft", "mouthLowerDownRight",
)]  # fmt: skip


def possible(weights: np.ndarray) -> np.ndarray:
    """Weights (52,), changed in place: without what a face cannot do at once, and what linear
    shapes must not add up to."""
    # Cheeks hold air only behind closed lips.
    weights[_PARTS_LIPS] *= 1.0 - weights[_INDEX["cheekPuff"]]
    weights[_INDEX["mouthClose"]] = min(weights[_INDEX["mouthClose"]], weights[_INDEX["jawOpen"]])
    limit_lids(weights)
    for side in ("Left", "Right"):
        smile, frown = _INDEX["mouthSmile" + side], _INDEX["mouthFrown" + side]
        if weights[smile] > weights[frown]:
            weights[frown] *= 0.3
        else:
            weights[smile] *= 0.3
    rounding = weights[_INDEX["mouthPucker"]] + weights[_INDEX["mouthFunnel"]]
    for name in ("mouthStretch", "mouthSmile"):
        for side in ("Left", "Right"):
            weights[_INDEX[name + side]] *= max(0.0, 1.0 - 0.8 * rounding)
    if weights[_INDEX["tongueOut"]] > 0.1:
        weights[_INDEX["mouthClose"]] = 0.0
        weights[_INDEX["mouthPress" + "Left"]] = weights[_INDEX["mouthPress" + "Right"]] = 0.0
    return weights
