# SPDX-License-Identifier: GPL-3.0-or-later
"""Lashes and brows: cards whose surface shows only where a hair is.

Their texture coordinates run from root (0) to tip (1) in v, and across the hairs in u.
"""

from __future__ import annotations

from . import sliders
from .nodes import Graph

# Hairs over the whole width of the texture, and the share of a hair's strip it fills at the root.
LASH_HAIRS, LASH_WIDTH = 220.0, 0.55
BROW_HAIRS, BROW_WIDTH = 480.0, 0.62
SHORTEST = 0.55  # of the card's length
ROUGHNESS = 0.5


def draw(graph: Graph, hairs: float, width: float):
    """The surface of a card."""
    coordinates = graph.node("UVMap").outputs[0]
    parts = graph.node("SeparateXYZ", {0: coordinates})
    across, along = parts.outputs[0], parts.outputs[1]
    # Hairs lean a little, each its own way: the strip they stand in shifts on the way to the tip.
    place = graph.math("ADD", graph.product(across, hairs), graph.product(along, along, 0.8))
    strip = graph.math("FLOOR", place)
    middle = graph.math("ABSOLUTE", graph.math("SUBTRACT", graph.math("FRACT", place), 0.5))
    chance = graph.node("TexWhiteNoise", {"W": strip}, noise_dimensions="1D").outputs["Value"]
    length = graph.sum(SHORTEST, graph.product(chance, 1.0 - SHORTEST))
    left = graph.math("SUBTRACT", 1.0, graph.math("DIVIDE", along, length))
    thickness = graph.product(graph.math("MAXIMUM", left, 0.0), width / 2)
    shows = graph.math("LESS_THAN", middle, thickness)
    colour = graph.attribute(sliders.HAIR.name, "OBJECT").outputs["Color"]
    return graph.surface({"Base Color": colour, "Roughness": ROUGHNESS, "Alpha": shows})
