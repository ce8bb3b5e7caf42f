# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrective shape keys that follow the shapes they correct, by drivers.

A corrective's name may say when it acts (docs/take_format.md):

- ``A+B``: where A and B meet, with the weight w_A · w_B;
- ``A@50``: half-way through A, with the weight 4 w_A (1 − w_A), never below 0.

Such a key is driven, so that posing A or B by hand brings it along. The expressions hold nothing
but arithmetic and max(), which Blender computes itself: they work where Python scripts in files
are not trusted. Correctives of other names are animated like any shape.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import bpy

from ..take import LARGEST_WEIGHT

MEETING, HALFWAY = "+", "@50"


@dataclass(frozen=True)
class Rule:
    """What drives a corrective: the shapes it reads, and an expression of ``a`` and ``b``."""

    shapes: tuple[str, ...]
    expression: str


def rule_of(name: str, shapes: Collection[str]) -> Rule | None:
    """The rule that a corrective's name states about these shapes, or None."""
    first, _, second = name.partition(MEETING)
    if first in shapes and second in shapes:
        return Rule((first, second), "a * b")
    halved = name.removesuffix(HALFWAY)
    if halved != name and halved in shapes:
        return Rule((halved,), "max(0, 4 * a * (1 - a))")
    return None


def drive_correctives(keys: bpy.types.Key, shapes: Collection[str]) -> None:
    """Drive every key whose name states a rule about `shapes`; no other key may hang on it."""
    for block in keys.key_blocks:
        rule = rule_of(block.name, shapes)
        if rule is None:
            continue
        driver = block.driver_add("value").driver
        for letter, name in zip("ab", rule.shapes):
            read_property(driver, letter, keys, value_path(name))
        driver.expression = rule.expression


def value_path(name: str) -> str:
    """Where a mesh's keys hold the weight of one."""
    return f'key_blocks["{bpy.utils.escape_identifier(name)}"].value'


def read_property(driver: bpy.types.Driver, letter: str, source: bpy.types.ID, path: str) -> None:
    """Let a driver's expression read one number under a letter."""
    variable = driver.variables.new()
    variable.name = letter
    target = variable.targets[0]
    if source.id_type != "OBJECT":  # what a target is unless told
        target.id_type = source.id_type
    target.id = source
    target.data_path = path


def widen_driven(keys: bpy.types.Key, shapes: Collection[str]) -> None:
    """Room for every product that the sliders of two shapes allow: Blender clamps to the slider."""
    for block in keys.key_blocks:
        rule = rule_of(block.name, shapes)
        if rule is None or len(rule.shapes) < 2:
            continue
        factors = (keys.key_blocks[name] for name in rule.shapes)
        first, second = ((factor.slider_min, factor.slider_max) for factor in factors)
        products = [a * b for a in first for b in second]
        block.slider_max = min(max(1.0, *products), LARGEST_WEIGHT)
        block.slider_min = max(min(0.0, *products), -LARGEST_WEIGHT)
