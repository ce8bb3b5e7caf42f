# SPDX-License-Identifier: GPL-3.0-or-later
"""Skin: one node group for face, lips, lids and ears, steered by the head's sliders.

Everything is drawn by formulas over the resting head in metres, so that it sticks to the skin
when the face moves, and is as fine on every head. Where on the face lips, flush, beard and lines
are is kept per vertex.
"""

from __future__ import annotations

import bpy
import numpy as np

from ..take import Take
from . import sliders
from .frame_of_reference import points_to_blender
from .nodes import Graph

GROUPS = ("skin", "lips", "eyelids", "ears")
NODE_GROUP = "Mien skin"

# Vertex attributes: the resting place in metres; and how much a vertex is of the lips (red),
# flushed (green), bearded (blue) and lined by age (alpha).
REST_ATTRIBUTE, REGION_ATTRIBUTE = "mien_rest", "mien_regions"
# How much of the skin lies below brows: their finest hairs, which no card shows.
BROW_ATTRIBUTE = "mien_below_brows"
BROW_REACH = (0.006, 0.0015)  # metres from a brow's cards: none, all
BROW_COVER = 0.65

# Colours are linear, from skin that hardly holds melanin to skin full of it.
TONES = [
    (0.0, (0.70, 0.46, 0.37)),
    (0.25, (0.56, 0.32, 0.23)),
    (0.5, (0.36, 0.185, 0.115)),
    (0.75, (0.165, 0.076, 0.043)),
    (1.0, (0.055, 0.026, 0.016)),
]
LIP_TONES = [
    (0.0, (0.52, 0.20, 0.18)),
    (0.4, (0.36, 0.125, 0.105)),
    (0.75, (0.15, 0.055, 0.05)),
    (1.0, (0.06, 0.024, 0.022)),
]
FLUSH = (1.0, 0.60, 0.55)  # what blood near the surface does to a colour
SPOTS = (0.62, 0.50, 0.42)  # what an age spot does

# Light that enters skin comes out some millimetres aside, red the furthest.
SCATTER_METRES = 0.0028
SCATTER_BY_COLOUR = (1.0, 0.36, 0.18)
INDEX_OF_REFRACTION = 1.4
ROUGHNESS, LIP_ROUGHNESS = 0.47, 0.36

# Waves a metre.
MOTTLING, BLOTCHES, PORES, HAIRS = 70.0, 220.0, 1400.0, 1500.0
# Lines on a forehead run from side to side, some 7 mm apart: radians a metre.
LINE_WAVES = 449.0
# Heights of the relief in metres.
PORE_DEPTH, LINE_DEPTH = 0.0001, 0.0022

# In units of the gap between the eyes, from the middle of the lips: how far up the beard reaches
# (second row) at a distance from the middle of the face (first row): moustache, cheek, sideburn.
BEARD_EDGE = ((0.0, 0.40, 0.62, 0.9, 1.15, 1.3), (0.34, 0.30, 0.02, 0.2, 0.8, 1.0))
SOFT = 0.16  # width of a region's edge, in the same unit
# Rounds of averaging with the neighbours: as wide as the border of real lips.
LIP_BLENDING = 2


def add_attributes(mesh: bpy.types.Mesh, take: Take) -> None:
    """Give the mesh what the skin's nodes read."""
    rest = mesh.attributes.new(REST_ATTRIBUTE, "FLOAT_VECTOR", "POINT")
    rest.data.foreach_set("vector", points_to_blender(take.neutral).ravel())
    edges = np.empty(len(mesh.edges) * 2, np.int32)
    mesh.edges.foreach_get("vertices", edges)
    regions = mesh.color_attributes.new(REGION_ATTRIBUTE, "FLOAT_COLOR", "POINT")
    regions.data.foreach_set("color", _regions(take, edges.reshape(-1, 2)).ravel())
    brows = mesh.attributes.new(BROW_ATTRIBUTE, "FLOAT", "POINT")
    brows.data.foreach_set("value", _below_brows(take))


