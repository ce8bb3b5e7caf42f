# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator takes hold of: handles on the bones, limits, and a target for the eyes.

All bones stay free to pose after an import. The limits hold a hand within what a neck, a jaw and
an eye can do; for a captured performance they are widened to hold all that was captured, so that
they never change it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Vector

from ..take import Take
from .correctives import read_property, value_path
from .frame_of_reference import euler_from_matrix, matrix_from_quaternion, points_to_blender

# The bone that the eyes look at, and the armature object's property that says how much.
EYE_TARGET = "eye_target"
EYE_TARGET_AHEAD = 0.4  # metres in front of the eyes: reading distance, near enough to grab

# Which way the bones' own z points, so that x nods the head and the eyes and opens the jaw. Blender
# space: forward out of the face is -y.
FORWARD, UP, DOWN = Vector((0, -1, 0)), Vector((0, 0, 1)), Vector((0, 0, -1))
ROLLS = {"neck": FORWARD, "head": FORWARD, "jaw": DOWN, "eye.L": UP, "eye.R": UP, EYE_TARGET: UP}

# Degrees about the bone's own x, y and z, lowest and highest. Neck and head share what a person
# can do: 60 down and up, 80 to either side, 44 towards a shoulder. The eyes' are those of a person
# who does not turn the head.
_HALF_A_NECK = ((-30.0, 30.0), (-40.0, 40.0), (-22.0, 22.0))
_EYE = ((-50.0, 40.0), (-10.0, 10.0), (-45.0, 45.0))
LIMITS = {
    "neck": _HALF_A_NECK,
    "head": _HALF_A_NECK,
    "jaw": ((-2.0, 25.0), (-4.0, 4.0), (-10.0, 10.0)),
    "eye.L": _EYE,
    "eye.R": _EYE,
}
AXES = ("x", "y", "z")
LIMIT_NAME, TARGET_NAME = "Limits", "Eye Target"
# Room beyond a captured extreme, radians: more than the rounding of single precision.
LIMIT_ROOM = 1e-3

# The shape that opens the mouth. Bone and shape share one opening; see `share_opening`.
JAW, JAW_SHAPE = "jaw", "jawOpen"
# Vertices this much on the jaw's bone tell by what angle the shape opens it.
RIGID_SHARE = 0.95

# How far the handles stand off the skin, and how large the small ones are, in metres.
HANDLE_GAP = 0.015
HANDLE_RADIUS = 0.012
HANDLE_CORNERS = 32
# Bones' theme colours in Blender's palette: blue, yellow, red.
PALETTES = {"neck": "THEME04", "head": "THEME04", JAW: "THEME09"}
EYE_PALETTE = "THEME01"


@dataclass(frozen=True)
class Handle:
    """A wire shape in a bone's own axes: points (N, 3) m, and pairs of them that edges join."""

    points: np.ndarray
    edges: list[tuple[int, int]]


def add_controls(rig: bpy.types.Object, head: bpy.types.Object, take: Take) -> None:
    """Limits, eye target and handles for the rig of `add_armature`, which carries `head`."""
    rig[EYE_TARGET] = 0.0
    rig.id_properties_ui(EYE_TARGET).update(
        min=0.0,
        max=1.0,
        description="How much the eyes follow the eye target, in place of their own keys",
    )
    for name in ("eye.L", "eye.R"):
        _follow_target(rig, rig.pose.bones[name])
    for name, ranges in LIMITS.items():
        _limit(rig.pose.bones[name], ranges)
    share_opening(rig, head, take)
    for bone in rig.pose.bones:
        bone.lock_scale = (True, True, True)
        bone.lock_location = (bone.name not in ("neck", EYE_TARGET),) * 3
    _add_handles(rig, take)


def widen_limits(rig: bpy.types.Object, turns: dict[str, np.ndarray]) -> None:
    """Make room for a performance: per bone the quaternions (N, 4) of its pose."""
    for name, quaternions in turns.items():
        angles = euler_from_matrix(matrix_from_quaternion(quaternions))
        limit = rig.pose.bones[name].constraints[LIMIT_NAME]
        for axis, values in zip(AXES, angles.T):
            lowest, highest = float(values.min()), float(values.max())
            low, high = getattr(limit, f"min_{axis}"), getattr(limit, f"max_{axis}")
            setattr(limit, f"min_{axis}", min(low, lowest - LIMIT_ROOM))
            setattr(limit, f"max_{axis}", max(high, highest + LIMIT_ROOM))


def target_position(take: Take) -> np.ndarray:
    """Where the eye target rests, (3,) in Blender's axes: straight ahead, between the eyes."""
    between = points_to_blender(_eye_centres(take).mean(axis=0))
    return between + EYE_TARGET_AHEAD * np.array(FORWARD)


def share_opening(rig: bpy.types.Object, head: bpy.types.Object, take: Take) -> None:
    """Let the jaw's bone open only as far as the shape jawOpen leaves it.

    Both open the mouth, and they would add up. The shape comes first, since it is what a take
    animates: the bone's limit is the full opening less the shape's part of it.
    """
    full = opening_angle(take)
    limit = rig.pose.bones[JAW].constraints[LIMIT_NAME]
    limit.max_x = full
    if JAW_SHAPE not in take.header.shape_names:
        return
    driver = limit.driver_add("max_x").driver
    read_property(driver, "a", head.data.shape_keys, value_path(JAW_SHAPE))
    driver.expression = f"{full:.4f} * max(0, 1 - a)"


