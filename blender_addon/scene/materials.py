# SPDX-License-Identifier: GPL-3.0-or-later
"""What the head looks like: one material for each group of the mesh, iris and pupil apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np

from ..take import Take

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Look:
    """A surface; its colour is linear.

    Light is not scattered below it: at a head's size in the picture that is hardly seen, and
    costs a third of the rendering.
    """

    colour: Colour
    roughness: float


SKIN = Look((0.50, 0.27, 0.19), roughness=0.45)
LOOKS = {
    "skin": SKIN,
    "lips": Look((0.42, 0.14, 0.115), roughness=0.35),
    "eyelids": Look((0.46, 0.235, 0.17), roughness=0.42),
    "ears": Look((0.50, 0.25, 0.18), roughness=0.5),
    "inside_mouth": Look((0.16, 0.03, 0.03), roughness=0.4),
    "eye_left": Look((0.72, 0.70, 0.66), roughness=0.08),
    "eye_right": Look((0.72, 0.70, 0.66), roughness=0.08),
    "teeth_upper": Look((0.74, 0.69, 0.58), roughness=0.2),
    "teeth_lower": Look((0.70, 0.65, 0.54), roughness=0.2),
    "tongue": Look((0.36, 0.10, 0.09), roughness=0.35),
    "lashes": Look((0.012, 0.009, 0.008), roughness=0.6),
}
# Groups a later take may add are drawn as skin.
OTHER = SKIN

IRIS_COLOUR = (0.075, 0.13, 0.17)
RIM_COLOUR = (0.02, 0.03, 0.035)
PUPIL_COLOUR = (0.002, 0.002, 0.002)

# Skin surfaces share one colour that flows softly over their borders.
SKIN_GROUPS = ("skin", "lips", "eyelids", "ears")
SKIN_ATTRIBUTE = "mien_skin"
# Rounds of averaging with the neighbours: as wide as the border of real lips.
SKIN_BLENDING = 2

# Where the eye's vertices lie, seen from its centre with z along its axis.
EYE_ATTRIBUTE = "mien_eye"
EYE_BONES = {"eye_left": "eye.L", "eye_right": "eye.R"}

# Angles from the eye's axis at which pupil and iris end. The head's eyeball has rings of vertices
# at an eighth and a sixteenth of a half turn; the iris of 11.5 mm on its ball of 30 mm fits there.
PUPIL_ANGLE = math.radians(11.25)
IRIS_ANGLE = math.radians(22.5)
# The pupil in the picture is smaller than its ring of faces: 4 mm, as in a lit room.
DRAWN_PUPIL_ANGLE = math.radians(8.0)

# How far along the lashes a vertex lies, 0 at the lid and 1 at the tip. The lashes are strips;
# fading towards the tip makes them hairs.
LASH_ATTRIBUTE = "mien_lash"
LASH_ALPHA = 0.55
VIEWPORT_LASH_ALPHA = 0.4
# The viewport's solid mode lights much less than the studio; colours are lifted to match.
VIEWPORT_LIFT = 1.7


def add_materials(mesh: bpy.types.Mesh, take: Take) -> None:
    """Fill the mesh's material slots and give every face its slot."""
    slots = _slots(take)
    names = sorted(set(slots))
    texture = _image("texture", take.texture, "sRGB")
    normal_map = _image("normal map", take.normal_map, "Non-Color")
    for name in names:
        mesh.materials.append(_material(name, texture, normal_map))
    index = np.array([names.index(slot) for slot in slots], np.int32)
    mesh.polygons.foreach_set("material_index", index)
    _add_skin_colour(mesh, take)
    _add_eye_directions(mesh, take)
    _add_lash_lengths(mesh, take)


def _slots(take: Take) -> list[str]:
    """The name of the slot of each face: its group's, or iris or pupil."""
    slots = np.array(take.header.group_names, dtype=object)[take.group]
    for group, bone in EYE_BONES.items():
        faces = np.flatnonzero(slots == group)
        centres = take.neutral[take.quads[faces]].mean(axis=1)
        angle = _angle_from_axis(_seen_from_eye(take, bone, centres))
        slots[faces[angle < IRIS_ANGLE]] = "iris"
        slots[faces[angle < PUPIL_ANGLE]] = "pupil"
    return slots.tolist()


