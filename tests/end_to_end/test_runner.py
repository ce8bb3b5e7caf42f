# SPDX-License-Identifier: GPL-3.0-or-later
"""The other commands with the shipped network, and bad input that only shows while it works."""

import json

import av
import cv2
import numpy as np
import pytest

from blender_addon.take import read_take


def test_a_portrait_gives_a_take_of_one_frame(runner, astronaut, tmp_path):
    path = tmp_path / "portrait.mien.npz"
    result = runner("capture", astronaut, "-o", path, "--json-events")
    assert result.returncode == 0, result.stderr
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["event"] == "result" and last["take"] == str(path)
    take = read_take(path)
    assert take.found.all() and len(take.time) == 1
    # Her eyes, read off the photograph by hand, to within a seventh of their distance.
    eyes = np.stack([take.points68[0, 36:42].mean(0), take.points68[0, 42:48].mean(0)])
    assert np.abs(eyes - [[203, 101], [246, 103]]).max() < 6


def test_landmarks_of_a_portrait(runner, astronaut, tmp_path):
    output = tmp_path / "points.json"
    result = runner("landmarks", astronaut, "-o", output)
    assert result.returncode == 0, result.stderr
    (faces,) = json.loads(output.read_text()).values()
    points = np.array(faces[0]["points68"])
    assert points.shape == (68, 2)
    assert points[8, 1] > points[57, 1] > points[33, 1] > points[27, 1]  # chin, lip, nose, bridge


def test_a_rolled_portrait_is_found(runner, astronaut, tmp_path):
    image = cv2.imread(str(astronaut))
    middle = (227.0, 120.0)
    for degrees in (-35, 35):
        turned = cv2.warpAffine(image, cv2.getRotationMatrix2D(middle, degrees, 1.0), (512, 512))
        cv2.imwrite(str(tmp_path / f"turned_{degrees}.png"), turned)
    output = tmp_path / "points.json"
    assert runner("landmarks", tmp_path, "-o", output).returncode == 0
    for key, faces in json.loads(output.read_text()).items():
        points = np.array(faces[0]["points68"])
        across = points[42:48].mean(0) - points[36:42].mean(0)
        wanted = -float(key.removeprefix("turned_").removesuffix(".png"))
        assert np.degrees(np.arctan2(across[1], across[0])) == pytest.approx(wanted, abs=10)


def test_track_of_the_clip(runner, carphone, tmp_path):
    output = tmp_path / "track.npz"
    result = runner("track", carphone, "-o", output)
    assert result.returncode == 0, result.stderr
    with np.load(output) as track:
        assert track["points"].shape == (120, 68, 2)
        assert float(track["video_fps"]) == pytest.approx(30000 / 1001)


def write_grey_noise(path, frames=30):
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(frames):
            coarse = rng.integers(60, 200, (15, 20, 3), np.uint8)
            image = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def test_a_video_without_a_face_leaves_nothing(runner, tmp_path):
    clip = tmp_path / "clouds.mp4"
    write_grey_noise(clip)
    result = runner("capture", clip, "-o", tmp_path / "clouds.mien.npz", "--json-events")
    event = json.loads(result.stdout.splitlines()[-1])
    assert result.returncode == 4 and event["event"] == "error"
    assert "No face was found" in event["message"]
    assert list(tmp_path.iterdir()) == [clip]


def test_a_clip_cut_short_leaves_nothing(runner, carphone, tmp_path):
    clip = tmp_path / "cut.mp4"
    with av.open(str(carphone)) as source:
        options = {"movflags": "faststart"}  # the index first, so that the cut goes unnoticed
        with av.open(str(clip), "w", options=options) as target:
            stream = target.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(source.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    target.mux(packet)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    result = runner("capture", clip, "-o", tmp_path / "cut.mien.npz")
    assert result.returncode == 3
    assert "cut short after frame" in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == [clip]


@pytest.mark.speed
def test_speed_of_the_whole_capture(runner, carphone):
    result = runner("benchmark", carphone)
    assert result.returncode == 0, result.stderr
    rates = dict(line.rsplit(maxsplit=2)[:2] for line in result.stdout.splitlines())
    # 60 is promised of two free cores; tests may share theirs.
    assert float(rates["whole capture"]) > 25
