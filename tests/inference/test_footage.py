# SPDX-License-Identifier: GPL-3.0-or-later
import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from inference.errors import FootageError
from inference.footage import FrameRange, open_footage, prefetch, read_picture
from inference.video import Clock

NTSC = Fraction(30000, 1001)


def numbered(count, width=64, height=48):
    """Grey pictures, each as bright as its number says."""
    return [np.full((height, width, 3), 10 + 5 * i, np.uint8) for i in range(count)]


def levels(frames):
    return [round((int(np.median(frame.image)) - 10) / 5) for frame in frames]


def test_video_gives_all_frames_with_their_times(write_video):
    footage = open_footage(write_video(numbered(20), rate=NTSC))
    frames = list(footage)
    assert (footage.width, footage.height, footage.frame_rate) == (64, 48, NTSC)
    assert footage.frame_count == 20
    assert levels(frames) == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert np.allclose([frame.time for frame in frames], np.arange(20) * 1001 / 30000, atol=1e-9)


def test_variable_frame_rate_keeps_true_times(write_video):
    ticks = [0, 1, 2, 5, 6, 9]
    times = [frame.time for frame in open_footage(write_video(numbered(6), ticks=ticks))]
    assert np.allclose(times, np.array(ticks) / 30, atol=1e-6)


@pytest.mark.parametrize("text, expected", [("3:7", [3, 4, 5, 6]), (":2", [0, 1]), ("8:", [8, 9])])
def test_frame_range(write_video, text, expected):
    footage = open_footage(write_video(numbered(10)), FrameRange.parse(text))
    frames = list(footage)
    assert [frame.index for frame in frames] == levels(frames) == expected
    assert footage.frame_count == len(expected)
    assert frames[0].time == pytest.approx(expected[0] / 30)


@pytest.mark.parametrize("text", ["5", "5:5", "7:3", "-1:4", "a:b"])
def test_senseless_frame_ranges(text):
    with pytest.raises(ValueError, match="frame range"):
        FrameRange.parse(text)


def test_a_range_beyond_the_end_is_an_error(write_video):
    footage = open_footage(write_video(numbered(5)), FrameRange.parse("9:12"))
    with pytest.raises(FootageError, match="ends before frame 9"):
        list(footage)


@pytest.mark.parametrize("turns, matrix", [
    (1, (0, -1, 1, 0)),  # the phone was held so that the picture must be turned left
    (3, (0, 1, -1, 0)),
    (2, (-1, 0, 0, -1)),
])  # fmt: skip
def test_rotation_in_the_container_is_applied(write_video, turns, matrix):
    image = np.full((48, 64, 3), 40, np.uint8)
    image[:16, :16] = 250  # a bright top-left corner
    path = write_video([image] * 3)
    write_display_matrix(path, matrix)
    footage = open_footage(path)
    frame = next(iter(footage))
    expected = np.rot90(image, turns)
    assert frame.image.shape == expected.shape == (footage.height, footage.width, 3)
    assert np.abs(frame.image.astype(int) - expected).mean() < 5
    assert footage.container_rotation == -90 * turns % 360 and footage.rotation == 0
    turned = open_footage(path, rotation=90)
    frame, expected = next(iter(turned)), np.rot90(image, turns - 1)
    assert frame.image.shape == expected.shape == (turned.height, turned.width, 3)
    assert np.abs(frame.image.astype(int) - expected).mean() < 5
    assert (turned.rotation, turned.container_rotation) == (90, footage.container_rotation)