def node_group(
    texture: bpy.types.Image | None, normal_map: bpy.types.Image | None
) -> bpy.types.NodeTree:
    """The skin of one head. A texture of the take's own replaces the painted colour."""
    tree = bpy.data.node_groups.new(NODE_GROUP, "ShaderNodeTree")
    tree.interface.new_socket(name="Surface", in_out="OUTPUT", socket_type="NodeSocketShader")
    graph = Graph(tree)
    place = graph.attribute(REST_ATTRIBUTE).outputs["Vector"]
    regions = graph.attribute(REGION_ATTRIBUTE)
    parts = graph.node("SeparateColor", {0: regions.outputs["Color"]})
    lips, flush, beard = parts.outputs
    lines = regions.outputs["Alpha"]
    # Three patterns for the price of one.
    blotches = graph.noise_colour(place, BLOTCHES, 3.0)
    veins, spots, uneven = graph.node("SeparateColor", {0: blotches}).outputs

    stubble = _stubble(graph, place, beard, uneven)
    if texture is None:
        colour = _colour(graph, place, lips, flush, veins, spots)
    else:
        colour = graph.node("TexImage", image=texture).outputs["Color"]
    hair = graph.attribute(sliders.HAIR.name, "OBJECT").outputs["Color"]
    colour = graph.mix(stubble, colour, graph.mix(0.3, hair, colour))
    surface = graph.surface(
        {
            "Base Color": colour,
            "Roughness": _roughness(graph, lips, stubble, uneven),
            "IOR": INDEX_OF_REFRACTION,
            "Subsurface Weight": graph.number(sliders.DEPTH.name),
            "Subsurface Radius": SCATTER_BY_COLOUR,
            "Subsurface Scale": SCATTER_METRES,
            "Normal": _relief(graph, place, lips, lines, normal_map),
        }
    )
    output = graph.tree.nodes.new("NodeGroupOutput")
    graph.set(output.inputs[0], surface.outputs[0])
    return tree


def _colour(graph: Graph, place, lips, flush, veins, spots):
    tone, age = graph.number(sliders.SKIN_TONE.name), graph.number(sliders.AGE.name)
    mottled = graph.math("SUBTRACT", graph.noise(place, MOTTLING, 3.0), 0.5)
    # A tenth of the ramp between the palest and the darkest patch.
    tone = graph.sum(tone, graph.math("MULTIPLY", mottled, 0.1))
    skin = graph.ramp(tone, TONES)
    veins = graph.ramped(veins, 0.42, 0.72, 0.35, 0.8)
    blood = graph.product(flush, veins, graph.sum(0.7, graph.product(age, 0.6)))
    skin = graph.mix(blood, skin, FLUSH, "MULTIPLY")
    spots = graph.ramped(spots, 0.66, 0.72)
    skin = graph.mix(graph.product(spots, age, 0.5), skin, SPOTS, "MULTIPLY")
    return graph.mix(graph.product(lips, 0.85), skin, graph.ramp(tone, LIP_TONES))


def _stubble(graph: Graph, place, beard, uneven):
    """How much of the surface hairs cover: dots, and the shadow of those below the skin."""
    dots = graph.ramped(graph.noise(place, HAIRS, 0.0), 0.45, 0.65, 0.3, 1.0)
    patchy = graph.ramped(uneven, 0.2, 0.6, 0.7, 1.0)
    stubble = graph.product(beard, graph.number(sliders.STUBBLE.name), dots, patchy)
    brows = graph.product(graph.attribute(BROW_ATTRIBUTE).outputs[2], patchy, BROW_COVER)
    return graph.math("MAXIMUM", stubble, brows)


def _roughness(graph: Graph, lips, stubble, uneven):
    uneven = graph.math("SUBTRACT", uneven, 0.5)
    age = graph.number(sliders.AGE.name)
    skin = graph.sum(
        ROUGHNESS,
        graph.product(uneven, 0.22),
        graph.product(age, 0.08),
        graph.product(stubble, 0.2),
    )
    return graph.sum(skin, graph.product(lips, LIP_ROUGHNESS - ROUGHNESS))


def _relief(graph: Graph, place, lips, lines, normal_map):
    """The normal: pores everywhere, lines where age draws them."""
    fold = _folds(graph, place)
    age = graph.number(sliders.AGE.name)
    height = graph.sum(
        graph.product(graph.cells(place, PORES), PORE_DEPTH),
        graph.product(fold, lines, age, age, -LINE_DEPTH),
    )
    bump = graph.node("Bump", {"Height": height, "Distance": 1.0, "Strength": 1.0})
    if normal_map is not None:
        picture = graph.node("TexImage", image=normal_map)
        normal = graph.node("NormalMap", {"Color": picture.outputs["Color"]})
        graph.set(bump.inputs["Normal"], normal.outputs["Normal"])
    return bump.outputs["Normal"]


def _folds(graph: Graph, place):
    """1 in the valley of a line from side to side, 0 between lines.

    Sines rather than noise: EEVEE repeats whatever a relief is made of three times over, and some
    drivers take minutes to compile that many noises.
    """
    across, _, up = graph.node("SeparateXYZ", {0: place}).outputs
    slow = graph.math("SINE", graph.product(across, 55.0))
    quick = graph.math("SINE", graph.sum(graph.product(across, 130.0), graph.product(up, 90.0)))
    wave = graph.sum(
        graph.product(up, LINE_WAVES), graph.product(slow, 1.1), graph.product(quick, 0.6)
    )
    valley = graph.math("ABSOLUTE", graph.math("SINE", wave))
    # No line runs all the way.
    end = graph.math("SINE", graph.sum(graph.product(across, 38.0), graph.product(up, 170.0)))
    return graph.product(graph.ramped(valley, 0.0, 0.3, 1.0, 0.0), graph.ramped(end, -0.6, 0.3))


