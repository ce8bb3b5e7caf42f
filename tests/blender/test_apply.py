# SPDX-License-Identifier: GPL-3.0-or-later
"""Motion onto heads that are there and onto characters of another make."""

import math
from pathlib import Path

import bpy
import fabricate
import numpy as np
import pytest
from mathutils import Euler, Matrix, Quaternion
from test_scene import evaluated_vertices, neck_free, through_camera

from blender_addon.scene import camera
from blender_addon.scene.apply import (
    ApplyError,
    ApplySettings,
    apply_to_character,
    apply_to_head,
    apply_to_new_head,
    is_mien_head,
)
from blender_addon.scene.character import add_posable_head
from blender_addon.scene.curves import curves_of
from blender_addon.scene.frame_of_reference import BLENDER_FROM_HEAD, mean_rotation
from blender_addon.take import read_take

ROWS = (0, 5, 13, 23)
STAY = ApplySettings(use_camera=False)


@pytest.fixture
def take(take_file):
    return read_take(take_file)


@pytest.fixture
def other(tmp_path):
    """Another performance of another small head: (arrays, take, path)."""
    arrays = fabricate.small_take(seed=7)
    path = fabricate.write(tmp_path / "other.mien.npz", arrays)
    return arrays, read_take(path), path


def weights(mesh, names) -> list[float]:
    blocks = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get()).data.shape_keys.key_blocks
    return [blocks[name].value for name in names]


def action_of(datablock):
    return datablock.animation_data.action


# --- A Mien head that is there ------------------------------------------------------------------


def test_a_head_performs_a_take_where_it_stands(empty_scene, take, other):
    scene = empty_scene.context.scene
    head = add_posable_head(empty_scene.context, take, "Mien").head
    rig = head.parent
    rig.matrix_world = Matrix.LocRotScale((3, 2, 1), Euler((0.1, 0.2, 2.0)), (2, 2, 2))
    empty_scene.context.view_layer.update()
    before, vertices = rig.matrix_world.copy(), np.array([v.co for v in head.data.vertices])
    arrays, performed, path = other
    made = apply_to_head(empty_scene.context, head, performed, "other", path=path)
    assert made.objects == (head,) and made.rig is rig and made.missing == ()
    assert rig.matrix_world == before
    np.testing.assert_array_equal([v.co for v in head.data.vertices], vertices)
    assert (head["mien_take"], head["mien_start"]) == (str(path), 1)
    assert scene.camera is made.camera is camera.camera_of(head)
    # Its own face, seen as the take's pinhole would see it there.
    mine = fabricate.small_take() | {
        name: arrays[name] for name in arrays if len(arrays[name].shape) and name in PERFORMED
    }
    for row in ROWS:
        scene.frame_set(row + 1)
        np.testing.assert_allclose(
            weights(head, fabricate.SHAPE_NAMES), arrays["weights"][row], atol=1e-4
        )
        pixels = through_camera(scene, made.camera, evaluated_vertices(head))
        error = np.abs(pixels - fabricate.project(mine, row))[neck_free(mine)]
        assert error.max() < 0.2


PERFORMED = (
    "weights",
    "corrective_weights",
    "head_rotation",
    "head_position",
    "eye_rotation",
    "focal",
    "principal",
)


def test_another_take_leaves_the_first_ones_actions_in_the_file(
    empty_scene, take, take_file, other
):
    made = apply_to_new_head(empty_scene.context, take, "nod", path=take_file)
    keys, rig = made.head.data.shape_keys, made.rig
    first = action_of(keys), action_of(rig)
    _, performed, path = other
    apply_to_head(empty_scene.context, made.head, performed, "nod", path=path)
    second = action_of(keys), action_of(rig)
    assert not set(first) & set(second)
    assert all(action.use_fake_user for action in first)
    assert [action.name for action in (*first, *second)] == [
        "nod shapes",
        "nod pose",
        "nod shapes.001",
        "nod pose.001",
    ]
    assert not keys.animation_data.nla_tracks and not rig.animation_data.nla_tracks


