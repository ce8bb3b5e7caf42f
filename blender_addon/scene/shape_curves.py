# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves that move shapes: which shape each moves, the gain laid over it, room on its slider.

A gain is an envelope: a modifier of the curve that Blender knows without this add-on, that shows
in the graph editor, and that leaves no trace when it is taken off. An envelope maps the range from
its minimum to its maximum onto that of its control point, which is -1 to 1 when it is made; so the
range from (-1 - offset) / gain to (1 - offset) / gain maps every value to value · gain + offset.
The control point's own range is never set: Blender 4.5 crashes on that, reading past its memory
(measured; 4.2 and 5.2 get away with it).
"""

from __future__ import annotations

import re
from collections.abc import Collection

import bpy

from ..take import LARGEST_WEIGHT
from .correctives import widen_driven
from .curves import curves_of, read_keys

GAIN, OFFSET = 1.0, 0.0  # those of a curve as it was captured
GAIN_NAME = "Mien gain"
# No range is infinitely wide: a gain nearer to nothing passes for this one, and is told as nothing.
SMALLEST_GAIN = 1e-5

_SHAPE_PATH = re.compile(r'key_blocks\["(.*)"\]\.value')


def shape_curves(keys: bpy.types.Key | None) -> list[tuple[str, bpy.types.FCurve]]:
    """The names of the shapes that an action moves, each with its curve."""
    if keys is None:
        return []
    matches = ((_SHAPE_PATH.fullmatch(curve.data_path), curve) for curve in curves_of(keys))
    return [(bpy.utils.unescape_identifier(match[1]), curve) for match, curve in matches if match]


def envelope_of(curve: bpy.types.FCurve) -> bpy.types.FModifierEnvelope | None:
    """The modifier that is a gain, or None."""
    for modifier in curve.modifiers:
        if modifier.name == GAIN_NAME and modifier.type == "ENVELOPE":
            return modifier
    return None


def gain_of_curve(curve: bpy.types.FCurve) -> tuple[float, float]:
    """Gain and offset, also of an envelope that is muted."""
    envelope = envelope_of(curve)
    if envelope is None:
        return GAIN, OFFSET
    low, high = envelope.default_min, envelope.default_max
    gain = 2 / (high - low)
    offset = -gain * (high + low) / 2
    return (0.0 if abs(gain) <= 1.01 * SMALLEST_GAIN else gain), offset


def set_gain_of_curve(curve: bpy.types.FCurve, gain: float, offset: float) -> None:
    """Lay a gain, 0 or above, over a curve; gain 1 and offset 0 take it off."""
    envelope = envelope_of(curve)
    if (gain, offset) == (GAIN, OFFSET):
        if envelope is not None:
            curve.modifiers.remove(envelope)
        return
    if envelope is None:
        envelope = curve.modifiers.new("ENVELOPE")
        envelope.name = GAIN_NAME
        envelope.control_points.add(0.0)
        envelope.reference_value = 0.0
    gain = max(gain, SMALLEST_GAIN)
    envelope.default_min, envelope.default_max = (-1 - offset) / gain, (1 - offset) / gain


def fit_sliders(keys: bpy.types.Key, shapes: Collection[str] | None = None) -> None:
    """Make room for all that the curves of these shapes, or of all, show, and what they drive.

    Blender clamps a key's value to its slider, also when a curve moves it.
    """
    for name, curve in shape_curves(keys):
        if shapes is not None and name not in shapes:
            continue
        block = keys.key_blocks.get(name)
        values = read_keys(curve)[:, 1]
        if block is None or not len(values):
            continue
        gain, offset = gain_of_curve(curve)
        ends = [float(end) * gain + offset for end in (values.min(), values.max())]
        block.slider_max = min(max(block.slider_max, *ends), LARGEST_WEIGHT)
        block.slider_min = max(min(block.slider_min, *ends), -LARGEST_WEIGHT)
    widen_driven(keys, keys.key_blocks.keys())
