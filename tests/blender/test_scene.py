# SPDX-License-Identifier: GPL-3.0-or-later
"""A take in the scene: what Blender evaluates must be what the take says."""

import fabricate
import numpy as np
import pytest

from blender_addon.scene.apply import ApplySettings, apply_to_new_head
from blender_addon.take import read_take

ROWS = (0, 5, 13, 23)


@pytest.fixture(params=["small", "real"])
def imported(request, empty_scene, tmp_path):
    """Both fabricated takes, each in an empty scene: (arrays, what the import made)."""
    arrays = {"small": fabricate.small_take, "real": fabricate.real_take}[request.param]()
    take = read_take(fabricate.write(tmp_path / "nod.mien.npz", arrays))
    return arrays, apply_to_new_head(empty_scene.context, take, "nod")


@pytest.fixture
def nod(empty_scene, take_file):
    return apply_to_new_head(empty_scene.context, read_take(take_file), "nod")


def evaluated_vertices(thing) -> np.ndarray:
    """World positions (V, 3) of an object's vertices with all that deforms them."""
    import bpy

    shown = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
    mesh = shown.to_mesh()
    positions = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", positions)
    matrix = np.array(shown.matrix_world)
    shown.to_mesh_clear()
    return positions.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]


def through_camera(scene, camera, points: np.ndarray) -> np.ndarray:
    """Pixels (N, 2) of world points by Blender's own projection matrix."""
    import bpy

    width, height = scene.render.resolution_x, scene.render.resolution_y
    depsgraph = bpy.context.evaluated_depsgraph_get()
    lens = np.array(camera.calc_matrix_camera(depsgraph, x=width, y=height))
    view = np.linalg.inv(np.array(camera.matrix_world))
    seen = np.c_[points, np.ones(len(points))] @ (lens @ view).T
    across, up = (seen[:, :2] / seen[:, 3:]).T
    return np.stack([(across + 1) / 2 * width - 0.5, (1 - up) / 2 * height - 0.5], axis=1)


def neck_free(arrays) -> np.ndarray:
    """Vertices that follow the head alone: the collar moves with the neck."""
    return np.where(arrays["skin_index"] == 0, arrays["skin_weight"], 0).sum(axis=1) == 0


def test_every_shape_has_its_exact_name_and_place(imported):
    arrays, made = imported
    names = [block.name for block in made.head.data.shape_keys.key_blocks]
    assert names[0] == "Basis"
    assert names[1:53] == list(fabricate.SHAPE_NAMES)
    assert len(set(names)) == len(names) == 1 + 52 + len(arrays["correctives"])


def test_blender_evaluates_the_takes_weights(imported):
    import bpy

    arrays, made = imported
    for row in ROWS:
        bpy.context.scene.frame_set(row + 1)
        shown = made.head.evaluated_get(bpy.context.evaluated_depsgraph_get())
        values = [block.value for block in shown.data.shape_keys.key_blocks[1:]]
        expected = np.concatenate([arrays["weights"][row], arrays["corrective_weights"][row]])
        np.testing.assert_allclose(values, expected, atol=1e-4)


def test_the_head_lies_over_the_footage(imported):
    import bpy

    arrays, made = imported
    scene = bpy.context.scene
    followers = neck_free(arrays)
    assert followers.mean() > 0.6
    for row in ROWS:
        scene.frame_set(row + 1)
        pixels = through_camera(scene, made.camera, evaluated_vertices(made.head))
        error = np.abs(pixels - fabricate.project(arrays, row))[followers]
        assert error.max() < 0.1


def test_the_tracked_points_of_the_real_head_follow_exactly():
    with np.load(fabricate.REPOSITORY / "models/head/head.npz") as head:
        neck = np.where(head["skin_index"] == 0, head["skin_weight"], 0).sum(axis=1)
        for points in ("points68", "dense", "contour"):
            assert neck[head[points]].max() == 0


def test_the_neck_takes_half_of_the_turn(imported):
    import bpy

    arrays, made = imported
    bpy.context.scene.frame_set(6)
    neck, head = (made.rig.pose.bones[name] for name in ("neck", "head"))
    turned = neck.rotation_quaternion.angle
    assert turned > 0.05
    assert head.rotation_quaternion.angle == pytest.approx(turned, rel=1e-3)
    np.testing.assert_allclose(head.location, 0.0)


def test_the_jaw_bone_is_left_to_the_hand(imported):
    import bpy

    arrays, made = imported
    scene = bpy.context.scene
    scene.frame_set(1)
    before = evaluated_vertices(made.head)
    jaw = made.rig.pose.bones["jaw"]
    assert jaw.rotation_quaternion.angle == 0
    jaw.rotation_quaternion = (0.98, 0.199, 0.0, 0.0)
    bpy.context.view_layer.update()
    moved = np.linalg.norm(evaluated_vertices(made.head) - before, axis=1)
    on_jaw = (arrays["skin_weight"] * (arrays["skin_index"] == 2)).sum(axis=1)
    assert moved[on_jaw == 0].max() < 1e-6
    if on_jaw.any():
        assert moved.max() > 1e-3


def test_a_turned_armature_takes_the_head_along(nod):
    """Nothing is pinned to the world: the head can be moved to wherever the set is."""
    import bpy

    before = evaluated_vertices(nod.head)
    nod.rig.location.x += 2.0
    bpy.context.view_layer.update()
    np.testing.assert_allclose(evaluated_vertices(nod.head)[:, 0], before[:, 0] + 2.0, atol=1e-5)


