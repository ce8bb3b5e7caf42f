# SPDX-License-Identifier: GPL-3.0-or-later
"""The camera that saw the footage, with the footage behind the head.

A camera keeps what belongs to its footage in a custom property, and a scene that was given a
camera keeps what it had before in one: both survive saving, and need no add-on to be read.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path

import bpy
from mathutils import Matrix

from ..footage import Footage, find_footage
from ..take import Source, Take
from . import timing
from .timing import FIRST_FRAME

# Width of the sensor that lens and angle are counted on; a full-frame film back, Blender's default.
SENSOR_WIDTH = 36.0

# The camera sees from a hand's breadth to a long room.
NEAREST, FARTHEST = 0.01, 100.0

# How large the camera is drawn, in metres: small beside a head half a metre away.
DISPLAY_SIZE = 0.1

# A camera looks along its own -z with y up: a quarter turn about x lays the view along +y.
LOOKING_AHEAD = Matrix.Rotation(math.pi / 2, 4, "X")

# Custom properties: of a camera object, about its footage; of a head, its camera; of a scene, about
# the time before.
FOOTAGE, CAMERA, BEFORE = "mien_footage", "mien_camera", "mien_before_match"
_KEPT = (
    "resolution_x",
    "resolution_y",
    "resolution_percentage",
    "pixel_aspect_x",
    "pixel_aspect_y",
)

# From here on Blender shows movies as turned as their file says (measured: 4.2 and 4.3 do not, 4.5
# and 5.2 do). What a picture's EXIF says it leaves out in all of them.
FIRST_TO_TURN_MOVIES = (4, 4, 0)


class FootageError(ValueError):
    """Footage that cannot be shown. Its message is one sentence for the person."""


def add_camera(
    name: str, take: Take, collection: bpy.types.Collection, start_frame: int = FIRST_FRAME
) -> bpy.types.Object:
    """A camera at the world's origin, looking along +y, that sees what the take's pinhole sees.

    Args:
        start_frame: the scene frame of the take's first row.
    """
    camera = bpy.data.objects.new(name, bpy.data.cameras.new(name))
    set_camera(camera, take, start_frame)
    camera.data.clip_start, camera.data.clip_end = NEAREST, FARTHEST
    camera.data.display_size = DISPLAY_SIZE
    camera.matrix_world = LOOKING_AHEAD
    collection.objects.link(camera)
    return camera


def set_camera(camera: bpy.types.Object, take: Take, start_frame: int) -> None:
    """Give a camera the take's lens, and the memory of its footage; it stays where it is."""
    data, source = camera.data, take.header.source
    width, height = source.width, source.height
    # The picture's centre lies between pixels, which are counted from the centre of the first.
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    data.sensor_fit = "HORIZONTAL"
    data.sensor_width = SENSOR_WIDTH
    data.lens = float(take.focal) * SENSOR_WIDTH / width
    # Shifts are counted in sensor widths, in both directions.
    data.shift_x = (centre_x - float(take.principal[0])) / width
    data.shift_y = (float(take.principal[1]) - centre_y) / width
    camera[FOOTAGE] = {
        "file": source.file,
        "width": width,
        "height": height,
        "rate": [source.frame_rate.numerator, source.frame_rate.denominator],
        "rotation": source.rotation,
        "container_rotation": source.container_rotation,
        "first_frame": int(take.frame[0]),
        "start_frame": start_frame,
    }
    # What was shown behind it may be of another time.
    data.background_images.clear()


def camera_of(head: bpy.types.Object) -> bpy.types.Object | None:
    """The camera of the take that a head performs, if it is still in a scene."""
    camera = head.get(CAMERA)
    is_there = camera is not None and FOOTAGE in camera and len(camera.users_scene) > 0
    return camera if is_there else None


def match(scene: bpy.types.Scene, camera: bpy.types.Object) -> None:
    """Let the scene look through a camera and render pictures of its footage's size.

    What the scene had before is kept for `unmatch`, unless it is matched already.
    """
    render = scene.render
    if not matched(scene):
        before = {name: getattr(render, name) for name in _KEPT}
        if scene.camera is not None:
            before["camera"] = scene.camera
        scene[BEFORE] = before
    scene.camera = camera
    render.resolution_x = camera[FOOTAGE]["width"]
    render.resolution_y = camera[FOOTAGE]["height"]
    render.resolution_percentage = 100
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0


