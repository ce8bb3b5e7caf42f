# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's motion onto a new head, a head that is there, or a character of another make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bpy
from mathutils import Matrix

from ..footage import Footage, find_footage
from ..take import Take
from . import armature, camera, head, naming, retarget, timing
from .character import add_character, select, to_object_mode
from .controls import EYE_TARGET
from .correctives import value_path
from .curves import Channel, foreign_action, write_action
from .regions import region_of
from .shape_curves import fit_sliders

# Custom properties of every mesh that a take moves: the take's file, and the scene frame of its
# first row.
TAKE_PROPERTY, START_PROPERTY = "mien_take", "mien_start"


# Metres above the floor at which the camera of a new head stands. Also clear of the cube in
# Blender's start-up file, whose inside would hide the footage.
EYE_HEIGHT = 1.6


class ApplyError(ValueError):
    """A take that cannot be applied. Its message is one sentence for the person."""


@dataclass(frozen=True)
class ApplySettings:
    """What the person who applies a take may choose."""

    start_frame: int = timing.FIRST_FRAME
    set_frame_rate: bool = True  # else the take is sampled at the scene's own rate
    set_frame_range: bool = True
    use_camera: bool = True  # make the take's camera the scene's, at the footage's resolution
    show_footage: bool = True  # behind what that camera sees
    head_bone: str = ""  # of an own character; empty for the bone that is called head


@dataclass(frozen=True)
class Applied:
    """What was animated, and what came with it."""

    objects: tuple[bpy.types.Object, ...]  # the meshes
    rig: bpy.types.Object | None
    camera: bpy.types.Object | None
    performance: timing.Performance
    missing: tuple[str, ...]  # the take's shapes for which no mesh has a key
    collection: bpy.types.Collection  # where what was made was put
    warnings: tuple[str, ...] = ()
    footage: Footage | None = None

    @property
    def head(self) -> bpy.types.Object:
        """The mesh of the face."""
        return self.objects[0]


def apply_to_new_head(
    context: bpy.types.Context,
    take: Take,
    name: str,
    settings: ApplySettings = ApplySettings(),
    path: Path | None = None,
) -> Applied:
    """Build the take's own head in the context's scene, in a collection of its own.

    The camera stands above the origin, at a person's eye height, and looks along +y.

    Args:
        name: of the collection and the start of every object's name; Blender numbers doubles.
        path: the take's file, kept with the head; the footage is looked for beside it too.
    """
    performance = _time(context.scene, take, settings)
    character = add_character(context, take, name)
    stand = Matrix.Translation((0.0, 0.0, EYE_HEIGHT))
    character.rig.matrix_world = stand @ armature.mean_pose(performance)
    lens, settings = _camera(character.head, name, take, character.collection, settings, stand)
    missing = _animate_head(character.head, character.rig, take, name, performance)
    applied = Applied(
        objects=(character.head,),
        rig=character.rig,
        camera=lens,
        performance=performance,
        missing=missing,
        collection=character.collection,
    )
    return _finish(context, take, settings, path, applied)


def apply_to_head(
    context: bpy.types.Context,
    target: bpy.types.Object,
    take: Take,
    name: str,
    settings: ApplySettings = ApplySettings(),
    path: Path | None = None,
) -> Applied:
    """Let a Mien head that is there perform the take: its face, looks and place stay.

    The camera comes to where it sees the head as the footage does.

    Raises:
        ApplyError: it is not a Mien head, or it is linked from another file.
    """
    rig = rig_of(target)
    if not is_mien_head(target):
        raise ApplyError(f"{target.name} is not a Mien head: apply to it as an own character.")
    _refuse_linked((target, target.data, target.data.shape_keys, rig))
    to_object_mode(context)
    performance = _time(context.scene, take, settings)
    collection = _home_of(context.scene, target)
    context.view_layer.update()
    stand = rig.matrix_world @ armature.mean_pose(performance).inverted()
    lens, settings = _camera(target, name, take, collection, settings, stand)
    anew = _performs(target, path)
    warnings = _asides((target.data.shape_keys, rig))
    missing = _animate_head(target, rig, take, name, performance, anew)
    rig[EYE_TARGET] = 0.0  # the take's own gaze
    applied = Applied(
        objects=(target,),
        rig=rig,
        camera=lens,
        performance=performance,
        missing=missing,
        collection=collection,
        warnings=warnings,
    )
    return _finish(context, take, settings, path, applied)


