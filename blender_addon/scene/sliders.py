# SPDX-License-Identifier: GPL-3.0-or-later
"""How a head looks, in a few sliders: custom properties of the head object.

All its materials read them where they are, so that one change shows everywhere at once, each head
has its own, they can be animated, and a .blend keeps them where the add-on is not installed.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Slider:
    """A property from 0 to 1, or a colour (linear)."""

    name: str  # of the property, and of the attribute that the materials read
    label: str
    value: float | Colour
    description: str


SKIN_TONE = Slider("mien_skin_tone", "Skin Tone", 0.28, "From very light to very dark skin")
AGE = Slider(
    "mien_age",
    "Age",
    0.25,
    "How worn the skin is: lines on the forehead and beside the eyes, spots",
)
STUBBLE = Slider("mien_stubble", "Stubble", 0.0, "From clean shaven to a dense shadow of a beard")
HAIR = Slider(
    "mien_hair_colour", "Hair", (0.035, 0.02, 0.012), "Colour of brows, lashes and stubble"
)
IRIS = Slider("mien_iris_colour", "Iris", (0.10, 0.21, 0.27), "Colour of the eyes")
DEPTH = Slider(
    "mien_subsurface",
    "Scattering",
    1.0,
    "How much light is scattered below the skin; 0 renders faster",
)
SLIDERS = (SKIN_TONE, AGE, STUBBLE, HAIR, IRIS, DEPTH)


def add_sliders(head: bpy.types.Object) -> None:
    """Give the head object its sliders at their resting values."""
    for slider in SLIDERS:
        head[slider.name] = slider.value
        words = head.id_properties_ui(slider.name)
        words.update(
            subtype="COLOR" if isinstance(slider.value, tuple) else "FACTOR",
            min=0.0,
            max=1.0,
            default=slider.value,
            description=slider.description,
        )
