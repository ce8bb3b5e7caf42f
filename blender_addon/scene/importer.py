# SPDX-License-Identifier: GPL-3.0-or-later
"""A take becomes a scene: head, armature, curves, camera, footage."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from ..footage import Footage, find_footage
from ..take import Take
from . import armature, camera, head, timing
from .character import add_character, select
from .curves import write_action


@dataclass(frozen=True)
class ImportSettings:
    """What the person who imports may choose."""

    set_frame_rate: bool = True  # else the take is sampled at the scene's own rate
    use_camera: bool = True  # make the take's camera the scene's, at the footage's resolution


@dataclass(frozen=True)
class ImportedTake:
    """What an import made."""

    collection: bpy.types.Collection
    head: bpy.types.Object
    rig: bpy.types.Object
    camera: bpy.types.Object
    performance: timing.Performance
    footage: Footage | None
    warnings: tuple[str, ...]


def import_take(
    context: bpy.types.Context,
    take: Take,
    name: str,
    settings: ImportSettings = ImportSettings(),
    beside: Path | None = None,
) -> ImportedTake:
    """Build the take in the context's scene, in a collection of its own.

    Args:
        name: of the collection and the start of every object's name; Blender numbers doubles.
        beside: a folder to look for the footage in when it is not where it was captured.
    """
    scene = context.scene
    performance = _time(scene, take, settings)
    character = add_character(context, take, name)
    collection, mesh, rig = character.collection, character.head, character.rig
    _animate(mesh, rig, name, take, performance)

    lens = camera.add_camera(f"{name} camera", take, collection)
    if settings.use_camera:
        scene.camera = lens
        camera.match_picture(scene, take)
    footage = find_footage(take.header.source.file, beside)
    warnings = list(take.header.warnings)
    warnings += _show_footage(scene, lens, take, footage)
    timing.set_scene_range(scene, performance)
    select(context, mesh)
    return ImportedTake(collection, mesh, rig, lens, performance, footage, tuple(warnings))


def _time(scene: bpy.types.Scene, take: Take, settings: ImportSettings) -> timing.Performance:
    # A single picture has no rate of its own.
    if settings.set_frame_rate and len(take.time) > 1:
        timing.set_scene_rate(scene, take.header.source.frame_rate)
    return timing.place(take, timing.scene_rate(scene))


def _animate(
    mesh: bpy.types.Object,
    rig: bpy.types.Object,
    name: str,
    take: Take,
    performance: timing.Performance,
) -> None:
    shapes = head.shape_channels(mesh, take, performance)
    write_action(mesh.data.shape_keys, f"{name} shapes", performance.frame, shapes)
    pose = armature.pose_channels(rig, performance) + armature.found_channels(rig, performance)
    write_action(rig, f"{name} pose", performance.frame, pose)


def _show_footage(
    scene: bpy.types.Scene, lens: bpy.types.Object, take: Take, footage: Footage | None
) -> list[str]:
    """Show the footage behind the head where that is possible; else say why not."""
    source = take.header.source
    if footage is None:
        return [f"The footage is no longer at {source.file}, so the camera shows none."]
    if not footage.is_still and not timing.runs_at(scene, source.frame_rate):
        # Blender plays footage frame by frame whatever its rate: it would run away from the head.
        return [
            "The footage is not shown: it runs at "
            f"{float(source.frame_rate):.3f} frames a second, the scene does not."
        ]
    camera.show_footage(lens, footage, first_frame=int(take.frame[0]))
    return []

