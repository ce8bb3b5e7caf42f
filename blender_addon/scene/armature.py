# SPDX-License-Identifier: GPL-3.0-or-later
"""The armature: five bones that carry the head's pose and turn the eyes, and a target for them.

The armature object stands at the mean pose of the performance, so that the bones' channels are
small movements about a rest pose that already lies over the footage. The `head` bone takes the
face exactly to the take's pose. The `neck` bone shares the turning: it moves with the joint at the
head's base and turns part of the way, so that the collar neither tears nor spins with the chin.
The `jaw` bone is for posing by hand: the take opens the mouth by the shape `jawOpen`. The bone
`eye_target` is the animator's own: no take moves it (see `controls`).
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Vector

from ..take import Take
from .controls import EYE_TARGET, ROLLS, target_position, widen_limits
from .curves import Channel, vector_channels
from .frame_of_reference import (
    matrix_from_quaternion,
    mean_rotation,
    points_to_blender,
    pose_to_world,
    quaternion_from_matrix,
    rotation_to_blender,
    slerp,
    unrolled,
)
from .timing import Performance

# The neck's share of the head's turn: about half of it happens at the two uppermost vertebrae,
# the rest is spread over the neck below.
NECK_SHARE = 0.5

# Blender drops bones shorter than this when edit mode ends.
SHORTEST_BONE = 1e-3
EYE_TARGET_LENGTH = 0.03

FOUND_PROPERTY = "mien_found"
CONFIDENCE_PROPERTY = "mien_confidence"


@dataclass(frozen=True)
class Pose:
    """Rigid placements v -> rotation @ v + position, (..., 3, 3) and (..., 3) float64."""

    rotation: np.ndarray
    position: np.ndarray

    def __matmul__(self, other: Pose) -> Pose:
        return Pose(self.rotation @ other.rotation, self.apply(other.position))

    def apply(self, points: np.ndarray) -> np.ndarray:
        return np.einsum("...ij,...j->...i", self.rotation, points) + self.position

    def inverse(self) -> Pose:
        back = np.swapaxes(self.rotation, -1, -2)
        return Pose(back, -np.einsum("...ij,...j->...i", back, self.position))


def add_armature(
    context: bpy.types.Context, name: str, take: Take, collection: bpy.types.Collection
) -> bpy.types.Object:
    """The armature at rest: bones named as in the take and the eyes' target, at the origin."""
    data = bpy.data.armatures.new(name)
    # In front of the face, yet thin enough to see it.
    data.display_type = "STICK"
    rig = bpy.data.objects.new(name, data)
    rig.show_in_front = True
    collection.objects.link(rig)
    _add_bones(context, rig, take)
    for bone in rig.pose.bones:
        bone.rotation_mode = "QUATERNION"
    return rig


def _add_bones(context: bpy.types.Context, rig: bpy.types.Object, take: Take) -> None:
    heads, tails = points_to_blender(take.bone_head), points_to_blender(take.bone_tail)
    layer = context.view_layer
    previous = layer.objects.active
    layer.objects.active = rig
    # Bones can only be made in edit mode.
    bpy.ops.object.mode_set(mode="EDIT")
    bones = []
    for index, name in enumerate(take.header.bone_names):
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail = heads[index], tails[index]
        if bone.length < SHORTEST_BONE:
            bone.tail = bone.head + Vector((0.0, 0.0, SHORTEST_BONE))
        if take.bone_parent[index] >= 0:
            bone.parent = bones[take.bone_parent[index]]
        bone.align_roll(ROLLS[name])
        bones.append(bone)
    _add_eye_target(rig.data.edit_bones.new(EYE_TARGET), take)
    bpy.ops.object.mode_set(mode="OBJECT")
    layer.objects.active = previous or rig


def _add_eye_target(bone: bpy.types.EditBone, take: Take) -> None:
    """In nobody's hand: the eyes stay on what they look at while the head turns."""
    bone.head = target_position(take)
    bone.tail = bone.head + EYE_TARGET_LENGTH * ROLLS["neck"]
    bone.align_roll(ROLLS[EYE_TARGET])
    bone.use_deform = False


