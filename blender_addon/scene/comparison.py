# SPDX-License-Identifier: GPL-3.0-or-later
"""Footage and rendered head side by side, put together by Blender's sequencer."""

from __future__ import annotations

from pathlib import Path

import bpy

from ..footage import Footage
from .camera import load_clip
from .timing import FIRST_FRAME

FOOTAGE_CHANNEL, HEAD_CHANNEL = 1, 2


def add_comparison(
    scene: bpy.types.Scene, pictures: list[Path], footage: Footage | None, first_frame: int
) -> bpy.types.Scene:
    """A scene that shows the footage on the left and the rendered pictures on the right.

    Args:
        scene: the scene that was rendered; its rate, range and picture size are taken over.
        pictures: one rendered file for each frame of the scene.
        footage: None gives the pictures alone.
        first_frame: the footage's frame, from 0, that belongs to the scene's first.
    """
    width, height = scene.render.resolution_x, scene.render.resolution_y
    comparison = bpy.data.scenes.new("Mien comparison")
    comparison.render.resolution_x = width * (2 if footage else 1)
    comparison.render.resolution_y = height
    comparison.render.fps, comparison.render.fps_base = scene.render.fps, scene.render.fps_base
    comparison.frame_start = FIRST_FRAME
    comparison.frame_end = FIRST_FRAME + len(pictures) - 1
    # The pictures have been through the film curve; they are shown as they are.
    comparison.view_settings.view_transform = "Standard"
    comparison.view_settings.look = "None"

    strips = _strips(comparison)
    if footage is not None:
        _add_footage(strips, footage, first_frame, width, height)
    head = strips.new_image("head", str(pictures[0]), HEAD_CHANNEL, FIRST_FRAME)
    for picture in pictures[1:]:
        head.elements.append(picture.name)
    head.blend_type = "ALPHA_OVER"
    # The rendered pictures have the panel's size already.
    head.transform.offset_x = width / 2 if footage else 0
    return comparison


def _strips(scene: bpy.types.Scene):
    """The scene's strips, a collection renamed in 4.4."""
    editor = scene.sequence_editor_create()
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def _add_footage(strips, footage: Footage, first_frame: int, width: int, height: int) -> None:
    """The footage as large as fits the left panel, which is `width` by `height` pixels."""
    if footage.is_still:
        strip = strips.new_image("footage", str(footage.path), FOOTAGE_CHANNEL, FIRST_FRAME)
        size = strip.elements[0].orig_width, strip.elements[0].orig_height
    else:
        clip = load_clip(footage, first_frame, FIRST_FRAME)
        strip = strips.new_clip("footage", clip, FOOTAGE_CHANNEL, FIRST_FRAME)
        size = clip.size
    strip.transform.scale_x = strip.transform.scale_y = min(width / size[0], height / size[1])
    strip.transform.offset_x = -width / 2