def opening_angle(take: Take) -> float:
    """By how many radians about the jaw's joint the shape jawOpen opens the mouth.

    The rotation about the axis through the joint, from ear to ear, that best takes the vertices
    the bone holds to where the shape takes them.
    """
    usual = math.radians(LIMITS[JAW][0][1])
    index = take.header.bone_names.index(JAW)
    share = np.where(take.skin_index == index, take.skin_weight, 0.0).sum(axis=1)
    rigid = share > RIGID_SHARE
    if JAW_SHAPE not in take.header.shape_names or not rigid.any():
        return usual
    shut = take.neutral[rigid] - take.bone_head[index]
    open_ = shut + take.shapes[take.header.shape_names.index(JAW_SHAPE)][rigid]
    # In the plane of y (up) and z (forward), opening turns z towards -y.
    sine = (shut[:, 1] * open_[:, 2] - shut[:, 2] * open_[:, 1]).sum()
    cosine = (shut[:, 1:] * open_[:, 1:]).sum()
    angle = math.atan2(sine, cosine)
    return angle if angle > 0 else usual


def _eye_centres(take: Take) -> np.ndarray:
    """(2, 3) m in head space: left, right."""
    return take.bone_head[[take.header.bone_names.index(name) for name in ("eye.L", "eye.R")]]


def _follow_target(rig: bpy.types.Object, eye: bpy.types.PoseBone) -> None:
    track = eye.constraints.new("DAMPED_TRACK")
    track.name = TARGET_NAME
    track.target, track.subtarget = rig, EYE_TARGET
    track.track_axis = "TRACK_Y"  # a bone's y runs from its head to its tail
    driver = track.driver_add("influence").driver
    read_property(driver, "a", rig, f'["{EYE_TARGET}"]')
    driver.expression = "a"


def _limit(bone: bpy.types.PoseBone, ranges: tuple[tuple[float, float], ...]) -> None:
    limit = bone.constraints.new("LIMIT_ROTATION")
    limit.name = LIMIT_NAME
    limit.owner_space = "LOCAL"
    limit.euler_order = "XYZ"
    # The hand stops at the limit too; else the bone would hold more than it shows.
    limit.use_transform_limit = True
    for axis, (lowest, highest) in zip(AXES, ranges):
        setattr(limit, f"use_limit_{axis}", True)
        setattr(limit, f"min_{axis}", math.radians(lowest))
        setattr(limit, f"max_{axis}", math.radians(highest))


def _add_handles(rig: bpy.types.Object, take: Take) -> None:
    vertices = points_to_blender(take.neutral)
    left, right = _eye_centres(take)
    eye_gap = float(np.linalg.norm(left - right))
    for bone in rig.pose.bones:
        if bone.name in ("neck", "head"):
            handle = _ring_round(bone.bone, vertices)
        elif bone.name == EYE_TARGET:
            handle = _goggles(eye_gap)
        else:
            handle = _ring_ahead(bone.bone)
        bone.custom_shape = _handle_object(f"{rig.name} {bone.name}", handle)
        bone.use_custom_shape_bone_size = False
        bone.bone.color.palette = PALETTES.get(bone.name, EYE_PALETTE)


def _handle_object(name: str, handle: Handle) -> bpy.types.Object:
    """In no collection: it shows on its bone alone, and goes when the rig goes."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(handle.points.tolist(), handle.edges, [])
    return bpy.data.objects.new(name, mesh)


def _ring(centre: tuple[float, float, float], across: float, along: float) -> Handle:
    """An ellipse in a bone's x and z."""
    turn = np.linspace(0.0, 2.0 * np.pi, HANDLE_CORNERS, endpoint=False)
    flat = np.stack([across * np.cos(turn), np.zeros_like(turn), along * np.sin(turn)], axis=1)
    edges = [(i, (i + 1) % HANDLE_CORNERS) for i in range(HANDLE_CORNERS)]
    return Handle(flat + centre, edges)


def _ring_round(bone: bpy.types.Bone, vertices: np.ndarray) -> Handle:
    """Round the skin where the bone's middle is."""
    inverse = np.array(bone.matrix_local.inverted())
    local = vertices @ inverse[:3, :3].T + inverse[:3, 3]
    level = bone.length / 2
    near = local[np.abs(local[:, 1] - level) < HANDLE_GAP]
    near = near if len(near) else local
    low, high = near.min(axis=0), near.max(axis=0)
    (x, _, z), (across, _, along) = (low + high) / 2, (high - low) / 2 + HANDLE_GAP
    return _ring((x, level, z), across, along)


def _ring_ahead(bone: bpy.types.Bone) -> Handle:
    return _ring((0.0, bone.length + HANDLE_GAP, 0.0), HANDLE_RADIUS, HANDLE_RADIUS)


def _goggles(eye_gap: float) -> Handle:
    """A ring before each eye, joined by a bridge."""
    left = _ring((eye_gap / 2, 0.0, 0.0), HANDLE_RADIUS, HANDLE_RADIUS)
    right = _ring((-eye_gap / 2, 0.0, 0.0), HANDLE_RADIUS, HANDLE_RADIUS)
    shifted = [(i + HANDLE_CORNERS, j + HANDLE_CORNERS) for i, j in right.edges]
    bridge = (HANDLE_CORNERS // 2, HANDLE_CORNERS)  # the points of both that face one another
    return Handle(np.concatenate([left.points, right.points]), [*left.edges, *shifted, bridge])