def _regions(take: Take, edges: np.ndarray) -> np.ndarray:
    """(V, 4) float32: lips, flush, beard, lines; all zero where the take has no lips to go by."""
    count = len(take.neutral)
    regions = np.zeros((count, 4), np.float32)
    is_lip = _share_of(take, "lips")
    if not is_lip.any():
        return regions
    is_ear = _share_of(take, "ears")
    eyes = take.bone_head[[take.header.bone_names.index(name) for name in ("eye.L", "eye.R")]]
    unit = float(np.linalg.norm(eyes[0] - eyes[1]))
    mouth = take.neutral[is_lip > 0].mean(axis=0)
    # From the mouth, in gaps between the eyes; the face's halves lie on one another.
    aside, up, ahead = ((take.neutral - mouth) / unit).T
    aside = np.abs(aside)
    eye_up, eye_ahead = ((eyes.mean(axis=0) - mouth) / unit)[1:]
    on_face = _rise(ahead, eye_ahead - 1.1, eye_ahead - 0.8)

    lips = is_lip.astype(float)
    for _ in range(LIP_BLENDING):
        lips = (lips + _neighbours(lips, edges)) / 2
    nose = (take.neutral[:, 2] - take.neutral[is_lip > 0][:, 2].max()) / unit
    flush = np.maximum.reduce(
        [
            _blob((aside - 0.62) / 0.42, (up - eye_up * 0.52) / 0.34) * on_face,
            _rise(nose, -0.02, 0.16) * _rise(-aside, -0.32, -0.1) * (up > 0),
            0.5 * _blob(aside / 0.3, (up + 0.55) / 0.3) * on_face,
            0.45 * _share_of(take, "eyelids"),
            0.7 * is_ear,
        ]
    )
    edge = np.interp(aside, *BEARD_EDGE)
    beard = (
        _rise(edge - up, -SOFT / 2, SOFT / 2)
        * _rise(up, -1.5, -1.05)
        * _rise(ahead, eye_ahead - 1.35, eye_ahead - 1.1)
        * (1 - np.clip(2 * lips, 0, 1))
        * (1 - is_ear)
    )
    forehead = _rise(up, eye_up + 0.5, eye_up + 0.7) * _rise(-up, -eye_up - 1.5, -eye_up - 1.1)
    forehead *= _rise(-aside, -1.0, -0.6) * on_face
    corners = _blob((aside - 0.92) / 0.22, (up - eye_up + 0.02) / 0.2)
    regions[:, 0], regions[:, 1], regions[:, 2] = lips, flush, beard
    regions[:, 3] = np.maximum(forehead, 0.6 * corners)
    return regions


def _below_brows(take: Take) -> np.ndarray:
    """(V,) float32, 1 below brows and 0 away from them."""
    below = np.zeros(len(take.neutral), np.float32)
    brows = take.neutral[_share_of(take, "brows") > 0]
    if len(brows):
        reach = max(BROW_REACH)
        is_near = (take.neutral > brows.min(axis=0) - reach).all(axis=1)
        is_near &= (take.neutral < brows.max(axis=0) + reach).all(axis=1)
        gaps = np.linalg.norm(take.neutral[is_near, None] - brows, axis=2).min(axis=1)
        below[is_near] = _rise(-gaps, -BROW_REACH[0], -BROW_REACH[1])
    return below


def _share_of(take: Take, group: str) -> np.ndarray:
    """(V,) 1 where a vertex belongs to a face of the group."""
    share = np.zeros(len(take.neutral), np.float32)
    if group in take.header.group_names:
        share[take.quads[take.group == take.header.group_names.index(group)]] = 1.0
    return share


def _neighbours(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The mean over each vertex's neighbours along the edges; 0 without any."""
    ends, others = edges.ravel(), edges[:, ::-1].ravel()
    degree = np.maximum(np.bincount(ends, minlength=len(values)), 1)
    return np.bincount(ends, values[others], minlength=len(values)) / degree


def _rise(values: np.ndarray, start: float, end: float) -> np.ndarray:
    """From 0 at start smoothly to 1 at end."""
    share = np.clip((values - start) / (end - start), 0.0, 1.0)
    return share * share * (3 - 2 * share)


def _blob(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.exp(-(x * x + y * y))