def _seen_from_eye(take: Take, bone: str, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) of head space relative to an eye's centre, with z along the eye's axis."""
    index = take.header.bone_names.index(bone)
    axis = take.bone_tail[index] - take.bone_head[index]
    axis = axis / np.linalg.norm(axis)
    side = np.cross((0.0, 1.0, 0.0), axis)
    side /= np.linalg.norm(side)
    return (points - take.bone_head[index]) @ np.stack([side, np.cross(axis, side), axis]).T


def _angle_from_axis(points: np.ndarray) -> np.ndarray:
    return np.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2])


def _add_skin_colour(mesh: bpy.types.Mesh, take: Take) -> None:
    """A colour per vertex: its groups' mean, blended with the neighbours' along the edges."""
    looks = [LOOKS.get(name, OTHER).colour for name in take.header.group_names]
    corners = take.quads.ravel()
    count = len(take.neutral)
    colour = _mean_at(corners, np.repeat(np.array(looks)[take.group], 4, axis=0), count)
    edges = np.empty(len(mesh.edges) * 2, np.int32)
    mesh.edges.foreach_get("vertices", edges)
    ends = edges.reshape(-1, 2)
    for _ in range(SKIN_BLENDING):
        neighbours = _mean_at(ends.ravel(), colour[ends[:, ::-1].ravel()], count)
        colour = (colour + neighbours) / 2
    attribute = mesh.color_attributes.new(SKIN_ATTRIBUTE, "FLOAT_COLOR", "POINT")
    values = np.concatenate([colour, np.ones((count, 1))], axis=1).astype(np.float32)
    attribute.data.foreach_set("color", values.ravel())


def _mean_at(index: np.ndarray, values: np.ndarray, count: int) -> np.ndarray:
    """The mean of values (N, 3) that share an index (N,), as (count, 3); 0 where none has it."""
    share = np.maximum(np.bincount(index, minlength=count), 1)
    sums = [np.bincount(index, column, minlength=count) for column in values.T]
    return np.stack(sums, axis=1) / share[:, None]


def vertices_of(take: Take, group: str) -> np.ndarray:
    """The vertices of a group's faces; none where the take has no such group."""
    if group not in take.header.group_names:
        return np.zeros(0, np.int32)
    return np.unique(take.quads[take.group == take.header.group_names.index(group)])


def _add_lash_lengths(mesh: bpy.types.Mesh, take: Take) -> None:
    lashes, lids = vertices_of(take, "lashes"), vertices_of(take, "eyelids")
    if not len(lashes) or not len(lids):
        return
    between = take.neutral[lashes][:, None] - take.neutral[lids][None]
    distance = np.linalg.norm(between, axis=2).min(axis=1)
    lengths = np.zeros(len(take.neutral), np.float32)
    lengths[lashes] = distance / max(distance.max(), np.finfo(np.float32).tiny)
    attribute = mesh.attributes.new(LASH_ATTRIBUTE, "FLOAT", "POINT")
    attribute.data.foreach_set("value", lengths)


def _add_eye_directions(mesh: bpy.types.Mesh, take: Take) -> None:
    directions = np.zeros((len(take.neutral), 3), np.float32)
    for group, bone in EYE_BONES.items():
        vertices = vertices_of(take, group)
        directions[vertices] = _seen_from_eye(take, bone, take.neutral[vertices])
    attribute = mesh.attributes.new(EYE_ATTRIBUTE, "FLOAT_VECTOR", "POINT")
    attribute.data.foreach_set("vector", directions.ravel())


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


