# SPDX-License-Identifier: GPL-3.0-or-later
"""Matching the camera and taking it back, and footage behind the head, upright."""

import math
from fractions import Fraction

import bpy
import fabricate
import pytest

from blender_addon.footage import Footage
from blender_addon.scene import camera
from blender_addon.scene.apply import ApplySettings, apply_to_head, apply_to_new_head
from blender_addon.take import Source, read_take

UNMATCHED = ApplySettings(use_camera=False)


@pytest.fixture
def nod(empty_scene, take_file):
    return apply_to_new_head(
        empty_scene.context, read_take(take_file), "nod", UNMATCHED, path=take_file
    )


def state(scene) -> tuple:
    render = scene.render
    return (
        scene.camera,
        render.resolution_x,
        render.resolution_y,
        render.resolution_percentage,
        render.pixel_aspect_x,
        render.pixel_aspect_y,
        set(scene.keys()),
    )


@pytest.mark.parametrize("had_camera", [True, False])
def test_unmatching_gives_back_exactly_what_was(nod, had_camera, tmp_path):
    scene = bpy.context.scene
    if had_camera:
        scene.camera = bpy.data.objects.new("mine", bpy.data.cameras.new("mine"))
    scene.render.resolution_x, scene.render.resolution_y = 1998, 1080
    scene.render.resolution_percentage = 50
    scene.render.pixel_aspect_x = 1.5
    before = state(scene)
    assert not camera.matched(scene)
    camera.match(scene, nod.camera)
    assert camera.matched(scene)
    assert state(scene)[:-1] == (nod.camera, 640, 360, 100, 1.0, 1.0)
    camera.match(scene, nod.camera)  # a second time changes nothing of what is kept
    if had_camera:
        scene.camera["note"] = bpy.data.objects["mine"].name = "renamed"
    name = scene.name
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "matched.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "matched.blend"))
    scene = bpy.data.scenes[name]
    assert camera.matched(scene)
    camera.unmatch(scene)
    after = state(scene)
    assert after[1:] == before[1:]
    assert (after[0].name if after[0] else None) == ("renamed" if had_camera else None)
    camera.unmatch(scene)
    assert state(scene)[1:] == before[1:]


def test_the_camera_of_a_head(nod):
    assert camera.camera_of(nod.head) is nod.camera
    nod.camera.name = "whatever"
    assert camera.camera_of(nod.head) is nod.camera
    bpy.data.objects.remove(nod.camera)
    assert camera.camera_of(nod.head) is None


@pytest.fixture
def still(empty_scene, tmp_path):
    """A head whose footage is a picture, and the take's path."""
    image = bpy.data.images.new("photo", 40, 30)
    image.filepath_raw, image.file_format = str(tmp_path / "photo.png"), "PNG"
    image.save()
    source = {"file": image.filepath_raw, "width": 40, "height": 30, "frame_rate": [30, 1]}
    path = fabricate.write(tmp_path / "photo.mien.npz", fabricate.small_take(1, source=source))
    return apply_to_new_head(empty_scene.context, read_take(path), "photo", path=path), path


def test_footage_is_shown_and_hidden(still):
    made, path = still
    lens, scene = made.camera, bpy.context.scene
    assert camera.shows_footage(lens) and made.warnings == ()
    camera.hide_footage(lens)
    assert not camera.shows_footage(lens)
    again = apply_to_head(bpy.context, made.head, read_take(path), "photo", path=path)
    assert again.camera is lens and not camera.shows_footage(lens)
    camera.show_footage(scene, lens)
    camera.show_footage(scene, lens)
    assert camera.shows_footage(lens) and len(lens.data.background_images) == 1


def test_why_footage_is_not_shown(nod, empty_scene):
    assert any("/nowhere/nod.mp4" in warning for warning in nod.warnings)
    with pytest.raises(camera.FootageError, match="no longer at /nowhere/nod.mp4"):
        camera.show_footage(bpy.context.scene, nod.camera)
    nod.camera["mien_footage"]["file"] = ""
    with pytest.raises(camera.FootageError, match="without footage"):
        camera.show_footage(bpy.context.scene, nod.camera)


@pytest.mark.parametrize(("asked", "own"), [(90, 0), (180, 0), (0, 90), (270, 90), (90, 180)])
def test_a_picture_that_was_turned_is_shown_turned(empty_scene, tmp_path, asked, own):
    """Blender leaves out what a picture says about its own rotation."""
    image = bpy.data.images.new("photo", 40, 30)
    image.filepath_raw, image.file_format = str(tmp_path / "photo.png"), "PNG"
    image.save()
    size = (30, 40) if (asked + own) % 180 else (40, 30)
    source = {
        "file": image.filepath_raw,
        "width": size[0],
        "height": size[1],
        "frame_rate": [30, 1],
        "rotation": asked,
        "container_rotation": own,
    }
    path = fabricate.write(tmp_path / "photo.mien.npz", fabricate.small_take(1, source=source))
    made = apply_to_new_head(empty_scene.context, read_take(path), "photo", path=path)
    [background] = made.camera.data.background_images
    assert background.rotation == pytest.approx(math.radians((asked + own) % 360))
    assert background.scale == pytest.approx(4 / 3 if (asked + own) % 180 else 1.0)


def test_a_folder_of_pictures_is_turned_as_they_are(tmp_path):
    """Half a turn shows in no size: pictures never are, movies are since 4.4."""
    clip, picture = tmp_path / "clip.mp4", tmp_path / "frames" / "1.png"
    source = Source("", 40, 30, Fraction(30), rotation=0, container_rotation=180)
    turns = {
        "movie": camera.turn_of(source, Footage(clip, False, clip), (40, 30)),
        "folder": camera.turn_of(source, Footage(picture.parent, False, picture), (40, 30)),
        "photo": camera.turn_of(source, Footage(picture, True, picture), (40, 30)),
    }
    by_blender = bpy.app.version >= (4, 4, 0)
    assert turns == {"movie": 0 if by_blender else 180, "folder": 180, "photo": 180}
