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
from mathutils import Matrix

from .curves import Channel, vector_channels
from .frame_of_reference import (
    matrix_from_quaternion,
    mean_rotation,
    pose_to_world,
    quaternion_from_matrix,
    unrolled,
)
from .timing import Performance

# Of the largest movement in a shape: what moves less than this says little about where it is.
MOVES = 0.3

# Rest axes of a character are those of its tool, so an estimate nearer than this to a right angle
# means the right angle. The line from eyes to jaw leans by some 10 degrees on real faces.
SNAP_COSINE = np.cos(np.radians(30.0))


@dataclass(frozen=True)
class FaceFrame:
    """Where a character's face is and how it lies, in some object's own axes, at rest.

    `axes` has the columns left, back and up, as Blender's x, y and z for a face along -y; `centre`
    (3,) lies between the eyes, `eye_gap` is their distance in the same unit.
    """

    axes: np.ndarray
    centre: np.ndarray
    eye_gap: float


def find_face(
    meshes: list[tuple[bpy.types.Object, dict[str, tuple[str, ...]]]], space: bpy.types.Object
) -> FaceFrame | None:
    """The face in the axes of `space`; None where no mesh closes both eyes and opens the jaw.

    Args:
        meshes: objects with shape keys, each with the names of its keys by those of a take.
    """
    for mesh, matches in meshes:
        places = [_place(mesh, matches, name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
        jaw = _place(mesh, matches, "jawOpen")
        if jaw is None or any(place is None for place in places):
            continue
        to_space = np.array(space.matrix_world.inverted() @ mesh.matrix_world)
        left, right, jaw = (to_space[:3, :3] @ p + to_space[:3, 3] for p in (*places, jaw))
        gap = float(np.linalg.norm(left - right))
        if gap == 0.0:
            continue
        centre = (left + right) / 2
        axis_left = (left - right) / gap
        up = centre - jaw
        up = up - axis_left * (axis_left @ up)
        if np.linalg.norm(up) == 0.0:
            continue
        up = up / np.linalg.norm(up)
        axes = np.stack([axis_left, np.cross(up, axis_left), up], axis=1)
        return FaceFrame(_snapped(axes), centre, gap)
    return None


def face_matrix(face: FaceFrame, eye_gap: float) -> Matrix:
    """Takes a take's head space in Blender's axes, its eyes so far apart, onto the face."""
    matrix = np.eye(4)
    matrix[:3, :3] = face.axes * (face.eye_gap / eye_gap)
    matrix[:3, 3] = face.centre
    return Matrix(matrix.tolist())


def head_channels(
    rig: bpy.types.Object, bone: str, performance: Performance, face: FaceFrame | None
) -> list[Channel]:
    """The channels that turn a bone as the head turns about its mean, in the bone's own rest axes.

    Args:
        face: in the rig's axes; without one it looks along the rig's -y.
    """
    axes = np.eye(3) if face is None else face.axes
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
        return vector_channels(path + "rotation_quaternion", quaternions)
    if bone.rotation_mode == "AXIS_ANGLE":
        half = np.arccos(np.clip(quaternions[:, 0], -1.0, 1.0))
        sine = np.sin(half)[:, None]
        axis = np.where(sine > 1e-6, quaternions[:, 1:] / np.maximum(sine, 1e-6), [0.0, 1.0, 0.0])
        return vector_channels(path + "rotation_axis_angle", np.c_[2 * half, axis])
    angles = np.empty((len(rotation), 3))
    euler = Matrix(rotation[0].tolist()).to_euler(bone.rotation_mode)
    for row, matrix in enumerate(rotation):
        # The angles nearest to those of the frame before.
        euler = Matrix(matrix.tolist()).to_euler(bone.rotation_mode, euler)
        angles[row] = euler
    return vector_channels(path + "rotation_euler", angles)


def _place(
    mesh: bpy.types.Object, matches: dict[str, tuple[str, ...]], shape: str
) -> np.ndarray | None:
    """The middle (3,) of what a shape moves most, in the mesh's axes, by how far it moves."""
    blocks = mesh.data.shape_keys.key_blocks
    names = matches.get(shape, ())
    if not names:
        return None
    rest = _points(mesh.data.shape_keys.reference_key)
    moved = np.linalg.norm(_points(blocks[names[0]]) - rest, axis=1)
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