def test_weights_above_one_are_not_clamped(empty_scene, tmp_path):
    arrays = fabricate.small_take()
    arrays["weights"][5, 17] = 1.7
    arrays["weights"][5, 18] = -0.4
    take = read_take(fabricate.write(tmp_path / "wide.mien.npz", arrays))
    made = apply_to_new_head(empty_scene.context, take, "wide")
    empty_scene.context.scene.frame_set(6)
    blocks = made.head.data.shape_keys.key_blocks
    assert blocks["jawOpen"].value == pytest.approx(1.7)
    assert blocks[fabricate.SHAPE_NAMES[18]].value == pytest.approx(-0.4)
    assert blocks["eyeBlinkLeft"].slider_max == 1.0


def test_frames_without_a_face_are_marked(nod, empty_scene):
    seen = []
    for frame in range(1, 25):
        empty_scene.context.scene.frame_set(frame)
        seen.append(bool(nod.rig["mien_found"]))
    assert seen == [frame not in (13, 14) for frame in range(1, 25)]


def test_groups_become_slots_and_the_eyes_have_pupils(imported):
    arrays, made = imported
    mesh = made.head.data
    names = [material.name for material in mesh.materials]
    assert {"Mien skin", "Mien eye left", "Mien iris", "Mien pupil"} <= set(names)
    pupil = [face for face in mesh.polygons if names[face.material_index] == "Mien pupil"]
    centres = np.array([face.center for face in pupil])
    eyes = arrays["bone_head"][3:, [0, 2, 1]] * (1, -1, 1)
    distance = np.linalg.norm((centres[:, None] - eyes)[..., ::2], axis=2).min(axis=1)
    assert distance.max() < 0.005
    assert (centres[:, 1] < eyes[:, 1].min()).all()


def test_the_mesh_is_whole(imported):
    arrays, made = imported
    mesh = made.head.data
    assert not mesh.validate()
    assert len(mesh.polygons) == len(arrays["quads"])
    corners = (arrays["quads"][:, 3] != arrays["quads"][:, 2]).sum() + 3 * len(arrays["quads"])
    assert len(mesh.loops) == corners
    assert mesh.polygons[0].normal.length == pytest.approx(1.0, abs=1e-5)
    uv = np.array([loop.vector for loop in mesh.uv_layers[0].uv])
    np.testing.assert_allclose(uv[:3], arrays["uv"][0, :3], atol=1e-6)


def test_textures_are_packed_into_the_file(empty_scene, tmp_path):
    arrays = fabricate.small_take()
    picture = np.zeros((4, 8, 3), np.uint8)
    picture[0, 0] = (255, 128, 0)
    arrays["texture"] = arrays["normal_map"] = picture
    take = read_take(fabricate.write(tmp_path / "textured.mien.npz", arrays))
    apply_to_new_head(empty_scene.context, take, "textured")
    image = empty_scene.data.images["Mien texture"]
    assert image.packed_file is not None
    top_left = np.array(image.pixels).reshape(4, 8, 4)[-1, 0]
    np.testing.assert_allclose(top_left, [1.0, 128 / 255, 0.0, 1.0], atol=2e-3)


def test_two_takes_live_side_by_side(empty_scene, tmp_path):
    first_arrays, second_arrays = fabricate.small_take(seed=1), fabricate.small_take(seed=2)
    made = []
    for index, arrays in enumerate((first_arrays, second_arrays)):
        take = read_take(fabricate.write(tmp_path / f"{index}.mien.npz", arrays))
        made.append(apply_to_new_head(empty_scene.context, take, "nod"))
    empty_scene.context.scene.frame_set(6)
    for arrays, one in zip((first_arrays, second_arrays), made):
        shown = [block.value for block in one.head.data.shape_keys.key_blocks[1:53]]
        np.testing.assert_allclose(shown, arrays["weights"][5], atol=1e-4)
        assert one.head.parent is one.rig
        assert one.rig.animation_data.action is not one.head.data.shape_keys.animation_data.action
    assert made[0].head.name != made[1].head.name
    assert made[0].collection is not made[1].collection


def test_import_leaves_edit_mode_and_keeps_other_objects(empty_scene, take_file):
    bpy = empty_scene
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.object.mode_set(mode="EDIT")
    made = apply_to_new_head(bpy.context, read_take(take_file), "nod")
    assert bpy.context.mode == "OBJECT"
    assert len(cube.data.vertices) == 8
    assert bpy.context.object is made.head


def test_keeping_the_scenes_rate(empty_scene, take_file):
    scene = empty_scene.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    take = read_take(take_file)
    made = apply_to_new_head(empty_scene.context, take, "nod", ApplySettings(set_frame_rate=False))
    assert (scene.render.fps, scene.render.fps_base) == (24, 1.0)
    scene.frame_set(10)
    expected = np.interp(take.time[0] + 9 / 24, take.time, take.weights[:, 17])
    value = made.head.data.shape_keys.key_blocks["jawOpen"].value
    assert value == pytest.approx(expected, abs=1e-4)


def test_the_scene_takes_rate_range_and_picture_from_the_take(nod, empty_scene):
    scene = empty_scene.context.scene
    assert (scene.frame_start, scene.frame_end) == (1, 24)
    assert (scene.render.resolution_x, scene.render.resolution_y) == (640, 360)
    assert scene.camera is nod.camera


def test_missing_footage_is_a_warning(nod):
    assert nod.footage is None
    assert any("/nowhere/nod.mp4" in warning for warning in nod.warnings)


def test_a_take_survives_saving_and_opening(nod, empty_scene, tmp_path):
    bpy = empty_scene
    bpy.context.scene.frame_set(6)
    before = evaluated_vertices(nod.head)
    name = nod.head.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "nod.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "nod.blend"))
    bpy.context.scene.frame_set(6)
    after = evaluated_vertices(bpy.data.objects[name])
    np.testing.assert_allclose(after, before, atol=1e-6)