def test_the_same_take_again_writes_into_the_same_actions(empty_scene, take, take_file):
    context = empty_scene.context
    made = apply_to_new_head(context, take, "nod", path=take_file)
    keys, rig = made.head.data.shape_keys, made.rig
    before = action_of(keys), action_of(rig), made.camera, len(bpy.data.cameras)
    curves = len(curves_of(rig))
    take.weights[:] *= 0.5
    take.head_position[:, 0] += 0.1
    again = apply_to_head(context, made.head, take, "nod", path=take_file)
    assert before == (action_of(keys), action_of(rig), again.camera, len(bpy.data.cameras))
    assert len(curves_of(rig)) == curves
    context.scene.frame_set(6)
    assert weights(made.head, ["jawOpen"]) == pytest.approx([take.weights[5, 17]], abs=1e-5)
    # The head stays; the camera has moved the other way.
    assert made.camera.location.x == pytest.approx(-0.1, abs=1e-5)


def test_a_hands_own_action_plays_on_below(empty_scene, take, take_file):
    context = empty_scene.context
    character = add_posable_head(context, take, "Mien")
    rig = character.rig
    jaw = rig.pose.bones["jaw"]
    for frame, turn in ((1, 0.0), (11, 0.1)):
        jaw.rotation_quaternion = Euler((turn, 0, 0)).to_quaternion()
        jaw.keyframe_insert("rotation_quaternion", frame=frame)
    made = apply_to_head(context, character.head, take, "nod", STAY, take_file)
    assert [track.strips[0].action.name for track in rig.animation_data.nla_tracks] != []
    assert any("plays on" in warning for warning in made.warnings)
    context.scene.frame_set(11)
    shown = rig.evaluated_get(context.evaluated_depsgraph_get()).pose.bones
    assert shown["jaw"].rotation_quaternion.angle == pytest.approx(0.1, abs=1e-3)
    assert shown["head"].rotation_quaternion.angle > 0.01


def test_editors_list_curves_by_region_and_bone(empty_scene, take, take_file):
    made = apply_to_new_head(empty_scene.context, take, "nod", path=take_file)
    for _ in range(2):
        shapes = {c.data_path: c.group.name for c in curves_of(made.head.data.shape_keys)}
        assert shapes['key_blocks["mouthSmileLeft"].value'] == "Mouth"
        assert shapes['key_blocks["corrective 1"].value'] == "Other"
        pose = [(c.data_path, c.group and c.group.name) for c in curves_of(made.rig)]
        bones = [(path, group) for path, group in pose if path.startswith("pose.bones")]
        assert len(bones) == 4 * 4 + 3
        assert all(f'["{group}"]' in path for path, group in bones)
        keys = [key for curve in curves_of(made.rig) for key in curve.keyframe_points]
        assert not any(
            key.select_control_point or key.select_left_handle or key.select_right_handle
            for key in keys
        )
        apply_to_head(empty_scene.context, made.head, take, "nod", path=take_file)


def test_actions_can_be_pushed_down(empty_scene, take, take_file):
    """What the button of the action editor does: the motion plays on as a strip."""
    made = apply_to_new_head(empty_scene.context, take, "nod", path=take_file)
    empty_scene.context.scene.frame_set(6)
    before = evaluated_vertices(made.head)
    for datablock in (made.head.data.shape_keys, made.rig):
        animation = datablock.animation_data
        action, slot = animation.action, getattr(animation, "action_slot", None)
        strip = animation.nla_tracks.new().strips.new(action.name, 1, action)
        if slot is not None:
            strip.action_slot = slot
        animation.action = None
    empty_scene.context.scene.frame_set(7)
    empty_scene.context.scene.frame_set(6)
    np.testing.assert_allclose(evaluated_vertices(made.head), before, atol=1e-5)


