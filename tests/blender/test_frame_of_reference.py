# SPDX-License-Identifier: GPL-3.0-or-later
"""Axes and rotations, held against mathutils and against each other."""

import bpy  # noqa: F401  (brings mathutils with it)
import fabricate
import numpy as np
import pytest
from mathutils import Quaternion

from blender_addon.scene import frame_of_reference as reference


@pytest.fixture
def quaternions():
    random = np.random.default_rng(1).standard_normal((200, 4))
    # The ends of every branch: half turns about each axis, and none at all.
    corners = np.concatenate([np.eye(4), -np.eye(4)])
    all_of_them = np.concatenate([random, corners])
    return all_of_them / np.linalg.norm(all_of_them, axis=1, keepdims=True)


def test_matrices_agree_with_blender(quaternions):
    matrices = reference.matrix_from_quaternion(quaternions)
    expected = [np.array(Quaternion(q).to_matrix()) for q in quaternions]
    np.testing.assert_allclose(matrices, expected, atol=1e-6)


def test_quaternions_survive_the_way_through_matrices(quaternions):
    back = reference.quaternion_from_matrix(reference.matrix_from_quaternion(quaternions))
    np.testing.assert_allclose(np.abs(np.sum(back * quaternions, axis=1)), 1.0, atol=1e-12)
    assert (back[:, 0] >= 0).all()


def test_a_face_looking_into_the_lens_is_unrotated():
    half_turn = reference.matrix_from_quaternion(fabricate.LOOKING_INTO_THE_LENS)
    rotation, position = reference.pose_to_world(half_turn, np.array([0.1, 0.2, 0.6]))
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-12)
    # Right in the picture is x, down is -z, away from the camera is y.
    np.testing.assert_allclose(position, [0.1, 0.6, -0.2])


def test_the_head_keeps_its_left_and_its_up():
    left, up, forward = reference.points_to_blender(np.eye(3))
    np.testing.assert_array_equal(left, [1, 0, 0])
    np.testing.assert_array_equal(up, [0, 0, 1])
    np.testing.assert_array_equal(forward, [0, -1, 0])


def test_slerp_agrees_with_blender(quaternions):
    starts, ends = quaternions[:100], quaternions[100:200]
    share = np.linspace(0.0, 1.0, 100)
    mixed = reference.slerp(starts, ends, share)
    for start, end, amount, result in zip(starts, ends, share, mixed):
        expected = np.array(Quaternion(start).slerp(Quaternion(end), amount))
        assert abs(expected @ result) == pytest.approx(1.0, abs=1e-5)


def test_slerp_of_equal_rotations(quaternions):
    mixed = reference.slerp(quaternions, -quaternions, np.full(len(quaternions), 0.3))
    np.testing.assert_allclose(np.abs(np.sum(mixed * quaternions, axis=1)), 1.0, atol=1e-12)


def test_unrolled_keeps_rotations_and_joins_signs():
    angle = np.linspace(0.0, 4.0 * np.pi, 90)
    turning = np.stack([np.cos(angle / 2), 0 * angle, 0 * angle, np.sin(angle / 2)], axis=1)
    torn = turning * np.where(np.arange(90) % 7 < 3, 1.0, -1.0)[:, None]
    joined = reference.unrolled(torn)
    assert (np.sum(joined[1:] * joined[:-1], axis=1) > 0).all()
    np.testing.assert_allclose(np.abs(np.sum(joined * turning, axis=1)), 1.0)
    np.testing.assert_array_equal(reference.unrolled(torn[:1]), torn[:1])


def test_mean_rotation_does_not_mind_signs():
    angle = np.array([-0.2, 0.1, 0.4])
    turning = np.stack([np.cos(angle / 2), np.sin(angle / 2), 0 * angle, 0 * angle], axis=1)
    mean = reference.mean_rotation(turning * np.array([[1.0], [-1.0], [1.0]]))
    assert 2 * np.arctan2(mean[1], mean[0]) == pytest.approx(0.1, abs=2e-3)
