# SPDX-License-Identifier: GPL-3.0-or-later
"""The rig in an animator's hands: eye target, limits, and one opening for jaw bone and jawOpen."""

import math

import bpy  # before mathutils, which comes with it
import fabricate
import numpy as np
import pytest
from mathutils import Euler, Vector
from test_scene import evaluated_vertices

from blender_addon.scene.apply import apply_to_new_head
from blender_addon.scene.character import add_posable_head
from blender_addon.scene.controls import EYE_TARGET, LIMITS, opening_angle
from blender_addon.take import read_take


@pytest.fixture
def real(tmp_path):
    return read_take(fabricate.write(tmp_path / "real.mien.npz", fabricate.real_take()))


@pytest.fixture
def posable(empty_scene, real):
    """The real head, at rest and free."""
    return add_posable_head(empty_scene.context, real, "Mien")


def update():
    bpy.context.view_layer.update()


def shown_bone(rig, name):
    """A pose bone with its constraints and drivers at work."""
    return rig.evaluated_get(bpy.context.evaluated_depsgraph_get()).pose.bones[name]


def gaze(rig, name) -> Vector:
    """The direction of an eye in the armature's space."""
    return shown_bone(rig, name).matrix.to_3x3().col[1].normalized()


def test_the_posable_head_stands_at_the_cursor(empty_scene, real):
    empty_scene.context.scene.cursor.location = (1.0, 2.0, 3.0)
    made = add_posable_head(empty_scene.context, real, "Mien")
    update()
    middle = np.array(made.rig.matrix_world.translation)
    np.testing.assert_allclose(middle, (1.0, 2.0, 3.0))
    assert empty_scene.context.object is made.head
    assert made.rig.animation_data.action is None
    heights = evaluated_vertices(made.head)[:, 2]
    assert 0.2 < np.ptp(heights) < 0.5


def test_the_eyes_follow_the_target(posable):
    target = posable.rig.pose.bones[EYE_TARGET]
    for place in ((0.0, 0.0, 0.0), (0.1, 0.05, 0.0), (-0.15, -0.1, 0.05)):
        target.location = place
        update()
        aim = shown_bone(posable.rig, EYE_TARGET).head
        for name in ("eye.L", "eye.R"):
            wanted = (aim - shown_bone(posable.rig, name).head).normalized()
            assert gaze(posable.rig, name).angle(wanted) < 1e-3


def test_the_target_cannot_turn_the_eyes_out_of_their_sockets(posable):
    target = posable.rig.pose.bones[EYE_TARGET]
    # Its own axes: y forward, z up. Far to one side.
    target.location = (3.0, 0.0, 0.0)
    update()
    for name in ("eye.L", "eye.R"):
        assert gaze(posable.rig, name).angle(Vector((0, -1, 0))) < math.radians(47)


def test_a_head_turns_beneath_its_gaze(posable):
    """The eyes stay on the target while the head nods."""
    posable.rig.pose.bones["head"].rotation_quaternion = Euler((0.2, 0.1, 0)).to_quaternion()
    update()
    aim = shown_bone(posable.rig, EYE_TARGET).head
    for name in ("eye.L", "eye.R"):
        wanted = (aim - shown_bone(posable.rig, name).head).normalized()
        assert gaze(posable.rig, name).angle(wanted) < 1e-3


def test_a_capture_keeps_its_own_gaze(empty_scene, tmp_path):
    """At the ends of what a capture gives: yaw 0.65, pitch 0.45 radians."""
    arrays = fabricate.real_take(4)
    turns = [(0.65, 0.45), (-0.65, -0.45), (0.65, -0.45), (0.0, 0.0)]
    for row, (yaw, pitch) in enumerate(turns):
        up = fabricate._turn((1.0, 0.0, 0.0), np.array([-pitch]))
        aside = fabricate._turn((0.0, 1.0, 0.0), np.array([yaw]))
        arrays["eye_rotation"][row] = fabricate.multiply(aside, up)
    take = read_take(fabricate.write(tmp_path / "look.mien.npz", arrays))
    made = apply_to_new_head(empty_scene.context, take, "look")
    assert made.rig[EYE_TARGET] == 0.0
    for row, (yaw, pitch) in enumerate(turns):
        empty_scene.context.scene.frame_set(row + 1)
        ahead = take.bone_tail[3] - take.bone_head[3]
        look = fabricate.rotate(arrays["eye_rotation"][row, 0], ahead[None])[0]
        wanted = Vector((look[0], -look[2], look[1]))
        head = shown_bone(made.rig, "head")
        turned = head.matrix.to_3x3() @ head.bone.matrix_local.to_3x3().inverted() @ wanted
        assert gaze(made.rig, "eye.L").angle(turned) < 1e-3