def test_start_frame_rate_range_and_camera_are_offered(empty_scene, take, take_file):
    scene = empty_scene.context.scene
    scene.frame_start, scene.frame_end, scene.render.resolution_x = 5, 7, 123
    settings = ApplySettings(101, set_frame_rate=False, set_frame_range=False, use_camera=False)
    made = apply_to_new_head(empty_scene.context, take, "nod", settings, take_file)
    assert (scene.frame_start, scene.frame_end, scene.render.resolution_x) == (5, 7, 123)
    assert scene.render.fps == 24 and scene.camera is None and made.camera is not None
    assert made.performance.frame[0] == 101 and made.head["mien_start"] == 101
    scene.frame_set(101)
    assert weights(made.head, ["jawOpen"]) == pytest.approx([take.weights[0, 17]], abs=1e-5)


def test_undo_takes_a_take_off_a_head_again(empty_scene, take, take_file, other):
    made = apply_to_new_head(empty_scene.context, take, "nod", path=take_file)
    name = made.head.name
    _, performed, path = other
    for take_now, path_now in ((performed, path), (take, take_file)):
        if path_now is take_file:  # the same take again, in place: its motion is another
            take_now.weights[:] = 0.25
            bpy.data.objects[name]["mien_take"] = str(take_file)
        bpy.context.scene.frame_set(6)
        before = weights(bpy.data.objects[name], fabricate.SHAPE_NAMES)
        state = len(bpy.data.actions), len(bpy.data.cameras)
        bpy.ops.ed.undo_push(message="before")
        apply_to_head(bpy.context, bpy.data.objects[name], take_now, "nod", path=path_now)
        bpy.ops.ed.undo_push(message="after")
        bpy.context.scene.frame_set(6)
        after = weights(bpy.data.objects[name], fabricate.SHAPE_NAMES)
        assert not np.allclose(before, after, atol=1e-3)
        bpy.ops.ed.undo()
        bpy.context.scene.frame_set(6)
        assert weights(bpy.data.objects[name], fabricate.SHAPE_NAMES) == pytest.approx(before)
        assert (len(bpy.data.actions), len(bpy.data.cameras)) == state


@pytest.mark.parametrize("mode", ["EDIT", "POSE", "SCULPT"])
@pytest.mark.parametrize("target", ["head", "character"])
def test_a_take_is_applied_from_any_mode(empty_scene, take, mode, target):
    context = empty_scene.context
    made = add_posable_head(context, take, "Mien")
    context.view_layer.objects.active = made.rig if mode == "POSE" else made.head
    bpy.ops.object.mode_set(mode=mode)
    if target == "head":
        apply_to_head(context, made.head, take, "nod")
    else:
        apply_to_character(context, [made.head], take, "nod")
    assert context.mode == "OBJECT" and context.object is made.head
    context.scene.frame_set(6)
    assert weights(made.head, ["jawOpen"]) == pytest.approx([take.weights[5, 17]], abs=1e-5)


def test_only_a_mien_head_is_one(empty_scene, take):
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    assert not is_mien_head(cube) and not is_mien_head(None)
    cube.shape_key_add(name="Basis")
    assert not is_mien_head(cube)
    with pytest.raises(ApplyError, match="Cube is not a Mien head"):
        apply_to_head(bpy.context, cube, take, "nod")
    assert is_mien_head(add_posable_head(bpy.context, take, "Mien").head)


# --- Characters of another make -----------------------------------------------------------------


def make_mesh(take, name: str, shapes: dict[str, str], matrix=None):
    """A mesh of the take's geometry, its keys called by `shapes` (of the take: of the key).

    matrix: takes Blender's usual axes to those in which the mesh was made.
    """
    mesh = bpy.data.meshes.new(name)
    turn = np.eye(3) if matrix is None else np.array(matrix.to_3x3())

    def places(points):
        return (points @ BLENDER_FROM_HEAD.T @ turn.T).astype(np.float32)

    mesh.vertices.add(len(take.neutral))
    mesh.vertices.foreach_set("co", places(take.neutral).ravel())
    thing = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(thing)
    thing.shape_key_add(name="Basis", from_mix=False)
    for shape, key in shapes.items():
        block = thing.shape_key_add(name=key, from_mix=False)
        block.value = 0.0
        offset = take.shapes[take.header.shape_names.index(shape)]
        block.points.foreach_set("co", places(take.neutral + offset).ravel())
    return thing


