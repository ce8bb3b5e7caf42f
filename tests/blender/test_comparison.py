# SPDX-License-Identifier: GPL-3.0-or-later
"""The live scene with its footage, in one movie: in step, upright, and in its own colours."""

import struct
from pathlib import Path

import bpy
import fabricate
import numpy as np
import pytest

from blender_addon.footage import open_footage
from blender_addon.scene.apply import ApplySettings, apply_to_new_head
from blender_addon.scene.camera import FootageError
from blender_addon.scene.comparison import OVER, SIDE, add_comparison, write_movie_to
from blender_addon.take import read_take

WIDTH, HEIGHT, FRAMES, FIRST = 64, 48, 12, 3
CORNERS = ((0.8, 0.1, 0.1), (0.1, 0.7, 0.1), (0.15, 0.2, 0.8))  # top left, top right, bottom left

# The matrix of a track's header by the quarter turns clockwise that it asks for: a, b, c, d.
TRACK_MATRIX = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def level(index: int) -> float:
    """The grey of the middle of footage frame `index`."""
    return 0.2 + 0.05 * index


def upright(width: int, height: int, index: int) -> np.ndarray:
    """A frame (height, width, 3), top row first: three coloured corners on a grey of its own."""
    frame = np.full((height, width, 3), level(index), np.float32)
    third = (slice(0, height // 3), slice(0, width // 3))
    frame[third] = CORNERS[0]
    frame[third[0], -(width // 3) :] = CORNERS[1]
    frame[-(height // 3) :, third[1]] = CORNERS[2]
    return frame


def write_frames(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir()
    for index, frame in enumerate(frames):
        height, width = frame.shape[:2]
        image = bpy.data.images.new("frame", width, height)
        pixels = np.dstack([frame[::-1], np.ones((height, width), np.float32)])
        image.pixels.foreach_set(np.ascontiguousarray(pixels).ravel())
        image.filepath_raw, image.file_format = str(folder / f"shot_{index:03d}.png"), "PNG"
        image.save()
        bpy.data.images.remove(image)
    return folder


def write_movie(folder: Path, path: Path, own: int = 0) -> Path:
    """The pictures of a folder as a movie whose header asks for a turn of `own` degrees."""
    files = sorted(folder.iterdir())
    scene = bpy.data.scenes.new("movie")
    scene.render.fps = 30
    first = bpy.data.images.load(str(files[0]))
    scene.render.resolution_x, scene.render.resolution_y = first.size
    scene.view_settings.view_transform = "Standard"
    scene.frame_end = len(files)
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_image("frames", str(files[0]), 1, 1)
    for file in files[1:]:
        strip.elements.append(file.name)
    write_movie_to(scene, path)
    bpy.ops.render.render(animation=True, scene=scene.name)
    if own:
        data = bytearray(path.read_bytes())
        matrix = data.find(b"tkhd") + 4 + 40  # after version, times, number, length and volume
        a, b, c, d = TRACK_MATRIX[own]
        one = 1 << 16
        struct.pack_into(
            ">9i", data, matrix, a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30
        )
        path.write_bytes(data)
    return path


def perform(tmp_path, footage: Path, start=1, size=(WIDTH, HEIGHT), asked=0, own=0, frames=6):
    """A head in the scene whose take is of this footage, cheap to render."""
    source = {
        "file": str(footage),
        "width": size[0],
        "height": size[1],
        "frame_rate": [30, 1],
        "rotation": asked,
        "container_rotation": own,
    }
    arrays = fabricate.small_take(frames, source=source)
    arrays["frame"] = arrays["frame"] + FIRST
    arrays["time"] = (np.arange(frames) + FIRST) / 30
    arrays["focal"] = np.float32(1.2 * max(size))
    arrays["principal"] = (np.array(size, np.float32) - 1) / 2
    path = fabricate.write(tmp_path / "shot.mien.npz", arrays)
    take = read_take(path)
    made = apply_to_new_head(bpy.context, take, "shot", ApplySettings(start), path)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = 1
    scene.cycles.use_denoising = False
    world = bpy.data.worlds.new("World")
    scene.world = world
    return scene, take, made


def rendered(scene, frame: int, tmp_path) -> np.ndarray:
    """What a scene's animation shows at a frame, (H, W, 3), top row first."""
    limits = scene.frame_start, scene.frame_end
    scene.frame_start = scene.frame_end = frame
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(tmp_path / f"{scene.name}_")
    bpy.ops.render.render(animation=True, scene=scene.name)
    scene.frame_start, scene.frame_end = limits
    image = bpy.data.images.load(scene.render.frame_path(frame=frame))
    width, height = image.size
    picture = np.array(image.pixels).reshape(height, width, 4)[::-1, :, :3]
    bpy.data.images.remove(image)
    return picture


@pytest.fixture
def frames(empty_scene, tmp_path) -> Path:
    """A folder of upright pictures."""
    shots = [upright(WIDTH, HEIGHT, index) for index in range(FRAMES)]
    return write_frames(tmp_path / "frames", shots)


@pytest.mark.parametrize("kind", ["movie", "pictures"])
@pytest.mark.parametrize("start", [1, 40])
def test_footage_beside_the_live_scene_in_step(frames, tmp_path, kind, start):
    footage = frames if kind == "pictures" else write_movie(frames, tmp_path / "clip.mp4")
    scene, take, made = perform(tmp_path, footage, start)
    comparison = add_comparison(scene, take, made.footage, start)
    assert (comparison.frame_start, comparison.frame_end) == (start, start + 5)
    assert (comparison.render.resolution_x, comparison.render.resolution_y) == (2 * WIDTH, HEIGHT)
    for row in (0, 4):
        picture = rendered(comparison, start + row, tmp_path)
        left, right = picture[:, :WIDTH], picture[:, WIDTH:]
        # The scene's film curve is AgX: the footage passes it unharmed.
        middle = left[HEIGHT // 2 - 3 : HEIGHT // 2 + 3, WIDTH // 2 - 3 : WIDTH // 2 + 3]
        np.testing.assert_allclose(middle, level(FIRST + row), atol=0.025)
        assert np.abs(right - rendered(scene, start + row, tmp_path)).mean() < 0.01
        assert right.std() > 0.05


def test_a_change_of_the_scene_shows(frames, tmp_path):
    scene, take, made = perform(tmp_path, frames)
    comparison = add_comparison(scene, take, made.footage, 1)
    before = rendered(comparison, 2, tmp_path)[:, WIDTH:]
    made.rig.location.x += 10.0
    after = rendered(comparison, 2, tmp_path)[:, WIDTH:]
    assert before.std() > 0.05 > after.std()


def test_the_scene_over_its_footage(frames, tmp_path):
    scene, take, made = perform(tmp_path, frames)
    made.rig.scale = (0.3, 0.3, 0.3)
    comparison = add_comparison(scene, take, made.footage, 1, OVER)
    assert not scene.render.film_transparent
    assert (comparison.render.resolution_x, comparison.render.resolution_y) == (WIDTH, HEIGHT)
    picture = rendered(comparison, 3, tmp_path)
    np.testing.assert_allclose(picture[:4, :4], np.broadcast_to(CORNERS[0], (4, 4, 3)), atol=0.06)
    np.testing.assert_allclose(picture[-4:, -4:], level(FIRST + 2), atol=0.03)
    footage = upright(WIDTH, HEIGHT, FIRST + 2)
    covered = np.abs(picture - footage).max(axis=2) > 0.1
    assert 0.01 < covered.mean() < 0.4


def test_the_next_comparison_takes_the_place_of_the_last(frames, tmp_path):
    scene, take, made = perform(tmp_path, frames)
    other = bpy.data.scenes.new("other")
    for layout in (SIDE, OVER, OVER, SIDE):
        comparison = add_comparison(scene, take, made.footage, 1, layout)
        expected = {scene.name, other.name, comparison.name}
        expected |= {"Mien comparison head"} if layout == OVER else set()
        assert {one.name for one in bpy.data.scenes} == expected
    assert comparison.name == "Mien comparison"


@pytest.mark.parametrize("size", [(64, 48), (48, 64)])
@pytest.mark.parametrize(
    ("asked", "own"),
    [(0, 90), (0, 180), (0, 270), (90, 0), (180, 0), (270, 0), (90, 90), (90, 180)],
)
def test_turned_footage_is_upright(empty_scene, tmp_path, size, asked, own):
    """Whether or not this Blender heeds the file's own word on how it is to be turned."""
    shots = [upright(*size, index) for index in range(FRAMES)]
    stored = [np.rot90(shot, (asked + own) // 90) for shot in shots]  # against the clock
    folder = write_frames(tmp_path / "frames", stored)
    movie = write_movie(folder, tmp_path / "clip.mp4", own)
    scene, take, made = perform(tmp_path, movie, size=size, asked=asked, own=own)
    made.rig.location.x += 10.0
    comparison = add_comparison(scene, take, made.footage, 1)
    picture = rendered(comparison, 1, tmp_path)[:, : size[0]]
    error = np.abs(picture - upright(*size, FIRST))
    assert np.median(error) < 0.02 and error.mean() < 0.06

    [background] = made.camera.data.background_images
    stored_size = stored[0].shape[1::-1]
    is_turned_by_blender = own and tuple(background.clip.size) != stored_size
    if own % 180 and is_turned_by_blender:
        assert np.degrees(background.rotation) % 360 == pytest.approx(asked, abs=1e-3)


def test_a_still_stays_for_as_long_as_the_scene(frames, tmp_path):
    photo = sorted(frames.iterdir())[4]
    scene, take, _ = perform(tmp_path, photo, frames=1)
    scene.frame_start, scene.frame_end = 10, 14
    comparison = add_comparison(scene, take, open_footage(photo), 1)
    for frame in (10, 14):
        picture = rendered(comparison, frame, tmp_path)
        assert picture[HEIGHT // 2, WIDTH // 2 - 2].mean() == pytest.approx(level(4), abs=0.02)


def test_another_rate_would_not_keep_step(frames, tmp_path):
    scene, take, made = perform(tmp_path, frames)
    scene.render.fps = 25
    with pytest.raises(FootageError, match="30.000 frames a second"):
        add_comparison(scene, take, made.footage, 1)
    assert len(bpy.data.scenes) == 1


def test_odd_sizes_render_to_a_movie(frames, tmp_path):
    scene, take, _ = perform(tmp_path, frames)
    scene.render.resolution_x, scene.render.resolution_y = 33, 25
    scene.frame_end = 2
    comparison = add_comparison(scene, take, None, 1)
    write_movie_to(comparison, tmp_path / "odd.mp4")
    bpy.ops.render.render(animation=True, scene=comparison.name)
    clip = bpy.data.movieclips.load(str(tmp_path / "odd.mp4"))
    assert tuple(clip.size) == (34, 26) and clip.frame_duration == 2
