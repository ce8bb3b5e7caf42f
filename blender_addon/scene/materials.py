# SPDX-License-Identifier: GPL-3.0-or-later
"""What the head looks like: one material for each group of the mesh, iris and pupil apart.

Skin, eyes and hair have modules of their own; what lies in the mouth is drawn here. All of them
follow the sliders of the head object (see `sliders`).
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..take import Take
from . import eye, hair, skin, sliders
from .nodes import Colour, Graph


@dataclass(frozen=True)
class Look:
    """A surface in the viewport's solid mode; its colour is linear."""

    colour: Colour
    roughness: float


SKIN = Look((0.50, 0.27, 0.19), roughness=0.45)
LOOKS = {
    "skin": SKIN,
    "lips": Look((0.42, 0.14, 0.115), roughness=0.35),
    "eyelids": Look((0.46, 0.235, 0.17), roughness=0.42),
    "ears": Look((0.50, 0.25, 0.18), roughness=0.5),
    "inside_mouth": Look((0.16, 0.03, 0.03), roughness=0.4),
    "eye_left": Look(eye.WHITE, roughness=0.08),
    "eye_right": Look(eye.WHITE, roughness=0.08),
    "iris": Look((0.075, 0.13, 0.17), roughness=0.08),
    "pupil": Look(eye.PUPIL, roughness=0.08),
    "teeth_upper": Look((0.74, 0.69, 0.58), roughness=0.2),
    "teeth_lower": Look((0.70, 0.65, 0.54), roughness=0.2),
    "gums": Look((0.36, 0.10, 0.09), roughness=0.3),
    "tongue": Look((0.36, 0.10, 0.09), roughness=0.35),
    "lashes": Look((0.012, 0.009, 0.008), roughness=0.6),
    "brows": Look((0.035, 0.02, 0.012), roughness=0.6),
}
# Groups a later take may add are drawn as skin.
OTHER = SKIN
# The viewport's solid mode lights much less than the studio; colours are lifted to match.
VIEWPORT_LIFT = 1.7
# Solid mode draws a card as a whole: thin, it passes for its hairs.
VIEWPORT_ALPHA = {"lashes": 0.4, "brows": 0.6}

HAIRS = {"lashes": hair.LASHES, "brows": hair.BROWS}


def add_materials(mesh: bpy.types.Mesh, take: Take) -> None:
    """Fill the mesh's material slots and give every face its slot."""
    slots = _slots(take)
    names = sorted(set(slots))
    surface = skin.node_group(
        _image("texture", take.texture, "sRGB"),
        _image("normal map", take.normal_map, "Non-Color"),
    )
    for name in names:
        mesh.materials.append(_material(name, surface))
    index = np.array([names.index(slot) for slot in slots], np.int32)
    mesh.polygons.foreach_set("material_index", index)
    skin.add_attributes(mesh, take)
    eye.add_attribute(mesh, take, {group: vertices_of(take, group) for group in eye.BONES})


def vertices_of(take: Take, group: str) -> np.ndarray:
    """The vertices of a group's faces; none where the take has no such group."""
    if group not in take.header.group_names:
        return np.zeros(0, np.int32)
    return np.unique(take.quads[take.group == take.header.group_names.index(group)])


def _slots(take: Take) -> list[str]:
    """The name of the slot of each face: its group's, or iris or pupil."""
    slots = np.array(take.header.group_names, dtype=object)[take.group]
    for group, bone in eye.BONES.items():
        faces = np.flatnonzero(slots == group)
        centres = take.neutral[take.quads[faces]].mean(axis=1)
        angle = eye.angle_from_axis(eye.seen_from_eye(take, bone, centres))
        slots[faces[angle < eye.IRIS_ANGLE]] = "iris"
        slots[faces[angle < eye.PUPIL_ANGLE]] = "pupil"
    return slots.tolist()


def _image(name: str, pixels: np.ndarray | None, colour_space: str) -> bpy.types.Image | None:
    """A picture of the take (H, W, C) uint8, packed into the .blend."""
    if pixels is None:
        return None
    height, width, channels = pixels.shape
    image = bpy.data.images.new(f"Mien {name}", width, height, alpha=channels == 4)
    image.colorspace_settings.name = colour_space
    values = np.ones((height, width, 4), np.float32)
    # Blender's rows start at the bottom.
    values[..., :channels] = pixels[::-1].astype(np.float32) / 255.0
    image.pixels.foreach_set(values.ravel())
    image.pack()
    return image


def _material(name: str, skin_group: bpy.types.NodeTree) -> bpy.types.Material:
    material = bpy.data.materials.new(f"Mien {name.replace('_', ' ')}")
    if material.node_tree is None:  # always there since 5.0
        material.use_nodes = True
    material.node_tree.nodes.clear()
    graph = Graph(material.node_tree)
    output = graph.node("OutputMaterial")
    graph.set(output.inputs["Surface"], _surface(graph, name, skin_group).outputs[0])
    look = LOOKS.get(name, OTHER)
    viewport = (min(1.0, VIEWPORT_LIFT * channel) for channel in look.colour)
    material.diffuse_color = (*viewport, VIEWPORT_ALPHA.get(name, 1.0))
    material.roughness = look.roughness
    return material


def _surface(graph: Graph, name: str, skin_group: bpy.types.NodeTree):
    """The node that draws a slot."""
    if name in ("iris", "pupil") or name in eye.BONES:
        return eye.draw(graph)
    if name in HAIRS:
        return hair.draw(graph, HAIRS[name])
    if name in ("teeth_upper", "teeth_lower"):
        return _tooth(graph)
    if name in ("inside_mouth", "gums", "tongue"):
        return _wet_flesh(graph, LOOKS[name])
    group = graph.node("Group")
    group.node_tree = skin_group
    return group


def _tooth(graph: Graph):
    place = graph.attribute(skin.REST_ATTRIBUTE).outputs["Vector"]
    shade = graph.noise(place, 160.0, 3.0)
    return graph.surface(
        {
            "Base Color": graph.mix(shade, (0.78, 0.72, 0.60), (0.66, 0.58, 0.45)),
            "Roughness": 0.22,
            "Subsurface Weight": graph.product(graph.number(sliders.DEPTH.name), 0.3),
            "Subsurface Radius": (1.0, 0.9, 0.75),
            "Subsurface Scale": 0.001,
            "Coat Weight": 0.5,
            "Coat Roughness": 0.06,
        }
    )


def _wet_flesh(graph: Graph, look: Look):
    place = graph.attribute(skin.REST_ATTRIBUTE).outputs["Vector"]
    buds = graph.ramped(graph.cells(place, 1300.0), 0.0, 0.5)
    patches = graph.noise(place, 260.0, 3.0)
    darker = tuple(0.6 * channel for channel in look.colour)
    return graph.surface(
        {
            "Base Color": graph.mix(patches, look.colour, darker),
            "Roughness": look.roughness,
            "Subsurface Weight": graph.product(graph.number(sliders.DEPTH.name), 0.5),
            "Subsurface Radius": skin.SCATTER_BY_COLOUR,
            "Subsurface Scale": 0.0015,
            "Coat Weight": 0.6,
            "Coat Roughness": 0.12,
            "Normal": graph.bump(buds, 0.00015),
        }
    )
