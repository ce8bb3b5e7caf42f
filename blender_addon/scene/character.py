# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's head with its rig, ready to be animated or posed."""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ..take import Take
from . import armature, controls, head


@dataclass(frozen=True)
class Character:
    """A head and the rig that carries it, in a collection of their own."""

    collection: bpy.types.Collection
    head: bpy.types.Object
    rig: bpy.types.Object


def add_character(context: bpy.types.Context, take: Take, name: str) -> Character:
    """Build the head at rest at the world's origin; its eyes look where they are turned.

    Args:
        name: of the collection and the start of every object's name; Blender numbers doubles.
    """
    to_object_mode(context)
    collection = bpy.data.collections.new(name)
    context.scene.collection.children.link(collection)
    mesh = head.add_head(f"{name} head", take, collection)
    rig = armature.add_armature(context, f"{name} rig", take, collection)
    armature.bind(mesh, rig, take)
    controls.add_controls(rig, mesh, take)
    head.add_subdivision(mesh)
    return Character(collection, mesh, rig)


def add_posable_head(context: bpy.types.Context, take: Take, name: str) -> Character:
    """The head at rest at the 3D cursor, its eyes on their target, all in the animator's hands."""
    character = add_character(context, take, name)
    character.rig.location = context.scene.cursor.location
    character.rig[controls.EYE_TARGET] = 1.0
    select(context, character.head)
    return character


def to_object_mode(context: bpy.types.Context) -> None:
    """Leave edit and pose mode, in which objects can neither be made nor chosen."""
    if context.mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")


def select(context: bpy.types.Context, mesh: bpy.types.Object) -> None:
    """Make a head the one that is chosen."""
    for chosen in context.selected_objects:
        chosen.select_set(False)
    mesh.select_set(True)
    context.view_layer.objects.active = mesh