def test_limits_hold_the_hand(posable):
    for name, ranges in LIMITS.items():
        if name.startswith("eye"):
            posable.rig[EYE_TARGET] = 0.0
        for axis in range(3):
            for sign, bound in zip((-1, 1), ranges[axis]):
                angles = [0.0, 0.0, 0.0]
                angles[axis] = sign * 1.2
                bone = posable.rig.pose.bones[name]
                bone.rotation_quaternion = Euler(angles).to_quaternion()
                posable.rig.update_tag()
                update()
                turn = shown_bone(posable.rig, name)
                parent = shown_bone(posable.rig, bone.parent.name) if bone.parent else None
                local = (
                    turn.bone.convert_local_to_pose(
                        turn.matrix,
                        turn.bone.matrix_local,
                        parent_matrix=parent.matrix if parent else turn.bone.matrix_local,
                        parent_matrix_local=(
                            parent.bone.matrix_local if parent else turn.bone.matrix_local
                        ),
                        invert=True,
                    )
                    if parent
                    else turn.bone.matrix_local.inverted() @ turn.matrix
                )
                shown = local.to_euler()[axis]
                if name == "jaw" and axis == 0 and sign > 0:
                    continue  # the next test's
                assert shown == pytest.approx(math.radians(bound), abs=1e-3), (name, axis, sign)
                bone.rotation_quaternion = (1, 0, 0, 0)


def test_a_wild_capture_is_not_held_back(empty_scene, tmp_path):
    """A head that turns beyond what a neck can do is still shown as it was captured."""
    arrays = fabricate.small_take(3)
    turns = fabricate._turn((0.0, 1.0, 0.0), np.array([-1.4, 0.0, 1.4]))
    arrays["head_rotation"] = fabricate.multiply(fabricate.LOOKING_INTO_THE_LENS, turns)
    take = read_take(fabricate.write(tmp_path / "wild.mien.npz", arrays))
    made = apply_to_new_head(empty_scene.context, take, "wild")
    for row, angle in ((0, 1.4), (1, 0.0), (2, 1.4)):
        empty_scene.context.scene.frame_set(row + 1)
        head = shown_bone(made.rig, "head")
        turned = head.matrix.to_3x3() @ head.bone.matrix_local.to_3x3().inverted()
        assert turned.to_quaternion().angle == pytest.approx(angle, abs=1e-3)


def test_jaw_bone_and_shape_share_one_opening(posable, real):
    """However the two are set, the chin never drops further than one of them takes it."""
    jaw_bone = posable.rig.pose.bones["jaw"]
    jaw_shape = posable.head.data.shape_keys.key_blocks["jawOpen"]
    share = np.where(real.skin_index == 2, real.skin_weight, 0).sum(axis=1)
    chin = np.flatnonzero(share > 0.95)
    chin = chin[np.argsort(real.neutral[chin, 1])[:20]]  # the lowest

    def drop(bone: float, shape: float) -> float:
        jaw_bone.rotation_quaternion = Euler((bone, 0, 0)).to_quaternion()
        jaw_shape.value = shape
        update()
        return float(rest - evaluated_vertices(posable.head)[chin, 2].mean())

    rest = 0.0
    rest = -drop(0.0, 0.0)
    by_shape, by_bone = drop(0.0, 1.0), drop(2.0, 0.0)
    assert by_shape > 0.01
    # The shape is drawn, not a pure turn: its chin drops a little further than its teeth.
    assert by_bone == pytest.approx(by_shape, rel=0.2)
    for bone in (0.1, 0.3, 2.0):
        for shape in (0.0, 0.25, 0.5, 0.75, 1.0, 1.5):
            alone = drop(0.0, shape)
            both = drop(bone, shape)
            assert alone - 1e-5 <= both <= 1.03 * max(by_shape, by_bone, alone)
    assert drop(2.0, 1.0) == pytest.approx(by_shape, abs=1e-5)
    assert drop(2.0, 0.5) == pytest.approx((by_shape + by_bone) / 2, rel=0.1)


def test_the_opening_of_the_real_head_is_a_mouths(real):
    assert math.radians(10) < opening_angle(real) < math.radians(35)


def test_bones_have_handles_and_the_sliders_a_word(posable):
    for bone in posable.rig.pose.bones:
        assert bone.custom_shape is not None
        assert not bone.custom_shape.users_collection
    words = posable.rig.id_properties_ui(EYE_TARGET).as_dict()
    assert words["description"] and (words["min"], words["max"]) == (0.0, 1.0)
