# SPDX-License-Identifier: GPL-3.0-or-later
"""The head that is meant when something is chosen, and what may be done with its shapes."""

from __future__ import annotations

from pathlib import Path

import bpy

from .scene.apply import TAKE_PROPERTY
from .scene.correctives import rule_of
from .scene.refine import performers_with


def head_of(chosen: bpy.types.Object | None) -> bpy.types.Object | None:
    """The mesh with shape keys that is chosen, or that hangs on the chosen armature."""
    if chosen is None:
        return None
    for candidate in (chosen, *chosen.children):
        if candidate.type == "MESH" and candidate.data.shape_keys is not None:
            return candidate
    return None


def chosen_meshes(context: bpy.types.Context) -> list[bpy.types.Object]:
    """The meshes with shape keys that are selected, or that hang on selected armatures."""
    chosen = []
    for thing in context.selected_objects:
        for candidate in (thing, *thing.children_recursive):
            has_shapes = candidate.type == "MESH" and candidate.data.shape_keys is not None
            if has_shapes and candidate not in chosen:
                chosen.append(candidate)
    return chosen


def performers(scene: bpy.types.Scene, take: Path) -> list[list[bpy.types.Object]]:
    """The meshes of a scene that perform a take: each head for itself, a character's together."""
    groups: list[list[bpy.types.Object]] = []
    for mesh in scene.objects:
        if mesh.get(TAKE_PROPERTY) == str(take) and not any(mesh in group for group in groups):
            groups.append(performers_with(mesh))
    return groups


def is_driven(block: bpy.types.ShapeKey) -> bool:
    """Whether a shape key follows others (see `scene.correctives`)."""
    return rule_of(block.name, block.id_data.key_blocks.keys()) is not None


def reset_shapes(head: bpy.types.Object, names: list[str]) -> None:
    """Set the named shapes, or all without names, to rest; what is driven follows by itself."""
    for block in head.data.shape_keys.key_blocks[1:]:
        if (not names or block.name in names) and not is_driven(block):
            block.value = 0.0