def make_rig(mesh, bones: dict[str, tuple], matrix=None):
    """An armature whose bones (head, tail, roll) deform the mesh, all by the last."""
    rig = bpy.data.objects.new("Hero", bpy.data.armatures.new("Hero"))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    parent = None
    for name, (start, end, roll) in bones.items():
        bone = rig.data.edit_bones.new(name)
        bone.head, bone.tail, bone.roll, bone.parent = start, end, roll, parent
        if matrix is not None:
            bone.transform(matrix)
        parent = bone
    bpy.ops.object.mode_set(mode="OBJECT")
    mesh.vertex_groups.new(name=name).add(range(len(mesh.data.vertices)), 1.0, "REPLACE")
    mesh.modifiers.new("Armature", "ARMATURE").object = rig
    mesh.parent = rig
    return rig


@pytest.fixture
def real(tmp_path):
    """(arrays, take) of a real head, which has a face to find."""
    arrays = fabricate.real_take()
    return arrays, read_take(fabricate.write(tmp_path / "real.mien.npz", arrays))


def cc(name: str) -> str:
    """eyeBlinkLeft as Eye_Blink_L."""
    words = "".join("_" + c if c.isupper() else c for c in name[0].upper() + name[1:])[1:]
    return words.replace("_Left", "_L").replace("_Right", "_R")


def test_shapes_found_by_their_own_spelling(empty_scene, take, take_file):
    wanted = [name for name in fabricate.SHAPE_NAMES if name != "tongueOut"]
    face = make_mesh(take, "Face", {name: cc(name) for name in wanted} | {"tongueOut": "V_Open"})
    brows = make_mesh(take, "Brows", {"browInnerUp": "browInnerUp", "browDownLeft": "browDown_L"})
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    made = apply_to_character(bpy.context, [cube, brows, face], take, "nod", STAY, take_file)
    assert made.objects == (face, brows)
    assert made.missing == ("tongueOut",)
    assert made.rig is None and any("no armature" in warning for warning in made.warnings)
    for row in ROWS:
        bpy.context.scene.frame_set(row + 1)
        columns = [fabricate.SHAPE_NAMES.index(name) for name in wanted]
        shown = weights(face, [cc(name) for name in wanted])
        np.testing.assert_allclose(shown, take.weights[row, columns], atol=1e-4)
        inner, down = (
            take.weights[row, fabricate.SHAPE_NAMES.index(n)]
            for n in ("browInnerUp", "browDownLeft")
        )
        assert weights(brows, ["browInnerUp", "browDown_L"]) == pytest.approx(
            [inner, down], abs=1e-4
        )
    assert face.data.shape_keys.key_blocks["V_Open"].value == 0.0
    assert action_of(brows.data.shape_keys).name == "nod Brows shapes"


AXES = {
    "upright": (None, Matrix()),
    "lying on its back (FBX)": (
        Matrix.Rotation(-math.pi / 2, 4, "X"),
        Matrix.Rotation(math.pi / 2, 4, "X") @ Matrix.Scale(0.01, 4),
    ),
    "turned on the stage": (
        None,
        Matrix.LocRotScale((4, -2, 1), Euler((0.0, 0.0, 1.1)), (3, 3, 3)),
    ),
}


