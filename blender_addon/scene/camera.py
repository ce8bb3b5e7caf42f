# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera that saw the footage, with the footage behind the head."""

from __future__ import annotations

import math

import bpy

from ..footage import Footage
from ..take import Take
from .timing import FIRST_FRAME

# Width of the sensor that lens and angle are counted on; a full-frame film back, Blender's default.
SENSOR_WIDTH = 36.0

# The camera sees from a hand's breadth to a long room.
NEAREST, FARTHEST = 0.01, 100.0

# How large the camera is drawn, in metres: small beside a head half a metre away.
DISPLAY_SIZE = 0.1


def add_camera(name: str, take: Take, collection: bpy.types.Collection) -> bpy.types.Object:
    """A camera at the world's origin, looking along +y, that sees what the take's pinhole sees."""
    data = bpy.data.cameras.new(name)
    width, height = take.header.source.width, take.header.source.height
    # The picture's centre lies between pixels, which are counted from the centre of the first.
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = SENSOR_WIDTH
    data.lens = float(take.focal) * SENSOR_WIDTH / width
    # Shifts are counted in sensor widths, in both directions.
    data.shift_x = (centre_x - float(take.principal[0])) / width
    data.shift_y = (float(take.principal[1]) - centre_y) / width
    data.clip_start, data.clip_end = NEAREST, FARTHEST
    data.display_size = DISPLAY_SIZE
    camera = bpy.data.objects.new(name, data)
    # A camera looks along its own -z with y up: a quarter turn about x lays the view along +y.
    camera.rotation_euler = (math.pi / 2, 0.0, 0.0)
    collection.objects.link(camera)
    return camera


def match_picture(scene: bpy.types.Scene, take: Take) -> None:
    """Let the scene render pictures of the footage's size, seen by square pixels."""
    render = scene.render
    render.resolution_x = take.header.source.width
    render.resolution_y = take.header.source.height
    render.resolution_percentage = 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0


def show_footage(camera: bpy.types.Object, footage: Footage, first_frame: int) -> None:
    """Lay the footage behind what the camera sees.

    Args:
        first_frame: the footage's frame, from 0, that belongs to the scene's first frame.
    """
    data = camera.data
    data.show_background_images = True
    background = data.background_images.new()
    background.alpha = 1.0
    background.frame_method = "FIT"
    if footage.is_still:
        background.source = "IMAGE"
        background.image = bpy.data.images.load(str(footage.path), check_existing=True)
        return
    background.source = "MOVIE_CLIP"
    background.clip = load_clip(footage, first_frame)


def load_clip(footage: Footage, first_frame: int) -> bpy.types.MovieClip:
    """A movie clip of its own whose frame `first_frame` (from 0) shows on the scene's first."""
    clip = bpy.data.movieclips.load(str(footage.first_file))
    clip.frame_start = FIRST_FRAME
    clip.frame_offset = first_frame
    # Loading has kept the file's first frame; naming the file again makes Blender forget it.
    clip.filepath = clip.filepath
    return clip
