# SPDX-License-Identifier: GPL-3.0-or-later
"""The entry without a window: footage and head side by side, frame by frame."""

from pathlib import Path

import fabricate
import numpy as np
import pytest

from blender_addon import headless
from blender_addon.footage import find_footage, open_footage
from blender_addon.take import read_take

WIDTH, HEIGHT, FRAMES = 48, 32, 16
FIRST = 5


def brightness(index: int) -> float:
    """What footage frame `index` is painted with."""
    return 0.1 + 0.05 * index


@pytest.fixture
def pictures(empty_scene, tmp_path) -> Path:
    """A folder of numbered pictures, each of its own grey."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(FRAMES):
        image = empty_scene.data.images.new("frame", WIDTH, HEIGHT)
        level = brightness(index)
        image.pixels.foreach_set(np.tile([level, level, level, 1.0], WIDTH * HEIGHT).astype("f"))
        image.filepath_raw = str(folder / f"shot_{index + 1:04d}.png")
        image.file_format = "PNG"
        image.save()
    return folder


@pytest.fixture
def movie(empty_scene, pictures, tmp_path) -> Path:
    """The same as a video, written by Blender."""
    bpy = empty_scene
    scene = bpy.data.scenes.new("movie")
    scene.render.fps, scene.render.fps_base = 30, 1.001
    scene.render.resolution_x, scene.render.resolution_y = WIDTH, HEIGHT
    scene.view_settings.view_transform = "Standard"
    scene.frame_end = FRAMES
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    files = sorted(pictures.iterdir())
    strip = strips.new_image("frames", str(files[0]), 1, 1)
    for file in files[1:]:
        strip.elements.append(file.name)
    headless._write(scene, tmp_path / "clip.mp4", is_movie=True)
    return tmp_path / "clip.mp4"


def take_of(footage: Path, path: Path, frames: int, first: int = FIRST) -> Path:
    """A take of some frames of the footage, starting in its middle."""
    arrays = fabricate.small_take(frames)
    source = {"file": str(footage), "width": WIDTH, "height": HEIGHT, "frame_rate": [30000, 1001]}
    arrays["header"] = fabricate.encode(fabricate.header(source=source))
    arrays["frame"] = arrays["frame"] + first
    arrays["time"] = arrays["time"] + first * 1001 / 30000
    arrays["focal"] = np.float32(60.0)
    arrays["principal"] = np.array([23.5, 15.5], np.float32)
    return fabricate.write(path, arrays)


def left_halves(path: Path) -> list[float]:
    """The mean grey of the left half of each frame of a picture or movie, by Blender's eyes."""
    import bpy

    clip = bpy.data.movieclips.load(str(path))
    scene = bpy.data.scenes.new("reader")
    scene.render.resolution_x, scene.render.resolution_y = clip.size
    scene.view_settings.view_transform = "Standard"
    scene.frame_end = clip.frame_duration
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strips.new_clip("clip", clip, 1, 1)
    scene.render.filepath = str(path.with_suffix("")) + "_read_"
    bpy.ops.render.render(animation=True, scene=scene.name)
    levels = []
    for frame in range(1, clip.frame_duration + 1):
        image = bpy.data.images.load(scene.render.frame_path(frame=frame))
        pixels = np.array(image.pixels).reshape(image.size[1], image.size[0], 4)
        levels.append(float(pixels[:, 4 : image.size[0] // 2 - 4, :3].mean()))
    return levels


@pytest.mark.parametrize("kind", ["movie", "pictures"])
def test_footage_and_head_keep_step(kind, request, tmp_path):
    footage = request.getfixturevalue(kind)
    take = take_of(footage, tmp_path / "cut.mien.npz", frames=6)
    blend, movie = tmp_path / "out" / "cut.blend", tmp_path / "out" / "cut.mp4"
    code = headless.main(
        [str(take), "--blend", str(blend), "--render", str(movie), "--size", "48", "32"]
    )
    assert code == 0
    assert blend.is_file()
    import bpy

    assert bpy.data.objects["cut head"]["mien_subsurface"] == 0.0
    assert [file.name for file in movie.parent.glob("*.mp4")] == ["cut.mp4"]
    expected = [brightness(FIRST + row) for row in range(6)]
    np.testing.assert_allclose(left_halves(movie), expected, atol=0.02)


def test_a_picture_beside_its_head(pictures, tmp_path):
    import bpy

    photo = pictures / "shot_0004.png"
    take = take_of(photo, tmp_path / "photo.mien.npz", frames=1, first=0)
    picture = tmp_path / "photo.png"
    blend = tmp_path / "photo.blend"
    arguments = [str(take), "--blend", str(blend), "--render", str(picture)]
    assert headless.main([*arguments, "--size", "96", "64"]) == 0
    image = bpy.data.images.load(str(picture))
    width, height = image.size
    assert (width, height) == (2 * 96, 64)
    pixels = np.array(image.pixels).reshape(height, width, 4)[..., :3]
    np.testing.assert_allclose(pixels[:, : width // 2 - 2], brightness(3), atol=0.01)
    head = pixels[:, width // 2 :]
    assert head.std() > 0.05
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    assert bpy.context.scene.camera.data.background_images[0].image.name == "shot_0004.png"


def test_a_picture_of_every_frame(take_file, tmp_path, capsys):
    import bpy

    folder = tmp_path / "pictures"
    arguments = [str(take_file), "--pictures", str(folder), "--size", "24", "20", "--samples", "1"]
    looks = [
        "--look",
        "mien_age=0.75",
        "--look",
        "mien_iris_colour=0.1,0.2,0.3",
        "--look",
        "tail=1",
    ]
    assert headless.main([*arguments, *looks]) == 0
    assert [file.name for file in sorted(folder.iterdir())] == [
        f"{n:06d}.png" for n in range(1, 25)
    ]
    assert tuple(bpy.data.images.load(str(folder / "000003.png")).size) == (24, 20)
    head = bpy.data.objects["nod head"]
    assert head["mien_age"] == 0.75 and head["mien_subsurface"] == 1.0
    np.testing.assert_allclose(head["mien_iris_colour"], (0.1, 0.2, 0.3))
    assert "no slider tail" in capsys.readouterr().err


def test_the_camera_shows_the_right_frame_behind_the_head(movie, tmp_path, empty_scene):
    from blender_addon.scene.apply import apply_to_new_head

    take = read_take(take_of(movie, tmp_path / "cut.mien.npz", frames=6))
    made = apply_to_new_head(empty_scene.context, take, "cut")
    [background] = made.camera.data.background_images
    assert background.source == "MOVIE_CLIP"
    assert (background.clip.frame_start, background.clip.frame_offset) == (1, FIRST)
    assert made.warnings == ()


def test_panels_have_the_footages_shape_in_even_numbers(take_file):
    take = read_take(take_file)
    assert headless._panel_size(take, 360) == (640, 360)
    assert headless._panel_size(take, 100) == (178, 100)


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.mien.npz", "--blend", "a.blend"],
        ["TAKE", "--blend", "a.blend", "--render", "a.gif"],
        ["TAKE", "--blend", "a.blend", "--footage", "missing.mp4"],
        ["TAKE", "--blend", "a.blend", "--size", "0", "5"],
        ["TAKE"],
        ["TAKE", "--pictures", "a", "--samples", "0"],
    ],
)
def test_bad_arguments_leave_nothing_behind(arguments, take_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = [str(take_file) if word == "TAKE" else word for word in arguments]
    assert headless.main(given) == headless.EXIT_BAD_INPUT
    words = capsys.readouterr().err
    assert words.startswith("error: ") and words.count("\n") == 1
    assert list(tmp_path.iterdir()) == [take_file]


def test_footage_that_moved_is_found_beside_the_take(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"")
    for recorded in ("/elsewhere/clip.mp4", "C:\\shots\\clip.mp4"):
        assert find_footage(recorded, tmp_path).path == (tmp_path / "clip.mp4").resolve()
    assert find_footage("/elsewhere/other.mp4", tmp_path) is None
    assert find_footage("", tmp_path) is None


def test_numbered_pictures_are_counted_not_spelled(tmp_path):
    for name in ("a_10.png", "a_9.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    assert open_footage(tmp_path).first_file.name == "a_9.png"
    (tmp_path / "empty").mkdir()
    assert open_footage(tmp_path / "empty") is None
