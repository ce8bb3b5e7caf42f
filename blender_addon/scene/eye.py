# SPDX-License-Identifier: GPL-3.0-or-later
"""Eyes: pupil, iris, limbus and white, drawn by the direction from the eye's centre, under a wet
coat."""

from __future__ import annotations

import math

import bpy
import numpy as np

from ..take import Take
from . import sliders
from .nodes import Graph

# Where the eye's vertices lie, seen from its centre with z along its axis.
ATTRIBUTE = "mien_eye"
BONES = {"eye_left": "eye.L", "eye_right": "eye.R"}

# Angles from the eye's axis at which pupil and iris end. The head's eyeball has rings of vertices
# at an eighth and a sixteenth of a half turn; the iris of 11.5 mm on its ball of 30 mm fits there.
PUPIL_ANGLE = math.radians(11.25)
IRIS_ANGLE = math.radians(22.5)
# The pupil in the picture is smaller than its ring of faces: 4 mm, as in a lit room.
DRAWN_PUPIL_ANGLE = math.radians(8.0)

WHITE = (0.73, 0.67, 0.62)
VEIN = (0.62, 0.30, 0.26)
PUPIL = (0.002, 0.002, 0.002)
ROUGHNESS = 0.35
# Tears on the cornea.
COAT_ROUGHNESS, COAT_IOR = 0.02, 1.376
FIBRES = 9.0  # waves round a sixth of the iris
IRIS_BOWL = 0.0016  # metres the iris seems to fall in towards its rim
WHITE_SCATTER_METRES = 0.0015


def add_attribute(mesh: bpy.types.Mesh, take: Take, members: dict[str, np.ndarray]) -> None:
    """Give the mesh what the eyes' nodes read; `members`: the vertices of each eye's group."""
    directions = np.zeros((len(take.neutral), 3), np.float32)
    for group, bone in BONES.items():
        vertices = members[group]
        directions[vertices] = seen_from_eye(take, bone, take.neutral[vertices])
    attribute = mesh.attributes.new(ATTRIBUTE, "FLOAT_VECTOR", "POINT")
    attribute.data.foreach_set("vector", directions.ravel())


def seen_from_eye(take: Take, bone: str, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) of head space relative to an eye's centre, with z along the eye's axis."""
    index = take.header.bone_names.index(bone)
    axis = take.bone_tail[index] - take.bone_head[index]
    axis = axis / np.linalg.norm(axis)
    side = np.cross((0.0, 1.0, 0.0), axis)
    side /= np.linalg.norm(side)
    return (points - take.bone_head[index]) @ np.stack([side, np.cross(axis, side), axis]).T


def angle_from_axis(points: np.ndarray) -> np.ndarray:
    """Radians (N,) of points (N, 3) as `seen_from_eye` gives them."""
    return np.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2])


def draw(graph: Graph):
    """The surface of an eye."""
    place = graph.attribute(ATTRIBUTE).outputs["Vector"]
    direction = graph.vector("NORMALIZE", place)
    flat = graph.vector("MULTIPLY", direction, (1.0, 1.0, 0.0))
    # The sine of the angle from the axis; all beyond the equator is white too.
    radius = graph.vector("LENGTH", flat)
    pupil, rim = math.sin(DRAWN_PUPIL_ANGLE), math.sin(IRIS_ANGLE)
    within = graph.ramped(radius, rim * 0.96, rim * 1.07, 1.0, 0.0)

    around = graph.vector("NORMALIZE", flat)
    # A cylinder's surface, squeezed along its axis: noise there runs in spokes.
    depth = graph.node("CombineXYZ", {"Z": graph.product(radius, 2.5)}).outputs[0]
    spokes = graph.vector("ADD", around, depth)
    fibres = graph.noise(spokes, FIBRES, 3.0)
    colour = _iris(graph, radius, fibres, pupil, rim)
    colour = graph.mix(graph.ramped(radius, pupil * 0.93, pupil * 1.07, 1.0, 0.0), colour, PUPIL)
    colour = graph.mix(within, _white(graph, direction, radius, rim), colour)

    bowl = graph.product(graph.math("POWER", graph.math("DIVIDE", radius, rim), 2.0), IRIS_BOWL)
    height = graph.product(
        within, graph.sum(graph.product(bowl, -1.0), graph.product(fibres, 0.0003))
    )
    surface = graph.surface(
        {
            "Base Color": colour,
            "Roughness": ROUGHNESS,
            "Subsurface Weight": graph.product(
                graph.math("SUBTRACT", 1.0, within), graph.number(sliders.DEPTH.name), 0.4
            ),
            "Subsurface Radius": (1.0, 0.6, 0.4),
            "Subsurface Scale": WHITE_SCATTER_METRES,
            "Coat Weight": 1.0,
            "Coat Roughness": COAT_ROUGHNESS,
            "Coat IOR": COAT_IOR,
        }
    )
    # The relief is the iris' own: the tears above it stay smooth.
    graph.set(surface.inputs["Normal"], graph.bump(height, 1.0))
    return surface


def _iris(graph: Graph, radius, fibres, pupil: float, rim: float):
    own = graph.attribute(sliders.IRIS.name, "OBJECT").outputs["Color"]
    light = graph.mix(0.55, own, (0.75, 0.72, 0.62))
    dark = graph.mix(0.75, own, (0.012, 0.012, 0.014))
    colour = graph.mix(graph.ramped(fibres, 0.36, 0.66), dark, light)
    colour = graph.mix(0.45, colour, own)
    # The collar round the pupil is browner in most eyes, and the limbus dark in all.
    collar = graph.ramped(radius, pupil * 1.1, pupil + (rim - pupil) * 0.5, 0.55, 0.0)
    colour = graph.mix(collar, colour, graph.mix(0.5, own, (0.20, 0.085, 0.022)))
    limbus = graph.ramped(radius, rim * 0.78, rim * 0.97, 0.0, 0.85)
    return graph.mix(limbus, colour, graph.mix(0.85, own, (0.006, 0.007, 0.009)))


def _white(graph: Graph, direction, radius, rim: float):
    threads = graph.noise(direction, 7.0, 5.0)
    thread = graph.ramped(
        graph.math("ABSOLUTE", graph.math("SUBTRACT", threads, 0.5)), 0.0, 0.03, 1.0, 0.0
    )
    away = graph.ramped(radius, rim * 1.3, 0.95, 0.05, 0.5)
    return graph.mix(graph.product(thread, away), WHITE, VEIN)
