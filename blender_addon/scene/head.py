# SPDX-License-Identifier: GPL-3.0-or-later
"""The head: a mesh with UVs, material slots, and a shape key for every shape and corrective."""

from __future__ import annotations

import bpy
import numpy as np

from ..take import Take
from .correctives import drive_correctives, rule_of, value_path
from .curves import Channel
from .eye import BONES as EYES
from .frame_of_reference import points_to_blender
from .materials import add_materials, vertices_of
from .regions import region_of
from .sliders import add_sliders
from .timing import Performance

# Rendered pictures show the head one level finer; the viewport stays as fast as the mesh.
RENDER_SUBDIVISION = 1


def add_head(name: str, take: Take, collection: bpy.types.Collection) -> bpy.types.Object:
    """The head at rest, face along -y, with all shape keys at zero."""
    mesh = _mesh(name, take)
    head = bpy.data.objects.new(name, mesh)
    collection.objects.link(head)
    _add_shape_keys(head, take)
    add_sliders(head)
    return head


def add_subdivision(head: bpy.types.Object) -> None:
    """Render smoother than the viewport shows; to be added after what deforms the mesh."""
    modifier = head.modifiers.new("Subdivision", "SUBSURF")
    modifier.levels = 0
    modifier.render_levels = RENDER_SUBDIVISION
    modifier.show_viewport = False


def shape_channels(head: bpy.types.Object, take: Take, performance: Performance) -> list[Channel]:
    """The channels of all shape keys that the head has, but the driven ones."""
    shapes = take.header.shape_names
    names = shapes + take.header.corrective_names
    weights = np.concatenate([performance.weights, performance.corrective_weights], axis=1)
    there = head.data.shape_keys.key_blocks
    return [
        Channel(value_path(name), column, group=region_of(name))
        for name, column in zip(names, weights.T)
        if rule_of(name, shapes) is None and name in there
    ]


def _mesh(name: str, take: Take) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    corner_is_used = _used_corners(take.quads)
    vertices = take.quads[corner_is_used]
    sizes = corner_is_used.sum(axis=1)
    mesh.vertices.add(len(take.neutral))
    mesh.vertices.foreach_set("co", points_to_blender(take.neutral).ravel())
    mesh.loops.add(len(vertices))
    mesh.loops.foreach_set("vertex_index", vertices)
    mesh.polygons.add(len(take.quads))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int32)
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.update(calc_edges=True)
    coordinates = mesh.uv_layers.new(name="UVMap")
    coordinates.uv.foreach_set("vector", take.uv[corner_is_used].ravel())
    add_materials(mesh, take)
    _crease_eyes(mesh, take)
    mesh.shade_smooth()
    return mesh


def _crease_eyes(mesh: bpy.types.Mesh, take: Take) -> None:
    """Keep subdivision from moving the eyes' surface off the ball that their iris is drawn on."""
    is_eye = np.zeros(len(take.neutral), bool)
    for group in EYES:
        is_eye[vertices_of(take, group)] = True
    ends = np.empty(len(mesh.edges) * 2, np.int32)
    mesh.edges.foreach_get("vertices", ends)
    creases = mesh.attributes.new("crease_edge", "FLOAT", "EDGE")
    creases.data.foreach_set("value", is_eye[ends].reshape(-1, 2).all(axis=1).astype(np.float32))


def _used_corners(quads: np.ndarray) -> np.ndarray:
    """(F, 4) bool: all corners, less the last of a triangle."""
    used = np.ones(quads.shape, bool)
    used[:, 3] = quads[:, 3] != quads[:, 2]
    return used


def _add_shape_keys(head: bpy.types.Object, take: Take) -> None:
    head.shape_key_add(name="Basis", from_mix=False)
    names = take.header.shape_names + take.header.corrective_names
    offsets = (*take.shapes, *take.correctives)
    for name, offset in zip(names, offsets):
        key = head.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", points_to_blender(take.neutral + offset).ravel())
        key.value = 0.0
    drive_correctives(head.data.shape_keys, take.header.shape_names)