@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "ZXY", "AXIS_ANGLE"])
def test_the_head_turns_as_the_actors(empty_scene, real, axes, mode):
    arrays, take = real
    made_in, stands = AXES[axes]
    names = {name: name for name in fabricate.SHAPE_NAMES}
    mesh = make_mesh(take, "Face", names, made_in)
    # A spine that leans and bones that roll: rest axes of no particular direction.
    bones = {
        "mixamorig:Neck": ((0, 0.1, -0.2), (0.01, 0.06, -0.1), 0.7),
        "mixamorig:Head": ((0.01, 0.06, -0.1), (0.02, 0.0, 0.1), -0.4),
    }
    rig = make_rig(mesh, bones, made_in)
    rig.matrix_world = stands
    rig.pose.bones["mixamorig:Head"].rotation_mode = mode
    bpy.context.view_layer.update()
    made = apply_to_character(bpy.context, [mesh], take, "real", ApplySettings())
    assert made.rig is rig and rig.pose.bones["mixamorig:Head"].rotation_mode == mode

    found = arrays["found"]
    mean = mean_rotation(arrays["head_rotation"][found].astype(float))
    upright = np.array((stands @ (made_in or Matrix())).to_3x3().normalized())
    for row in ROWS:
        bpy.context.scene.frame_set(row + 1)
        # In head space: back by the mean, forth by the frame. Then in the character's axes.
        turn = Quaternion(mean).inverted() @ Quaternion(arrays["head_rotation"][row])
        turn = BLENDER_FROM_HEAD @ np.array(turn.to_matrix()) @ BLENDER_FROM_HEAD.T
        expected = upright @ turn @ upright.T
        shown = rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
        bone = shown.pose.bones["mixamorig:Head"]
        posed = np.array((shown.matrix_world @ bone.matrix).to_3x3().normalized())
        rest = np.array((shown.matrix_world @ bone.bone.matrix_local).to_3x3().normalized())
        np.testing.assert_allclose(posed @ rest.T, expected, atol=2e-4)


@pytest.mark.parametrize("axes", AXES)
def test_the_camera_sees_a_character_as_the_footage_saw_the_actor(empty_scene, real, axes):
    arrays, take = real
    made_in, stands = AXES[axes]
    mesh = make_mesh(take, "Face", {name: name for name in fabricate.SHAPE_NAMES}, made_in)
    mesh.matrix_world = stands
    arrays["head_rotation"][:] = arrays["head_rotation"][5]
    arrays["head_position"][:] = arrays["head_position"][5]
    arrays["eye_rotation"][:] = (1, 0, 0, 0)
    still = read_take(fabricate.write(Path(bpy.app.tempdir) / "still.mien.npz", arrays))
    made = apply_to_character(bpy.context, [mesh], still, "still")
    scene = bpy.context.scene
    assert scene.camera is made.camera
    assert made.camera.matrix_world.to_scale().x == pytest.approx(1.0, abs=1e-5)
    scene.frame_set(1)
    for name in fabricate.SHAPE_NAMES:  # without the correctives, which this mesh lacks
        mesh.data.shape_keys.animation_data.action = None
        mesh.data.shape_keys.key_blocks[name].value = 0.0
    bpy.context.view_layer.update()
    pixels = through_camera(scene, made.camera, evaluated_vertices(mesh))
    arrays["weights"][:] = arrays["corrective_weights"][:] = 0.0
    error = np.linalg.norm(pixels - fabricate.project(arrays, 5), axis=1)
    size = np.ptp(fabricate.project(arrays, 5)[:, 1])
    assert error.max() < 0.01 * size


def test_a_bone_that_is_named_and_one_that_is_not_there(empty_scene, real):
    _, take = real
    mesh = make_mesh(take, "Face", {"jawOpen": "jawOpen"})
    rig = make_rig(mesh, {"top": ((0, 0, 0), (0, 0, 1), 0.0)})
    made = apply_to_character(bpy.context, [mesh], take, "a", STAY)
    assert made.rig is None and any("called head" in warning for warning in made.warnings)
    made = apply_to_character(bpy.context, [mesh], take, "b", ApplySettings(head_bone="top"))
    assert made.rig is rig and action_of(rig).name == "b Hero pose"
    assert any("The camera stays" in warning for warning in made.warnings)
    with pytest.raises(ApplyError, match="No armature .* bone called tip"):
        apply_to_character(bpy.context, [mesh], take, "c", ApplySettings(head_bone="tip"))


def test_keys_that_a_rig_drives_are_left_alone(empty_scene, take):
    mesh = make_mesh(take, "Face", {"jawOpen": "jawOpen", "cheekPuff": "cheekPuff"})
    driver = mesh.data.shape_keys.key_blocks["jawOpen"].driver_add("value").driver
    driver.expression = "0.25"
    made = apply_to_character(bpy.context, [mesh], take, "nod", STAY)
    assert any("drives jawOpen itself" in warning for warning in made.warnings)
    bpy.context.scene.frame_set(6)
    assert weights(mesh, ["jawOpen"]) == pytest.approx([0.25])
    assert len(curves_of(mesh.data.shape_keys)) == 1
    mesh.data.shape_keys.key_blocks["cheekPuff"].driver_add("value")
    with pytest.raises(ApplyError, match="Face follow drivers"):
        apply_to_character(bpy.context, [mesh], take, "again", STAY)


