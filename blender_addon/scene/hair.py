# SPDX-License-Identifier: GPL-3.0-or-later
"""Lashes and brows: cards whose surface shows only where a hair is.

Their texture coordinates run from root (0) to tip (1) in v, and across the hairs in u.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import sliders
from .nodes import Graph


@dataclass(frozen=True)
class Kind:
    """How hairs stand on their cards.

    strips: over the whole width of the texture, one for each hair. width: the share of its strip
    that a hair fills at the root. lean: strips that a hair's tip stands aside from its root.
    shortest: of the card's length. lower: how much shorter those of lower lids are.
    darker: than the slider's colour, 1 being black.
    """

    strips: float
    width: float
    lean: float
    shortest: float
    lower: float = 0.0
    darker: float = 0.0


# Lashes stand on four ribbons, in turns of an upper and a lower lid; brows on 72 cards, which a
# hair must not overstep.
RIBBONS = 4
LASHES = Kind(strips=RIBBONS * 55, width=0.42, lean=0.9, shortest=0.45, lower=0.4, darker=0.7)
BROWS = Kind(strips=72 * 8, width=0.34, lean=0.0, shortest=0.2)
ROUGHNESS = 0.5


def draw(graph: Graph, kind: Kind):
    """The surface of a card."""
    coordinates = graph.node("UVMap").outputs[0]
    parts = graph.node("SeparateXYZ", {0: coordinates})
    across, along = parts.outputs[0], parts.outputs[1]
    place = graph.math(
        "ADD", graph.product(across, kind.strips), graph.product(along, along, kind.lean)
    )
    strip = graph.math("FLOOR", place)
    chance = graph.node("TexWhiteNoise", {"W": strip}, noise_dimensions="1D")
    other = graph.node("SeparateColor", {0: chance.outputs["Color"]}).outputs[1]
    # Each hair stands a little off the middle of its strip, and has a length of its own.
    middle = graph.sum(0.5 - kind.width / 2, graph.product(other, kind.width))
    aside = graph.math("ABSOLUTE", graph.math("SUBTRACT", graph.math("FRACT", place), middle))
    length = graph.sum(kind.shortest, graph.product(chance.outputs["Value"], 1 - kind.shortest))
    is_lower = graph.math("MODULO", graph.math("FLOOR", graph.product(across, float(RIBBONS))), 2.0)
    length = graph.product(length, graph.sum(1.0, graph.product(is_lower, -kind.lower)))
    left = graph.math("SUBTRACT", 1.0, graph.math("DIVIDE", along, length))
    # Full to half-way, then a tip.
    thickness = graph.math("MINIMUM", graph.math("MAXIMUM", graph.product(left, 2.0), 0.0), 1.0)
    shows = graph.math("LESS_THAN", aside, graph.product(thickness, kind.width / 2))
    colour = graph.attribute(sliders.HAIR.name, "OBJECT").outputs["Color"]
    colour = graph.mix(kind.darker, colour, (0.0, 0.0, 0.0))
    return graph.surface({"Base Color": colour, "Roughness": ROUGHNESS, "Alpha": shows})