def apply_to_character(
    context: bpy.types.Context,
    objects: Iterable[bpy.types.Object],
    take: Take,
    name: str,
    settings: ApplySettings = ApplySettings(),
    path: Path | None = None,
) -> Applied:
    """Let a character of another make perform the take with the shape keys it has.

    Its head turns on a bone, about the middle of the take, and does not leave its place. The
    camera comes to where it sees the face as the footage does, in the middle of the take.

    Args:
        objects: of them, every mesh with shape keys; what else was chosen is left alone.

    Raises:
        ApplyError: nothing here can be animated, or it is linked from another file.
    """
    meshes = _matched_meshes(objects, take)
    parts = [mesh for mesh, _ in meshes]
    _refuse_linked(part for mesh in parts for part in (mesh, mesh.data, mesh.data.shape_keys))
    rig, bone, warnings = _head_bone(parts, settings.head_bone)
    warnings += _asides([mesh.data.shape_keys for mesh in parts] + [rig] * bool(bone))
    for mesh, matches in meshes:
        driven = _driven(mesh, matches)
        if driven:
            warnings += (f"{mesh.name} drives {listed(driven)} itself: left alone.",)
    to_object_mode(context)
    performance = _time(context.scene, take, settings)
    collection = _home_of(context.scene, parts[0])
    context.view_layer.update()

    lens = None
    face = retarget.find_face(meshes, parts[0], take)
    if face is not None:
        stand = parts[0].matrix_world @ face @ armature.mean_pose(performance).inverted()
        lens, settings = _camera(parts[0], name, take, collection, settings, stand)
    elif settings.use_camera:
        warnings += ("The camera stays: no shapes of the eyes and the jaw tell where the face is.",)
    if bone:
        face = retarget.find_face(meshes, rig, take)
        channels = retarget.head_channels(rig, bone, performance, face)
        action, anew = f"{name} {rig.name} pose", _performs(parts[0], path)
        write_action(rig, action, performance.frame, channels, anew)
    for mesh, matches in meshes:
        channels = _character_channels(mesh, matches, take, performance)
        action, anew = f"{name} {mesh.name} shapes", _performs(mesh, path)
        write_action(mesh.data.shape_keys, action, performance.frame, channels, anew)
        fit_sliders(mesh.data.shape_keys)
    there = {shape for _, matches in meshes for shape in matches}
    applied = Applied(
        objects=tuple(parts),
        rig=rig if bone else None,
        camera=lens,
        performance=performance,
        missing=tuple(shape for shape in take.header.shape_names if shape not in there),
        collection=collection,
        warnings=warnings,
    )
    return _finish(context, take, settings, path, applied)


def rig_of(mesh: bpy.types.Object) -> bpy.types.Object | None:
    """The armature that carries a mesh."""
    return mesh.find_armature() or (
        mesh.parent if mesh.parent is not None and mesh.parent.type == "ARMATURE" else None
    )


def is_mien_head(thing: bpy.types.Object | None) -> bool:
    """Whether this is a head that this add-on built, its rig still on it."""
    if thing is None or thing.type != "MESH" or thing.data.shape_keys is None:
        return False
    rig = rig_of(thing)
    return (
        rig is not None
        and EYE_TARGET in rig
        and all(bone in rig.data.bones for bone in ("neck", "head", "eye.L", "eye.R"))
    )


