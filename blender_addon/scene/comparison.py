# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage and rendered head beside or over one another, put together by Blender's sequencer."""

from __future__ import annotations

import math
from pathlib import Path

import bpy

from ..footage import Footage, pictures_of
from ..take import Take
from . import timing
from .camera import FootageError, turn_of

FOOTAGE_CHANNEL, HEAD_CHANNEL = 1, 2
NAME = "Mien comparison"
OF = "mien_comparison_of"  # a custom property: the scene that a comparison shows
SIDE, OVER = "SIDE", "OVER"

# Footage has been through a film curve already. Read in the colour space that a curve leads to, it
# comes out of that curve as it was (measured: greys within 1 of 255, the most saturated colours
# less). Other curves, and a look on top, change it as they change the head.
UNDOES = {
    "AgX": "AgX Base sRGB",
    "Filmic": "Filmic sRGB",
    "Khronos PBR Neutral": "Khronos PBR Neutral sRGB",
}


def add_comparison(
    scene: bpy.types.Scene,
    take: Take,
    footage: Footage | None,
    start_frame: int,
    layout: str = SIDE,
    pictures: list[Path] | None = None,
) -> bpy.types.Scene:
    """A scene that shows a scene with its footage on the left, or below it.

    It renders the scene as it is by then; its rate, range and picture size are those of now.

    Args:
        scene: what is shown, by its own camera and engine.
        footage: None gives the scene alone.
        start_frame: the scene frame of the take's first row.
        layout: SIDE, or OVER: the scene is then rendered without its background.
        pictures: the scene's frames where they are rendered already, as they shall look.

    Raises:
        FootageError: the scene does not run at the footage's rate.
    """
    rate = take.header.source.frame_rate
    if footage is not None and not footage.is_still and not timing.runs_at(scene, rate):
        raise FootageError(
            f"The footage runs at {float(rate):.3f} frames a second, the scene does not: they "
            "would not keep step."
        )
    width, height = _picture_size(scene)
    beside = footage is not None and layout == SIDE
    comparison = _empty_comparison(scene)
    # H.264 wants even numbers.
    comparison.render.resolution_x = width * 2 if beside else width + width % 2
    comparison.render.resolution_y = height + height % 2
    strips = _strips(comparison)
    if footage is not None:
        strip = _add_footage(strips, scene, take, footage, start_frame, (width, height))
        strip.transform.offset_x = -width / 2 if beside else 0
        if pictures is None:
            space = UNDOES.get(scene.view_settings.view_transform)
            strip.colorspace_settings.name = space or strip.colorspace_settings.name
    if pictures is None:
        shown = scene if layout == SIDE else _without_background(scene)
        head = strips.new_scene("head", shown, HEAD_CHANNEL, scene.frame_start)
        _take_over_look(comparison, scene)
    else:
        head = _add_pictures(strips, "head", pictures, HEAD_CHANNEL, scene.frame_start)
        # They have been through the film curve; they are shown as they are.
        comparison.view_settings.view_transform = "Standard"
        comparison.view_settings.look = "None"
    head.blend_type = "ALPHA_OVER"
    # What is rendered has the panel's size already.
    head.transform.offset_x = width / 2 if beside else 0
    return comparison


def write_movie_to(scene: bpy.types.Scene, path: Path) -> None:
    """Let a scene's animation be rendered to a movie (H.264 in MP4) at this path."""
    settings = scene.render.image_settings
    # Since 5.0 a scene must first be told that it renders movies.
    if hasattr(settings, "media_type"):
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    scene.render.ffmpeg.format = "MPEG4"
    scene.render.ffmpeg.codec = "H264"
    scene.render.ffmpeg.constant_rate_factor = "HIGH"
    scene.render.use_file_extension = False
    scene.render.filepath = str(path)


def _empty_comparison(scene: bpy.types.Scene) -> bpy.types.Scene:
    """A scene of the same rate and range, in place of those made for this scene before."""
    for old in [other for other in bpy.data.scenes if other.get(OF) == scene]:
        bpy.data.scenes.remove(old)
    comparison = bpy.data.scenes.new(NAME)
    comparison[OF] = scene
    comparison.render.fps, comparison.render.fps_base = scene.render.fps, scene.render.fps_base
    comparison.frame_start, comparison.frame_end = scene.frame_start, scene.frame_end
    return comparison


def _without_background(scene: bpy.types.Scene) -> bpy.types.Scene:
    """A scene of the same things that renders them before nothing; `scene` stays as it is."""
    copy = scene.copy()
    copy.name = f"{NAME} head"
    copy[OF] = scene
    copy.render.film_transparent = True
    return copy


def _take_over_look(comparison: bpy.types.Scene, scene: bpy.types.Scene) -> None:
    comparison.display_settings.display_device = scene.display_settings.display_device
    for name in ("view_transform", "look", "exposure", "gamma"):
        setattr(comparison.view_settings, name, getattr(scene.view_settings, name))


def _picture_size(scene: bpy.types.Scene) -> tuple[int, int]:
    render = scene.render
    share = render.resolution_percentage / 100
    return int(render.resolution_x * share), int(render.resolution_y * share)


def _strips(scene: bpy.types.Scene):
    """The scene's strips, a collection renamed in 4.4."""
    editor = scene.sequence_editor_create()
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def _add_footage(
    strips,
    scene: bpy.types.Scene,
    take: Take,
    footage: Footage,
    start_frame: int,
    panel: tuple[int, int],
):
    """The footage upright and as large as fits a panel (width, height), in the middle."""
    first = start_frame - int(take.frame[0])  # the scene frame of the footage's first
    if footage.is_still:
        files = [footage.path] * (scene.frame_end - scene.frame_start + 1)
        strip = _add_pictures(strips, "footage", files, FOOTAGE_CHANNEL, scene.frame_start)
    elif footage.is_movie:
        strip = strips.new_movie("footage", str(footage.path), FOOTAGE_CHANNEL, first)
    else:
        files = pictures_of(footage.path)
        strip = _add_pictures(strips, "footage", files, FOOTAGE_CHANNEL, first)
    size = strip.elements[0].orig_width, strip.elements[0].orig_height
    turn = turn_of(take.header.source, footage, size)
    if turn % 180:
        size = size[::-1]
    strip.transform.scale_x = strip.transform.scale_y = min(panel[0] / size[0], panel[1] / size[1])
    strip.transform.rotation = -math.radians(turn)
    return strip


def _add_pictures(strips, name: str, files: list[Path], channel: int, first_frame: int):
    """A strip that shows one file a frame, all of one folder."""
    strip = strips.new_image(name, str(files[0]), channel, first_frame)
    for file in files[1:]:
        strip.elements.append(file.name)
    return strip
