# SPDX-License-Identifier: GPL-3.0-or-later
"""The head that is meant when something is chosen, and what may be done with its shapes."""

from __future__ import annotations

import bpy

from .scene.correctives import rule_of


def head_of(chosen: bpy.types.Object | None) -> bpy.types.Object | None:
    """The mesh with shape keys that is chosen, or that hangs on the chosen armature."""
    if chosen is None:
        return None
    for candidate in (chosen, *chosen.children):
        if candidate.type == "MESH" and candidate.data.shape_keys is not None:
            return candidate
    return None


def is_driven(block: bpy.types.ShapeKey) -> bool:
    """Whether a shape key follows others (see `scene.correctives`)."""
    return rule_of(block.name, block.id_data.key_blocks.keys()) is not None


def reset_shapes(head: bpy.types.Object, names: list[str]) -> None:
    """Set the named shapes, or all without names, to rest; what is driven follows by itself."""
    for block in head.data.shape_keys.key_blocks[1:]:
        if (not names or block.name in names) and not is_driven(block):
            block.value = 0.0
