# SPDX-License-Identifier: GPL-3.0-or-later
"""A take's turning head on a character of another make: its axes, its head bone, its channels.

A character's armature may come from any tool: lying on its back in its own axes (y up), scaled by
a hundred, turned on the stage. Its face tells which way it looks: the vertices that close the left
eye lie to the left of those that close the right, and both above those that open the jaw.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..take import Take
from .curves import Channel, vector_channels
from .frame_of_reference import (
    matrix_from_quaternion,
    mean_rotation,
    points_to_blender,
    pose_to_world,
    quaternion_from_matrix,
    unrolled,
)
from .timing import Performance

# Of the largest movement in a shape: what moves less than this says little about where it is.
MOVES = 0.3

# Rest axes of a character are those of its tool, so an estimate nearer than this to a right angle
# means the right angle.
SNAP_COSINE = np.cos(np.radians(30.0))

# Of the eyes' distance: a jaw no lower than this below them tells no up.
SMALLEST_HEIGHT = 0.1

# The shapes that tell where a face is: they move what lies left, right, and below.
LANDMARKS = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen")

# Objects with shape keys, each with the names of its keys by a take's names.
Matched = list[tuple[bpy.types.Object, dict[str, tuple[str, ...]]]]


@dataclass(frozen=True)
class Face:
    """How a face lies: columns left, back and up (3, 3); between its eyes (3,); how far apart."""

    axes: np.ndarray
    centre: np.ndarray
    eye_gap: float


def find_face(meshes: Matched, space: bpy.types.Object, take: Take) -> Matrix | None:
    """Takes head space, in Blender's axes, onto a character's face at rest in the axes of `space`.

    The face is found on the take's head in the same way, so that what the shapes tell amiss about
    both cancels. None where no mesh closes both eyes and opens the jaw.
    """
    ours = _face_of_take(take)
    if ours is None:
        return None
    for mesh, matches in meshes:
        places = [_place_on_mesh(mesh, matches, shape) for shape in LANDMARKS]
        if any(place is None for place in places):
            continue
        to_space = space.matrix_world.inverted() @ mesh.matrix_world
        theirs = _face(*(np.array(to_space @ Vector(place)) for place in places))
        if theirs is None:
            continue
        turn = _snapped(theirs.axes @ ours.axes.T) * (theirs.eye_gap / ours.eye_gap)
        matrix = np.eye(4)
        matrix[:3, :3], matrix[:3, 3] = turn, theirs.centre - turn @ ours.centre
        return Matrix(matrix.tolist())
    return None


def head_channels(
    rig: bpy.types.Object, bone: str, performance: Performance, face: Matrix | None
) -> list[Channel]:
    """The channels that turn a bone as the head turns about its mean, in the bone's own rest axes.

    Args:
        face: as `find_face` gives it in the rig's axes; without one it looks along the rig's -y.
    """
    axes = np.eye(3) if face is None else np.array(face.to_3x3().normalized())
    turned, _ = pose_to_world(
        matrix_from_quaternion(performance.head_rotation), performance.head_position
    )
    found = performance.found if performance.found.any() else np.ones_like(performance.found)
    mean = matrix_from_quaternion(mean_rotation(quaternion_from_matrix(turned[found])))
    relative = axes @ (mean.T @ turned) @ axes.T
    rest = np.array(rig.data.bones[bone].matrix_local.to_3x3().normalized(), np.float64)
    return _rotation_channels(rig.pose.bones[bone], rest.T @ relative @ rest)


def _rotation_channels(bone: bpy.types.PoseBone, rotation: np.ndarray) -> list[Channel]:
    """Rotations (N, 3, 3) as the channels that the bone's own rotation mode reads."""
    path = f'pose.bones["{bpy.utils.escape_identifier(bone.name)}"].'
    quaternions = unrolled(quaternion_from_matrix(rotation))
    if bone.rotation_mode == "QUATERNION":
        return vector_channels(path + "rotation_quaternion", quaternions, bone.name)
    if bone.rotation_mode == "AXIS_ANGLE":
        half = np.arccos(np.clip(quaternions[:, 0], -1.0, 1.0))
        sine = np.sin(half)[:, None]
        axis = np.where(sine > 1e-6, quaternions[:, 1:] / np.maximum(sine, 1e-6), [0.0, 1.0, 0.0])
        return vector_channels(path + "rotation_axis_angle", np.c_[2 * half, axis], bone.name)
    angles = np.empty((len(rotation), 3))
    euler = Matrix(rotation[0].tolist()).to_euler(bone.rotation_mode)
    for row, matrix in enumerate(rotation):
        # The angles nearest to those of the frame before.
        euler = Matrix(matrix.tolist()).to_euler(bone.rotation_mode, euler)
        angles[row] = euler
    return vector_channels(path + "rotation_euler", angles, bone.name)


def _face(left: np.ndarray, right: np.ndarray, jaw: np.ndarray) -> Face | None:
    """The face with its eyes and jaw at these places; None where they tell nothing."""
    gap = float(np.linalg.norm(left - right))
    if gap == 0.0:
        return None
    centre, leftward = (left + right) / 2, (left - right) / gap
    up = centre - jaw
    up = up - leftward * (leftward @ up)
    height = np.linalg.norm(up)
    if height < SMALLEST_HEIGHT * gap:
        return None
    up = up / height
    return Face(np.stack([leftward, np.cross(up, leftward), up], axis=1), centre, gap)


def _face_of_take(take: Take) -> Face | None:
    names = take.header.shape_names
    if any(shape not in names for shape in LANDMARKS):
        return None
    rest = points_to_blender(take.neutral).astype(np.float64)
    offsets = (take.shapes[names.index(shape)] for shape in LANDMARKS)
    places = [_middle(rest, np.linalg.norm(offset, axis=1)) for offset in offsets]
    return None if any(place is None for place in places) else _face(*places)


def _place_on_mesh(
    mesh: bpy.types.Object, matches: dict[str, tuple[str, ...]], shape: str
) -> np.ndarray | None:
    """The middle (3,) of what a shape moves most, in the mesh's axes."""
    keys = mesh.data.shape_keys
    if shape not in matches:
        return None
    rest = _points(keys.reference_key)
    moved = [_points(keys.key_blocks[name]) - rest for name in matches[shape]]
    return _middle(rest, np.linalg.norm(sum(moved), axis=1))


def _middle(rest: np.ndarray, moved: np.ndarray) -> np.ndarray | None:
    """The mean (3,) of points (V, 3), by how far each moves (V,); None where none does."""
    if moved.max() == 0.0:
        return None
    share = np.where(moved > MOVES * moved.max(), moved, 0.0)
    return share @ rest / share.sum()


def _points(block: bpy.types.ShapeKey) -> np.ndarray:
    points = np.empty(3 * len(block.data), np.float32)
    block.data.foreach_get("co", points)
    return points.reshape(-1, 3).astype(np.float64)


def _snapped(axes: np.ndarray) -> np.ndarray:
    """The right angles that an estimate means, or the estimate where it means none."""
    nearest = np.zeros_like(axes)
    for column in range(3):
        row = np.argmax(np.abs(axes[:, column]))
        nearest[row, column] = np.sign(axes[row, column])
    is_near = (np.sum(axes * nearest, axis=0) > SNAP_COSINE).all()
    return nearest if is_near and np.linalg.det(nearest) > 0.5 else axes