def _material(
    name: str, texture: bpy.types.Image | None, normal_map: bpy.types.Image | None
) -> bpy.types.Material:
    material = bpy.data.materials.new(f"Mien {name.replace('_', ' ')}")
    if material.node_tree is None:  # always there since 5.0
        material.use_nodes = True
    surface = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    if name in ("iris", "pupil") or name in EYE_BONES:
        look = LOOKS["eye_left"]
        _colour_by_radius(material.node_tree, surface, look.colour)
    else:
        look = LOOKS.get(name, OTHER)
        surface.inputs["Base Color"].default_value = (*look.colour, 1.0)
        if name in SKIN_GROUPS:
            _colour_skin(material.node_tree, surface, texture, normal_map)
        elif name == "lashes":
            _fade_lashes(material.node_tree, surface)
    surface.inputs["Roughness"].default_value = look.roughness
    viewport = {"iris": IRIS_COLOUR, "pupil": PUPIL_COLOUR}.get(name, look.colour)
    viewport = (min(1.0, VIEWPORT_LIFT * channel) for channel in viewport)
    material.diffuse_color = (*viewport, VIEWPORT_LASH_ALPHA if name == "lashes" else 1.0)
    material.roughness = look.roughness
    return material


def _colour_skin(tree, surface, texture, normal_map) -> None:
    """Colour from the take's texture where it has one, else from the blended groups."""
    if texture is not None:
        colour = tree.nodes.new("ShaderNodeTexImage")
        colour.image = texture
    else:
        colour = tree.nodes.new("ShaderNodeVertexColor")
        colour.layer_name = SKIN_ATTRIBUTE
    tree.links.new(colour.outputs["Color"], surface.inputs["Base Color"])
    if normal_map is not None:
        picture = tree.nodes.new("ShaderNodeTexImage")
        picture.image = normal_map
        normal = tree.nodes.new("ShaderNodeNormalMap")
        tree.links.new(picture.outputs["Color"], normal.inputs["Color"])
        tree.links.new(normal.outputs["Normal"], surface.inputs["Normal"])


def _fade_lashes(tree, surface) -> None:
    length = tree.nodes.new("ShaderNodeAttribute")
    length.attribute_name = LASH_ATTRIBUTE
    fade = tree.nodes.new("ShaderNodeMapRange")
    fade.inputs["To Min"].default_value = LASH_ALPHA
    fade.inputs["To Max"].default_value = 0.0
    tree.links.new(length.outputs["Fac"], fade.inputs["Value"])
    tree.links.new(fade.outputs["Result"], surface.inputs["Alpha"])


def _colour_by_radius(tree, surface, white: Colour) -> None:
    """Pupil, iris, rim and white, by the sine of the angle from the eye's axis."""
    place = tree.nodes.new("ShaderNodeAttribute")
    place.attribute_name = EYE_ATTRIBUTE
    direction = tree.nodes.new("ShaderNodeVectorMath")
    direction.operation = "NORMALIZE"
    flat = tree.nodes.new("ShaderNodeVectorMath")
    flat.operation = "MULTIPLY"
    flat.inputs[1].default_value = (1.0, 1.0, 0.0)
    radius = tree.nodes.new("ShaderNodeVectorMath")
    radius.operation = "LENGTH"
    ramp = tree.nodes.new("ShaderNodeValToRGB")
    tree.links.new(place.outputs["Vector"], direction.inputs[0])
    tree.links.new(direction.outputs["Vector"], flat.inputs[0])
    tree.links.new(flat.outputs["Vector"], radius.inputs[0])
    tree.links.new(radius.outputs["Value"], ramp.inputs["Fac"])
    tree.links.new(ramp.outputs["Color"], surface.inputs["Base Color"])
    pupil, iris = math.sin(DRAWN_PUPIL_ANGLE), math.sin(IRIS_ANGLE)
    _fill_ramp(
        ramp.color_ramp,
        [
            (pupil * 0.9, PUPIL_COLOUR),
            (pupil * 1.05, IRIS_COLOUR),
            (iris * 0.85, IRIS_COLOUR),
            (iris * 0.97, RIM_COLOUR),
            (iris * 1.08, white),
        ],
    )


def _fill_ramp(ramp, stops: list[tuple[float, Colour]]) -> None:
    while len(ramp.elements) < len(stops):
        ramp.elements.new(1.0)
    for element, (position, colour) in zip(ramp.elements, stops):
        element.position = position
        element.color = (*colour, 1.0)