def _time(scene: bpy.types.Scene, take: Take, settings: ApplySettings) -> timing.Performance:
    # A single picture has no rate of its own.
    if settings.set_frame_rate and len(take.time) > 1:
        timing.set_scene_rate(scene, take.header.source.frame_rate)
    return timing.place(take, timing.scene_rate(scene), settings.start_frame)


def _animate_head(
    mesh: bpy.types.Object,
    rig: bpy.types.Object,
    take: Take,
    name: str,
    performance: timing.Performance,
    anew: bool = False,
) -> tuple[str, ...]:
    """Write both actions of a Mien head; the names of the take's shapes that it lacks."""
    shapes = head.shape_channels(mesh, take, performance)
    write_action(mesh.data.shape_keys, f"{name} shapes", performance.frame, shapes, anew)
    fit_sliders(mesh.data.shape_keys)
    pose = armature.pose_channels(rig, performance) + armature.found_channels(rig, performance)
    write_action(rig, f"{name} pose", performance.frame, pose, anew)
    blocks = mesh.data.shape_keys.key_blocks
    return tuple(shape for shape in take.header.shape_names if shape not in blocks)


def _performs(mesh: bpy.types.Object, path: Path | None) -> bool:
    """Whether a mesh performs the take in this file already."""
    return path is not None and mesh.get(TAKE_PROPERTY) == str(path)


def _matched_meshes(
    objects: Iterable[bpy.types.Object], take: Take
) -> list[tuple[bpy.types.Object, dict[str, tuple[str, ...]]]]:
    """Each mesh once, with its keys by the take's names; those without any are left out."""
    chosen = [thing for thing in objects if thing.type == "MESH" and thing.data.shape_keys]
    if not chosen:
        raise ApplyError("None of the chosen objects is a mesh with shape keys.")
    shared = {}
    for mesh in chosen:
        shared.setdefault(mesh.data.shape_keys, mesh)
    meshes = []
    for keys, mesh in shared.items():
        names = [block.name for block in keys.key_blocks if block != keys.reference_key]
        matches = naming.match_shapes(take.header.shape_names, names)
        if matches:
            meshes.append((mesh, matches))
    if not meshes:
        raise ApplyError(
            f"No shape key of {listed([mesh.name for mesh in chosen])} is named like one of the "
            "52 shapes (eyeBlinkLeft, Jaw_Open, …)."
        )
    free = [(mesh, m) for mesh, m in meshes if len(_driven(mesh, m)) < sum(map(len, m.values()))]
    if not free:
        raise ApplyError(
            f"The shape keys of {listed([mesh.name for mesh, _ in meshes])} follow drivers of the "
            "character's own rig, and cannot be animated themselves."
        )
    # The one with the most shapes is the face.
    return sorted(free, key=lambda pair: -len(pair[1]))


def _head_bone(
    meshes: list[bpy.types.Object], wanted: str
) -> tuple[bpy.types.Object | None, str, tuple[str, ...]]:
    """The armature and the bone that turns the head, and what there is to say about it."""
    rigs = dict.fromkeys(rig for rig in map(rig_of, meshes) if rig is not None)
    for rig in rigs:
        bone = wanted if wanted in rig.data.bones else ""
        if not wanted:
            bone = naming.find_head_bone(rig.data.bones.keys())
        if not bone:
            continue
        if rig.library is None:
            return rig, bone, ()
        if wanted:
            _refuse_linked((rig,))
        return (None, "", (f"The head does not turn: {rig.name} is linked from another file.",))
    if wanted:
        raise ApplyError(f"No armature of the chosen meshes has a bone called {wanted}.")
    if rigs:
        return (None, "", ("The head does not turn: no bone of the armature is called head.",))
    return None, "", ("The head does not turn: the chosen meshes have no armature.",)


def _driven(mesh: bpy.types.Object, matches: dict[str, tuple[str, ...]]) -> list[str]:
    """Those of the matching keys that follow the character's own rig; no action moves them."""
    animation = mesh.data.shape_keys.animation_data
    paths = {curve.data_path for curve in animation.drivers} if animation else set()
    return [key for names in matches.values() for key in names if value_path(key) in paths]


