# SPDX-License-Identifier: GPL-3.0-or-later
"""Light, background and render settings for a portrait of the head."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
from mathutils import Vector


@dataclass(frozen=True)
class Light:
    """An area light: where it stands from the head (metres, Blender's axes), watts, width."""

    name: str
    place: tuple[float, float, float]
    watts: float
    width: float
    colour: tuple[float, float, float]


# A large warm key from the camera's left above, a weak cool fill from the right, and a narrow rim
# from behind that lifts the head off the background.
LIGHTS = (
    Light("Mien key", (-0.55, -0.75, 0.55), 11.0, 0.5, (1.0, 0.95, 0.88)),
    Light("Mien fill", (0.8, -0.6, 0.05), 3.0, 0.8, (0.86, 0.93, 1.0)),
    Light("Mien rim", (0.45, 0.6, 0.5), 9.0, 0.3, (1.0, 1.0, 1.0)),
)
BACKGROUND = (0.11, 0.115, 0.125)
BACKGROUND_STRENGTH = 1.0

# Enough for skin once the denoiser has passed over it; more samples change nothing visible.
SAMPLES = 12
MAX_BOUNCES = 4


def add_lights(scene: bpy.types.Scene, target: Vector, collection: bpy.types.Collection) -> None:
    """Three lights around `target` in world space, and a plain grey world."""
    for light in LIGHTS:
        data = bpy.data.lights.new(light.name, "AREA")
        data.energy, data.size, data.color = light.watts, light.width, light.colour
        lamp = bpy.data.objects.new(light.name, data)
        lamp.location = target + Vector(light.place)
        # A light shines along its own -z.
        lamp.rotation_euler = Vector(light.place).to_track_quat("Z", "Y").to_euler()
        collection.objects.link(lamp)
    world = bpy.data.worlds.new("Mien studio")
    world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (*BACKGROUND, 1.0)
    background.inputs["Strength"].default_value = BACKGROUND_STRENGTH
    scene.world = world


def use_cycles(scene: bpy.types.Scene, samples: int = SAMPLES) -> None:
    """Render with few samples and the denoiser, on the processor: the same on every machine."""
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.use_denoising = True
    scene.cycles.max_bounces = MAX_BOUNCES
    scene.cycles.caustics_reflective = scene.cycles.caustics_refractive = False
    # Geometry that stays is not built anew for every frame.
    scene.render.use_persistent_data = True