def bind(head: bpy.types.Object, rig: bpy.types.Object, take: Take) -> None:
    """Let the armature carry the mesh by the take's skin weights."""
    for index, name in enumerate(take.header.bone_names):
        group = head.vertex_groups.new(name=name)
        share = np.where(take.skin_index == index, take.skin_weight, 0.0).sum(axis=1)
        # One call for each distinct share: vertex groups have no bulk setter.
        for value in np.unique(share[share > 0]):
            vertices = np.flatnonzero(share == value)
            group.add(vertices.tolist(), float(value), "REPLACE")
    modifier = head.modifiers.new("Armature", "ARMATURE")
    modifier.object = rig
    head.parent = rig


def mean_pose(performance: Performance) -> Matrix:
    """Where the head is in the middle of the performance, seen by a camera at the origin."""
    matrix = np.eye(4)
    stand = _mean_pose(_head_pose(performance), performance.found)
    matrix[:3, :3], matrix[:3, 3] = stand.rotation, stand.position
    return Matrix(matrix.tolist())


def pose_channels(rig: bpy.types.Object, performance: Performance) -> list[Channel]:
    """The bones' channels in an armature object that stands at the performance's mean pose.

    Widens the limits of bones that the performance turns further.
    """
    head = _head_pose(performance)
    head = _mean_pose(head, performance.found).inverse() @ head
    bones = {name: _rest(rig.data.bones[name]) for name in ("neck", "head", "eye.L", "eye.R")}
    neck = _neck_pose(head, joint=bones["head"].position)
    movements = {"neck": neck, "head": neck.inverse() @ head}
    for side, name in enumerate(("eye.L", "eye.R")):
        turn = matrix_from_quaternion(performance.eye_rotation[:, side])
        movements[name] = _about(bones[name].position, rotation_to_blender(turn))
    # A pose bone's channels count in its own rest axes.
    basis = {name: bones[name].inverse() @ m @ bones[name] for name, m in movements.items()}
    turns = {name: unrolled(quaternion_from_matrix(b.rotation)) for name, b in basis.items()}
    widen_limits(rig, turns)
    channels = vector_channels(_path("neck", "location"), basis["neck"].position, "neck")
    for name, quaternions in turns.items():
        # Only the root needs a location: the movement of the others keeps their joint.
        channels += vector_channels(_path(name, "rotation_quaternion"), quaternions, name)
    return channels


def found_channels(rig: bpy.types.Object, performance: Performance) -> list[Channel]:
    """Two animated properties of the armature object: was a face seen, and how surely."""
    rig[FOUND_PROPERTY] = True
    rig.id_properties_ui(FOUND_PROPERTY).update(
        description="Whether a face was seen in this frame; else the movement is bridged"
    )
    rig[CONFIDENCE_PROPERTY] = 1.0
    rig.id_properties_ui(CONFIDENCE_PROPERTY).update(
        min=0.0, max=1.0, description="How sure the capture is of this frame"
    )
    return [
        Channel(f'["{FOUND_PROPERTY}"]', performance.found.astype(float), interpolation="CONSTANT"),
        Channel(f'["{CONFIDENCE_PROPERTY}"]', performance.confidence),
    ]


def _head_pose(performance: Performance) -> Pose:
    """The head's placement in the world in every frame, seen by a camera at the origin."""
    return Pose(
        *pose_to_world(
            matrix_from_quaternion(performance.head_rotation),
            np.asarray(performance.head_position, np.float64),
        )
    )


def _mean_pose(head: Pose, found: np.ndarray) -> Pose:
    """The middle of all frames with a face, or of all frames where none was found."""
    rows = found if found.any() else np.ones_like(found)
    mean = mean_rotation(quaternion_from_matrix(head.rotation[rows]))
    return Pose(matrix_from_quaternion(mean), head.position[rows].mean(axis=0))


def _neck_pose(head: Pose, joint: np.ndarray) -> Pose:
    """The pose that turns by the neck's share and takes the joint where the head takes it."""
    full = quaternion_from_matrix(head.rotation)
    rest = np.broadcast_to([1.0, 0.0, 0.0, 0.0], full.shape)
    rotation = matrix_from_quaternion(slerp(rest, full, np.full(len(full), NECK_SHARE)))
    return Pose(rotation, head.apply(joint) - rotation @ joint)


def _about(centre: np.ndarray, rotation: np.ndarray) -> Pose:
    return Pose(rotation, centre - rotation @ centre)


def _path(bone: str, channel: str) -> str:
    return f'pose.bones["{bpy.utils.escape_identifier(bone)}"].{channel}'


def _rest(bone: bpy.types.Bone) -> Pose:
    matrix = np.array(bone.matrix_local, np.float64)
    return Pose(matrix[:3, :3], matrix[:3, 3])