def _character_channels(
    mesh: bpy.types.Object,
    matches: dict[str, tuple[str, ...]],
    take: Take,
    performance: timing.Performance,
) -> list[Channel]:
    """The channels of a mesh's matching keys, without those that are driven."""
    driven = _driven(mesh, matches)
    return [
        Channel(value_path(key), performance.weights[:, column], group=region_of(key))
        for column, shape in enumerate(take.header.shape_names)
        for key in matches.get(shape, ())
        if key not in driven
    ]


def _camera(
    mesh: bpy.types.Object,
    name: str,
    take: Take,
    collection: bpy.types.Collection,
    settings: ApplySettings,
    stand: Matrix,
) -> tuple[bpy.types.Object, ApplySettings]:
    """The camera of this take, moved by `stand`: the mesh's, if it is of the same footage.

    Footage that was hidden behind it stays hidden, as the settings then say.
    """
    lens = camera.camera_of(mesh)
    source = take.header.source
    if lens is None or lens.library or lens[camera.FOOTAGE]["file"] != source.file:
        lens = camera.add_camera(f"{name} camera", take, collection, settings.start_frame)
    else:
        shows = settings.show_footage and camera.shows_footage(lens)
        settings = replace(settings, show_footage=shows)
        camera.set_camera(lens, take, settings.start_frame)
    place, turn, _ = (stand @ camera.LOOKING_AHEAD).decompose()
    lens.matrix_world = Matrix.LocRotScale(place, turn, None)
    return lens, settings


def _finish(
    context: bpy.types.Context,
    take: Take,
    settings: ApplySettings,
    path: Path | None,
    applied: Applied,
) -> Applied:
    """What all ways of applying end with: camera, footage, memory, range, selection."""
    scene, lens = context.scene, applied.camera
    beside = path.parent if path is not None else None
    warnings = [*take.header.warnings, *applied.warnings]
    if lens is not None and settings.use_camera:
        camera.match(scene, lens)
    if lens is not None and settings.show_footage:
        try:
            camera.show_footage(scene, lens, beside)
        except camera.FootageError as error:
            warnings.append(str(error))
    for mesh in applied.objects:
        # A library override forgets these when it is saved, and keeps its animation: Blender saves
        # no new properties of overrides.
        mesh[TAKE_PROPERTY] = "" if path is None else str(path)
        mesh[START_PROPERTY] = settings.start_frame
        if lens is not None:
            mesh[camera.CAMERA] = lens
    if settings.set_frame_range:
        timing.set_scene_range(scene, applied.performance)
    else:
        scene.frame_set(scene.frame_current)
    select(context, applied.head)
    footage = find_footage(take.header.source.file, beside)
    return replace(applied, warnings=tuple(warnings), footage=footage)


def _home_of(scene: bpy.types.Scene, thing: bpy.types.Object) -> bpy.types.Collection:
    """A collection of the object's that may be added to; else the scene's own."""
    for collection in thing.users_collection:
        if collection.library is None and collection.override_library is None:
            return collection
    return scene.collection


def _refuse_linked(datablocks: Iterable[bpy.types.ID]) -> None:
    for datablock in datablocks:
        if datablock.library is not None:
            raise ApplyError(
                f"{datablock.name} is linked from {Path(datablock.library.filepath).name}: make a "
                "library override of it first."
            )


def _asides(datablocks: Iterable[bpy.types.ID]) -> tuple[str, ...]:
    """What to say about actions that make room for the take's; see `curves.write_action`."""
    actions = (foreign_action(datablock) for datablock in datablocks)
    return tuple(
        f"The action {action.name} plays on below the take, as a strip of nonlinear animation."
        for action in actions
        if action is not None
    )


def listed(names: Sequence[str], most: int = 4) -> str:
    """Some names in a sentence, the rest counted."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