def matched(scene: bpy.types.Scene) -> bool:
    """Whether the scene looks through a camera given by `match`."""
    return BEFORE in scene


def unmatch(scene: bpy.types.Scene) -> None:
    """Give the scene back the camera and picture size it had before `match`."""
    if not matched(scene):
        return
    before = scene[BEFORE]
    for name in _KEPT:
        setattr(scene.render, name, before[name])
    scene.camera = before.get("camera")
    del scene[BEFORE]


def show_footage(
    scene: bpy.types.Scene, camera: bpy.types.Object, beside: Path | None = None
) -> None:
    """Lay the footage behind what the camera sees.

    Args:
        beside: a folder to look in when the footage is not where it was captured.

    Raises:
        FootageError: the footage is gone, or the scene does not run at its rate.
    """
    about, source = camera[FOOTAGE], _source_of(camera)
    footage = find_footage(source.file, beside)
    if footage is None:
        if not source.file:
            raise FootageError("The take was made without footage, so the camera shows none.")
        raise FootageError(f"The footage is no longer at {source.file}, so the camera shows none.")
    if not footage.is_still and not timing.runs_at(scene, source.frame_rate):
        # Blender plays footage frame by frame whatever its rate: it would run away from the head.
        raise FootageError(
            "The footage is not shown: it runs at "
            f"{float(source.frame_rate):.3f} frames a second, the scene does not."
        )
    data = camera.data
    data.show_background_images = True
    if len(data.background_images):
        return
    background = data.background_images.new()
    background.alpha = 1.0
    background.frame_method = "FIT"
    if footage.is_still:
        background.source = "IMAGE"
        background.image = bpy.data.images.load(str(footage.path), check_existing=True)
        size = tuple(background.image.size)
    else:
        background.source = "MOVIE_CLIP"
        background.clip = load_clip(footage, about["first_frame"], about["start_frame"])
        size = tuple(background.clip.size)
    turn = turn_of(source, footage, size)
    background.rotation = math.radians(turn)
    if turn % 180 and 0 not in size:
        # It is fitted into the frame before it is turned.
        background.scale = max(size) / min(size)


def hide_footage(camera: bpy.types.Object) -> None:
    """Show nothing behind what the camera sees."""
    camera.data.show_background_images = False


def shows_footage(camera: bpy.types.Object) -> bool:
    """Whether anything is shown behind what the camera sees."""
    return camera.data.show_background_images and len(camera.data.background_images) > 0


def load_clip(footage: Footage, first_frame: int, start_frame: int) -> bpy.types.MovieClip:
    """A movie clip of its own that shows its frame `first_frame` (from 0) on `start_frame`."""
    clip = bpy.data.movieclips.load(str(footage.first_file))
    clip.frame_start = start_frame
    clip.frame_offset = first_frame
    # Loading has kept the file's first frame; naming the file again makes Blender forget it.
    clip.filepath = clip.filepath
    return clip


def turn_of(source: Source, footage: Footage, size: tuple[int, int]) -> int:
    """By how many degrees clockwise Blender has to turn the footage that it shows in this size.

    The turn that the capture was asked for, and the file's own where Blender leaves it out.
    """
    asked, own = source.rotation, source.container_rotation
    wide = source.width - source.height  # upright: positive if it lies
    if own % 180 and wide:
        # Its size tells whether Blender has turned it.
        is_turned = (size[0] > size[1]) == ((wide > 0) != bool(asked % 180))
    else:
        is_turned = footage.is_movie and bpy.app.version >= FIRST_TO_TURN_MOVIES
    return (asked if is_turned else asked + own) % 360


def _source_of(camera: bpy.types.Object) -> Source:
    """The footage that a camera was made for."""
    about = camera[FOOTAGE]
    return Source(
        file=about["file"],
        width=about["width"],
        height=about["height"],
        frame_rate=Fraction(*about["rate"]),
        rotation=about["rotation"],
        container_rotation=about["container_rotation"],
    )
