# SPDX-License-Identifier: GPL-3.0-or-later
"""Gains, offsets in time, and baking: what Blender then shows, and that it can be taken back."""

from pathlib import Path

import bpy
import fabricate
import numpy as np
import pytest

from blender_addon.scene import refine
from blender_addon.scene.apply import apply_to_head, apply_to_new_head
from blender_addon.scene.curves import curves_of
from blender_addon.scene.regions import region_of
from blender_addon.take import read_take

MOUTH = [i for i, name in enumerate(fabricate.SHAPE_NAMES) if region_of(name) == "Mouth"]


@pytest.fixture
def take(take_file):
    return read_take(take_file)


@pytest.fixture
def head(empty_scene, take, take_file):
    return apply_to_new_head(empty_scene.context, take, "nod", path=take_file).head


def shown(head, frame: int) -> np.ndarray:
    """The weights (52,) that Blender evaluates."""
    bpy.context.scene.frame_set(frame)
    keys = head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.shape_keys
    return np.array([block.value for block in keys.key_blocks[1:53]])


def number_of_keys(head) -> list[int]:
    return [len(curve.keyframe_points) for curve in curves_of(head.data.shape_keys)]


def test_a_gain_changes_its_region_alone(head, take):
    refine.set_gain(head, "Mouth", 1.6, -0.25)
    assert refine.gain_of(head, "Mouth") == pytest.approx((1.6, -0.25))
    assert refine.gain_of(head, "Jaw") == (1.0, 0.0)
    for frame in (1, 8, 24):
        expected = take.weights[frame - 1].astype(float)
        expected[MOUTH] = expected[MOUTH] * 1.6 - 0.25
        np.testing.assert_allclose(shown(head, frame), expected, atol=1e-5)


def test_a_gain_shows_at_once_and_leaves_no_trace(head, take):
    scene = bpy.context.scene
    scene.frame_set(8)
    expected = take.weights[7, fabricate.SHAPE_NAMES.index("jawOpen")]
    for gain in (0.5, 2.0, 0.0, 0.001):
        refine.set_gain(head, "Jaw", gain, 0.0)
        assert refine.gain_of(head, "Jaw") == pytest.approx((gain, 0.0), rel=1e-5)
        bpy.context.view_layer.update()
        value = head.data.shape_keys.key_blocks["jawOpen"].value
        assert value == pytest.approx(gain * expected, abs=1e-5)
    refine.set_gain(head, "Jaw", 1.0, 0.0)
    assert all(len(curve.modifiers) == 0 for curve in curves_of(head.data.shape_keys))
    np.testing.assert_allclose(shown(head, 8), take.weights[7], atol=1e-5)


def test_an_animators_own_modifier_stays(head):
    [curve] = [c for c in curves_of(head.data.shape_keys) if "jawOpen" in c.data_path]
    own = curve.modifiers.new("ENVELOPE")
    own.control_points.add(1.0)
    own.control_points.add(9.0)
    assert refine.gain_of(head, "Jaw") == (1.0, 0.0)
    refine.set_gain(head, "Jaw", 2.0, 0.0)
    refine.set_gain(head, "Jaw", 1.0, 0.0)
    assert list(curve.modifiers) == [own]


def test_the_regions_of_a_head(head, empty_scene):
    titles = ["Brows", "Eyes", "Nose and Cheeks", "Jaw", "Mouth", "Tongue", "Other"]
    assert refine.regions_of(head) == titles  # the fabricated take has free correctives
    head.data.shape_keys.animation_data_clear()
    assert refine.regions_of(head) == []
    assert refine.gain_of(head, "Mouth") == (1.0, 0.0)
    refine.set_gain(head, "Mouth", 2.0, 0.0)


def test_a_gain_outlives_a_new_solve(head, take, take_file):
    refine.set_gain(head, "Mouth", 3.0, 0.0)
    action = head.data.shape_keys.animation_data.action
    count = len(bpy.data.actions)
    take.weights[:] = take.weights[::-1].copy()
    apply_to_head(bpy.context, head, take, "nod", path=take_file)
    assert head.data.shape_keys.animation_data.action == action
    assert len(bpy.data.actions) == count
    assert refine.gain_of(head, "Mouth") == pytest.approx((3.0, 0.0))
    expected = take.weights[7].astype(float)
    expected[MOUTH] *= 3.0
    np.testing.assert_allclose(shown(head, 8), expected, atol=1e-5)


def test_gains_survive_saving(head, tmp_path):
    refine.set_gain(head, "Eyes", 0.7, 0.1)
    before, name = shown(head, 5), head.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "gain.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "gain.blend"))
    head = bpy.data.objects[name]
    assert refine.gain_of(head, "Eyes") == pytest.approx((0.7, 0.1))
    np.testing.assert_allclose(shown(head, 5), before, atol=1e-6)