@pytest.mark.parametrize("kind", ["none", "empty mesh", "foreign names"])
def test_nothing_to_animate_is_said_in_a_sentence(empty_scene, take, kind):
    chosen = []
    if kind == "empty mesh":
        bpy.ops.mesh.primitive_cube_add()
        chosen = [bpy.context.object]
    if kind == "foreign names":
        chosen = [make_mesh(take, "Face", {"jawOpen": "MTH_A"})]
    actions = len(bpy.data.actions)
    with pytest.raises(ApplyError) as refused:
        apply_to_character(bpy.context, chosen, take, "nod")
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)
    assert len(bpy.data.actions) == actions
    assert bpy.context.scene.render.fps == 24


def test_meshes_that_share_their_data_are_animated_once(empty_scene, take):
    mesh = make_mesh(take, "Face", {"jawOpen": "jawOpen"})
    twin = bpy.data.objects.new("Twin", mesh.data)
    bpy.context.scene.collection.objects.link(twin)
    made = apply_to_character(bpy.context, [mesh, twin], take, "nod", STAY)
    assert len(made.objects) == 1 and len(bpy.data.actions) == 1


# --- Linked data --------------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path, take_file):
    """A .blend that holds a character in a collection of its own; leaves an empty file open."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    take = read_take(take_file)
    mesh = make_mesh(take, "Face", {name: name for name in fabricate.SHAPE_NAMES})
    rig = make_rig(mesh, {"neck": ((0, 0, -1), (0, 0, 0), 0), "head": ((0, 0, 0), (0, 0, 1), 0)})
    collection = bpy.data.collections.new("Hero")
    for thing in (mesh, rig):
        bpy.context.scene.collection.objects.unlink(thing)
        collection.objects.link(thing)
    bpy.context.scene.collection.children.link(collection)
    path = tmp_path / "library.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.collections = ["Hero"]
    return path


def test_linked_data_is_left_alone(library, take, take_file):
    collection = bpy.data.collections["Hero"]
    bpy.context.scene.collection.children.link(collection)
    meshes = [thing for thing in collection.objects if thing.type == "MESH"]
    with pytest.raises(ApplyError, match="linked from library.blend: make a library override"):
        apply_to_character(bpy.context, meshes, take, "nod", STAY, take_file)
    assert len(bpy.data.actions) == 0 and len(bpy.data.cameras) == 0


def test_a_library_override_performs(library, take, take_file, tmp_path):
    collection = bpy.data.collections["Hero"]
    collection.override_hierarchy_create(bpy.context.scene, bpy.context.view_layer)
    meshes = [t for t in bpy.context.scene.objects if t.type == "MESH" and t.override_library]
    # The hierarchy takes objects along, and data only when asked.
    for mesh in meshes:
        if mesh.data.library is not None:
            with pytest.raises(ApplyError, match="library override"):
                apply_to_character(bpy.context, [mesh], take, "nod", STAY, take_file)
            mesh.data.override_create(remap_local_usages=True)
    made = apply_to_character(bpy.context, meshes, take, "nod", STAY, take_file)
    assert made.rig is not None
    bpy.context.scene.frame_set(6)
    assert weights(made.head, ["jawOpen"]) == pytest.approx([take.weights[5, 17]], abs=1e-4)
    name, rig = made.head.name, made.rig.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.context.scene.frame_set(6)
    head = next(t for t in bpy.data.objects if t.name == name and t.library is None)
    assert weights(head, ["jawOpen"]) == pytest.approx([take.weights[5, 17]], abs=1e-4)
    rig = next(t for t in bpy.data.objects if t.name == rig and t.library is None)
    assert action_of(rig).name.startswith("nod Hero")
