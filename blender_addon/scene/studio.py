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


# A large warm key from the camera's left above, a cool fill from the right, and a narrow rim from
# behind that lifts the head off the background.
LIGHTS = (
    Light("Mien key", (-0.45, -0.9, 0.5), 15.0, 0.5, (1.0, 0.95, 0.88)),
    Light("Mien fill", (0.7, -0.8, 0.0), 6.0, 0.8, (0.86, 0.93, 1.0)),
    Light("Mien rim", (0.45, 0.6, 0.5), 9.0, 0.3, (1.0, 1.0, 1.0)),
)
BACKGROUND = (0.11, 0.115, 0.125)
BACKGROUND_STRENGTH = 1.0

# Rays a pixel. With the denoiser four are enough for skin in motion; a still may take its time.
MOVIE_SAMPLES = 4
STILL_SAMPLES = 24
MAX_BOUNCES = 4
# The filmic curve with a little more contrast than its plain form, which leaves skin chalky.
FILM_CURVE, FILM_LOOK = "AgX", "AgX - Medium High Contrast"


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
    if world.node_tree is None:  # always there since 5.0
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (*BACKGROUND, 1.0)
    background.inputs["Strength"].default_value = BACKGROUND_STRENGTH
    scene.world = world


def use_cycles(scene: bpy.types.Scene, samples: int) -> None:
    """Render with few samples and the denoiser, on the processor: the same on every machine."""
    scene.render.engine = "CYCLES"
    cycles = scene.cycles
    cycles.device = "CPU"
    cycles.samples = samples
    cycles.use_adaptive_sampling = False
    cycles.max_bounces = MAX_BOUNCES
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.use_denoising = True
    # The thorough kind takes seven times as long as the picture itself, for no visible gain.
    cycles.denoising_prefilter = "NONE"
    cycles.denoising_quality = "FAST"
    # Geometry that stays is not built anew for every frame.
    scene.render.use_persistent_data = True
    scene.view_settings.view_transform = FILM_CURVE
    scene.view_settings.look = FILM_LOOK