def test_a_shift_takes_shapes_pose_and_memory_along(head, take):
    rig = head.parent
    bpy.context.scene.frame_set(9)
    turned = np.array(rig.pose.bones["head"].rotation_quaternion)
    before = shown(head, 9)
    refine.shift(head, 40)
    np.testing.assert_allclose(shown(head, 49), before, atol=1e-6)
    np.testing.assert_allclose(rig.pose.bones["head"].rotation_quaternion, turned, atol=1e-6)
    assert head["mien_start"] == 41
    refine.shift(head, -40)
    np.testing.assert_allclose(shown(head, 9), before, atol=1e-6)


def test_the_footage_comes_along(empty_scene, tmp_path):
    for index in range(4):
        image = bpy.data.images.new("frame", 8, 8)
        image.filepath_raw = str(tmp_path / f"shot_{index}.png")
        image.file_format = "PNG"
        image.save()
    source = {"file": str(tmp_path), "width": 640, "height": 360, "frame_rate": [30000, 1001]}
    take = fabricate.write(tmp_path / "a.mien.npz", fabricate.small_take(4, source=source))
    made = apply_to_new_head(empty_scene.context, read_take(take), "a", path=take)
    refine.shift(made.head, 12)
    assert made.camera.data.background_images[0].clip.frame_start == 13
    assert made.camera["mien_footage"]["start_frame"] == 13


@pytest.mark.parametrize("tolerance", [0.0, 0.004, 0.03])
def test_baking_keeps_what_is_shown(head, tolerance):
    refine.set_gain(head, "Mouth", 1.5, 0.1)
    before = [shown(head, frame) for frame in range(1, 25)]
    counts = sum(number_of_keys(head))
    said = refine.bake(head, tolerance)
    assert said == (counts, sum(number_of_keys(head)))
    assert all(len(curve.modifiers) == 0 for curve in curves_of(head.data.shape_keys))
    assert refine.gain_of(head, "Mouth") == (1.0, 0.0)
    after = [shown(head, frame) for frame in range(1, 25)]
    np.testing.assert_allclose(after, before, atol=tolerance + 1e-5)
    assert said[1] == said[0] if tolerance == 0 else said[1] < 0.9 * said[0]


def test_baking_follows_curves_that_bend(head):
    [curve] = [c for c in curves_of(head.data.shape_keys) if "jawOpen" in c.data_path]
    for key in list(curve.keyframe_points)[1:-1][::-1]:
        curve.keyframe_points.remove(key)
    for key in curve.keyframe_points:
        key.interpolation = "BEZIER"
    noise = curve.modifiers.new("NOISE")
    noise.strength = 0.2
    before = [curve.evaluate(frame) for frame in range(1, 25)]
    refine.bake(head, 0.0)
    assert [curve.evaluate(frame) for frame in range(1, 25)] == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_thinning_stays_within_its_tolerance(seed):
    random = np.random.default_rng(seed)
    frames = np.cumsum(random.integers(1, 4, 400))
    values = np.cumsum(random.normal(0, 0.01, 400)) + 0.3 * np.sin(frames / 20)
    points = np.column_stack([frames, values])
    for tolerance in (0.001, 0.01, 0.05):
        kept = refine.thinned(points, tolerance)
        line = np.interp(frames, *kept.T)
        assert np.abs(line - values).max() <= tolerance + 1e-12
        assert (kept[[0, -1]] == points[[0, -1]]).all()
    assert len(refine.thinned(points, 0.05)) < 100
    straight = np.column_stack([np.arange(50), 0.2 * np.arange(50)])
    assert len(refine.thinned(straight, 1e-9)) == 2
    assert len(refine.thinned(straight[:1], 0.1)) == 1


def test_brows_of_their_own_are_refined_with_the_face(head, take, take_file):
    brows = head.copy()
    brows.data = head.data.copy()
    bpy.context.scene.collection.objects.link(brows)
    brows.data.shape_keys.animation_data.action = head.data.shape_keys.animation_data.action.copy()
    stranger = apply_to_new_head(bpy.context, take, "other", path=Path("/other")).head
    assert refine.performers_with(head) == [head, brows]
    refine.set_gain(head, "Brows", 2.0, 0.0)
    assert refine.gain_of(brows, "Brows") == pytest.approx((2.0, 0.0))
    assert refine.gain_of(stranger, "Brows") == (1.0, 0.0)
    refine.shift(head, 3)
    assert (head["mien_start"], brows["mien_start"], stranger["mien_start"]) == (4, 4, 1)