def write_display_matrix(path, matrix):
    """Put a rotation (a, b, c, d) into the track header of an mp4 (ISO 14496-12, 8.3.2)."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40  # version 0: the matrix comes after 40 bytes
    a, b, c, d = (value << 16 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def test_folder_of_numbered_pictures(tmp_path):
    for number, image in zip((1, 2, 10, 11), numbered(4), strict=True):
        cv2.imwrite(str(tmp_path / f"shot_{number}.png"), image)
    (tmp_path / "notes.txt").write_text("not a picture")
    cv2.imwrite(str(tmp_path / "cover.png"), numbered(1)[0])
    footage = open_footage(tmp_path, frame_rate=Fraction(25))
    frames = list(footage)
    assert levels(frames) == [0, 1, 2, 3]
    assert [frame.time for frame in frames] == [0, 0.04, 0.08, 0.12]
    assert footage.frame_rate == 25 and footage.frame_count == 4
    assert open_footage(tmp_path).frame_rate == 30


def test_single_picture_is_rgb_and_has_one_frame(tmp_path):
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., 0] = 200  # red
    cv2.imwrite(str(tmp_path / "red.png"), image[..., ::-1])
    footage = open_footage(tmp_path / "red.png")
    (frame,) = footage
    assert np.array_equal(frame.image, image)
    assert (footage.width, footage.height, footage.frame_rate) == (30, 20, 1)


def test_exif_orientation_is_applied(tmp_path):
    image = np.full((32, 64, 3), 40, np.uint8)
    image[:, :16] = 220
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 1, 6) + b"\0" * 4
    exif = b"Exif\0\0" + tiff  # orientation 6: turn a quarter to the right
    path = tmp_path / "turned.jpg"
    path.write_bytes(
        encoded[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + encoded[2:]
    )
    picture = read_picture(path)
    assert picture.shape == (64, 32, 3)
    assert picture[:8].mean() > 200 and picture[-8:].mean() < 60
    footage = open_footage(path, rotation=180)
    assert (footage.container_rotation, footage.rotation) == (90, 180)
    assert next(iter(footage)).image[-8:].mean() > 200


def test_pictures_of_different_sizes_are_an_error(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), numbered(1)[0])
    cv2.imwrite(str(tmp_path / "2.png"), numbered(1, width=32)[0])
    with pytest.raises(FootageError, match="32x48"):
        list(open_footage(tmp_path))


def test_missing_file(tmp_path):
    with pytest.raises(FootageError, match="There is no file"):
        open_footage(tmp_path / "none.mp4")


def test_empty_folder(tmp_path):
    with pytest.raises(FootageError, match="no numbered pictures"):
        open_footage(tmp_path)


@pytest.mark.parametrize("name", ["words.txt", "words.mp4", "words.png", "words"])
def test_text_is_no_footage(tmp_path, name):
    (tmp_path / name).write_text("Not a video at all.\n" * 50)
    with pytest.raises(FootageError, match="not a"):
        open_footage(tmp_path / name)


def test_sound_alone_is_no_footage(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(FootageError, match="holds no video"):
        open_footage(path)


def noise(count):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(count)]


def test_video_cut_short_within_a_frame(write_video):
    path = write_video(noise(20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FootageError, match="damaged or cut short after frame"):
        list(open_footage(path))


def test_video_cut_short_between_frames(write_video):
    path = write_video(noise(20))
    with av.open(str(path)) as container:
        end = container.streams.video[0].index_entries[10].pos
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(FootageError, match="damaged or cut short after frame"):
        list(open_footage(path))


def test_video_cut_before_its_index(write_video):
    path = write_video(noise(5))
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(FootageError, match="cut short"):
        open_footage(path)


def test_what_comes_before_the_damage_can_be_read(write_video):
    path = write_video(noise(20))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(list(open_footage(path, FrameRange(0, 4)))) == 4


def test_prefetch_gives_the_same_frames_and_errors(write_video):
    path = write_video(numbered(30))
    assert levels(prefetch(open_footage(path))) == list(range(30))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FootageError):
        list(prefetch(open_footage(path)))


def test_prefetch_can_be_left_early(write_video):
    frames = prefetch(open_footage(write_video(numbered(40))))
    assert next(frames).index == 0
    frames.close()


def counted(count, width=64, height=48):
    """Pictures that say their number in binary, bit by bit from the left."""
    bits = np.arange(count)[:, None] >> np.arange(16) & 1
    rows = np.repeat(40 + 160 * bits, width // 16, axis=1).astype(np.uint8)
    return [np.broadcast_to(row[None, :, None], (height, width, 3)) for row in rows]


def numbers(frames):
    bits = [frame.image[24, 2::4, 1] > 120 for frame in frames]
    return [int((row << np.arange(16)).sum()) for row in bits]


def write_counted(path, codec, options, count=420, ticks=lambda index: index):
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=NTSC, options=options)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for index, image in enumerate(counted(count)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = ticks(index), 1 / NTSC
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


OPEN = {"x264-params": "open-gop=1:keyint=40:bframes=6:b-pyramid=normal"}


@pytest.mark.parametrize("name, codec, options, ticks", [
    ("plain.mp4", "libx264", {}, lambda index: index),
    ("open.mp4", "libx264", OPEN, lambda index: index),
    ("open.mkv", "libx264", OPEN, lambda index: index),
    ("open.ts", "libx264", OPEN, lambda index: index),
    ("uneven.mp4", "libx264", OPEN, lambda index: index + 3 * (index // 7)),
    ("late.mp4", "libx264", OPEN, lambda index: index + 50),
    ("old.avi", "mpeg4", {"bf": "2"}, lambda index: index),
    ("old.mpg", "mpeg2video", {"bf": "2", "g": "15"}, lambda index: index),
    ("intra.mov", "mjpeg", {}, lambda index: index),
])  # fmt: skip
def test_a_range_far_in_gives_the_frames_that_all_of_it_gives(
    tmp_path, name, codec, options, ticks
):
    path = write_counted(tmp_path / name, codec, options, ticks=ticks)
    whole = list(open_footage(path))
    assert numbers(whole) == list(range(420))
    for first in (150, 263, 400, 419):
        part = list(open_footage(path, FrameRange(first, first + 3)))
        expected = whole[first : first + 3]
        assert [frame.index for frame in part] == [frame.index for frame in expected]
        assert numbers(part) == numbers(expected)
        assert np.allclose([f.time for f in part], [f.time for f in expected], atol=1e-9)
    with pytest.raises(FootageError, match="ends before frame 420"):
        list(open_footage(path, FrameRange(420, 430)))


def test_a_range_far_in_decodes_little_of_what_comes_before(tmp_path, monkeypatch):
    path = write_counted(tmp_path / "clip.mp4", "libx264", {"g": "30"})
    converted = []
    monkeypatch.setattr(
        "inference.video._upright",
        lambda picture, size: converted.append(1) or np.zeros((48, 64, 3)),
    )
    frames = open_footage(path, FrameRange(400, 405))
    assert [frame.index for frame in frames] == list(range(400, 405))
    assert len(converted) <= 6


def test_times_increase_where_recordings_were_joined(tmp_path):
    write_counted(tmp_path / "one.ts", "mpeg2video", {"g": "10"}, count=60)
    joined = tmp_path / "two.ts"
    joined.write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    times = np.array([frame.time for frame in open_footage(joined)])
    assert len(times) >= 118 and np.allclose(np.diff(times), 1001 / 30000, atol=2e-3)


def test_a_wrong_time_stamp_moves_no_other_frame():
    clock = Clock(Fraction(10), None)
    stamps = [5.0, 5.1, 5.1, 5.3, 5.25, 5.5]
    times = [clock.after(index, stamp) for index, stamp in enumerate(stamps)]
    assert np.allclose(times, [0, 0.1, 0.101, 0.3, 0.301, 0.5])
    times = [Clock(Fraction(10)).after(index, None) for index in range(3)]
    assert np.allclose(times, [0, 0.1, 0.2])


@pytest.mark.parametrize("pause", [0, 9])
def test_the_frame_rate_is_the_nominal_one_where_a_phone_pauses(tmp_path, pause):
    path = write_counted(
        tmp_path / "clip.mp4", "libx264", {}, 100, lambda index: index + pause * (index // 20)
    )
    assert open_footage(path).frame_rate == NTSC


def test_pictures_of_all_depths_and_kinds_look_alike(tmp_path):
    ramp = np.dstack([np.tile(np.linspace(0, 255, 64), (48, 1))] * 3).round().astype(np.uint8)
    ramp[..., 2] //= 2
    light = ramp / 255.0
    linear = np.where(light < 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    bgr, linear = ramp[..., ::-1], linear[..., ::-1].astype(np.float32)
    alpha = np.full((48, 64, 1), 255, np.uint8)
    for name, picture in {
        "plain.png": bgr, "plain.bmp": bgr, "good.webp": bgr, "clear.png": np.dstack([bgr, alpha]),
        "deep.png": bgr.astype(np.uint16) * 257, "deep.tif": bgr.astype(np.uint16) * 257,
        "light.tif": linear, "light.exr": linear,
    }.items():  # fmt: skip
        path = tmp_path / f"größer {name}"
        path.write_bytes(encode_picture(name, picture))
        frame = next(iter(open_footage(path)))
        assert frame.image.dtype == np.uint8 and frame.image.shape == (48, 64, 3), name
        assert np.abs(frame.image.astype(int) - ramp).max() <= (8 if "webp" in name else 1), name
    with av.open(str(tmp_path / "a.tga"), "w", format="image2") as container:
        stream = container.add_stream("targa", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(ramp, format="rgb24")))
        container.mux(stream.encode())
    assert np.array_equal(next(iter(open_footage(tmp_path / "a.tga"))).image, ramp)


def encode_picture(name, picture):
    done, data = cv2.imencode(name[name.index("."):], np.ascontiguousarray(picture))
    assert done
    return data.tobytes()


def test_a_phones_photo_says_what_to_do(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(FootageError, match="save it as JPEG"):
        open_footage(tmp_path / "IMG_1.HEIC")


def test_points_stay_in_stored_pixels_where_those_are_not_square(tmp_path):
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 72, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for image in numbered(3, 72):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    footage = open_footage(path)
    assert (footage.width, footage.height) == (72, 48)
    assert next(iter(footage)).image.shape == (48, 72, 3)


def test_a_video_that_changes_its_size_keeps_the_first_one(tmp_path):
    for number, width in enumerate((64, 96)):
        with av.open(str(tmp_path / f"{number}.ts"), "w") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
            for image in numbered(3, width):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join((tmp_path / f"{number}.ts").read_bytes() for number in (0, 1)))
    shapes = {frame.image.shape for frame in open_footage(joined)}
    assert shapes == {(48, 64, 3)}
