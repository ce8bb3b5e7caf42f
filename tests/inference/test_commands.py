# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: what a person or Blender sees of it. Where a network is needed, the painted
one stands in for it; tests/end_to_end runs the same commands with the trained one."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

import inference.__main__ as program
import inference.commands
from blender_addon.take import read_take
from inference.inspect import describe_take, in_words
from models.head import SHAPE_NAMES
from tests.inference.painted import PaintedNetwork, Placed, paint

JAW = SHAPE_NAMES.index("jawOpen")


@pytest.fixture
def painted(monkeypatch):
    monkeypatch.setattr(inference.commands, "Network", lambda device: PaintedNetwork())


def talking_head(count=30):
    placed = [
        Placed((320 + t, 240), 900, 0.1, jaw=0.5 - 0.5 * np.cos(2 * np.pi * t / 30))
        for t in range(count)
    ]
    return placed, [paint(640, 480, face) for face in placed]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "inference", *map(str, arguments)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_version_is_one_line():
    result = run("--version")
    assert result.returncode == 0 and result.stdout.startswith("mien ")
    assert len(result.stdout.splitlines()) == 1


def test_capture_writes_a_take_that_follows_the_face(tmp_path, write_video, painted, capsys):
    placed, frames = talking_head()
    clip, take_path = write_video(frames), tmp_path / "clip.mien.npz"
    assert program.main(["capture", str(clip), "-o", str(take_path), "--json-events"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[-1] == {"event": "result", "take": str(take_path), "frames": 30, "found": 30}
    stages = [event["stage"] for event in events if event["event"] == "progress"]
    assert list(dict.fromkeys(stages)) == ["track", "solve", "write"]
    take = read_take(take_path)
    assert take.found.all() and take.header.source.file == str(clip.resolve())
    truth = np.array([face.points[:68] for face in placed])
    assert np.abs(take.points68 - truth).max() < 4.0
    jaw = np.array([face.jaw for face in placed])
    assert np.corrcoef(take.weights_raw[:, JAW], jaw)[0, 1] > 0.9


def test_capture_of_a_part_keeps_the_footages_clock(tmp_path, write_video, painted):
    clip, take_path = write_video(talking_head()[1]), tmp_path / "part.mien.npz"
    arguments = ["capture", str(clip), "-o", str(take_path), "--frames", "10:20"]
    assert program.main(arguments) == 0
    take = read_take(take_path)
    assert list(take.frame) == list(range(10, 20))
    assert np.allclose(take.time, np.arange(10, 20) / 30)
    assert take.header.settings["frames"] == [10, 20]


def test_capture_of_a_picture(tmp_path, painted):
    cv2.imwrite(str(tmp_path / "photo.png"), talking_head(1)[1][0][..., ::-1])
    take_path = tmp_path / "photo.mien.npz"
    assert program.main(["capture", str(tmp_path / "photo.png"), "-o", str(take_path)]) == 0
    take = read_take(take_path)
    assert len(take.time) == 1 and take.header.source.frame_rate == 1


def test_capture_of_numbered_pictures_at_a_given_rate(tmp_path, painted):
    folder = tmp_path / "shots"
    folder.mkdir()
    for number, image in enumerate(talking_head(6)[1]):
        cv2.imwrite(str(folder / f"{number:04}.png"), image[..., ::-1])
    take_path = tmp_path / "shots.mien.npz"
    arguments = ["capture", str(folder), "-o", str(take_path), "--fps", "24000/1001"]
    assert program.main([*arguments, "--quality", "live", "--face", "330,250"]) == 0
    take = read_take(take_path)
    assert np.allclose(take.time, np.arange(6) * 1001 / 24000)
    assert take.header.source.frame_rate.numerator == 24000
    assert take.header.settings["quality"] == "live"


def test_track_writes_points_in_the_scoring_format(tmp_path, write_video, painted):
    placed, frames = talking_head()
    track = tmp_path / "track.npz"
    assert program.main(["track", str(write_video(frames)), "-o", str(track)]) == 0
    with np.load(track) as values:
        assert values["points"].shape == (30, 68, 2)
        assert np.abs(values["points"] - [face.points[:68] for face in placed]).max() < 4.0
        assert float(values["seconds"]) > 0 and float(values["video_fps"]) == 30


@pytest.mark.parametrize("turns, degrees", [(1, "90"), (2, "180"), (3, "270")])
def test_a_clip_that_lies_on_its_side_gives_the_take_of_the_upright_one(
    turns, degrees, tmp_path, write_video, painted
):
    frames = talking_head(12)[1]
    upright, lying = tmp_path / "upright.mien.npz", tmp_path / "lying.mien.npz"
    clip = write_video(frames, "upright.mp4")
    assert program.main(["capture", str(clip), "-o", str(upright)]) == 0
    clip = write_video([np.rot90(frame, turns) for frame in frames], "lying.mp4")
    assert program.main(["capture", str(clip), "-o", str(lying), "--rotate", degrees]) == 0
    one, other = read_take(upright), read_take(lying)
    assert (other.header.source.width, other.header.source.height) == (640, 480)
    assert np.abs(one.points68 - other.points68).max() < 0.3
    assert np.abs(one.weights - other.weights).max() < 0.05
    header = json.loads(np.load(lying)["header"].tobytes())
    assert header["source"]["rotation"] == int(degrees)
    assert header["source"]["container_rotation"] == 0
    assert f"turned by {degrees} degrees" in in_words(describe_take(lying))
    assert "turned" not in in_words(describe_take(upright))
    again = tmp_path / "again.mien.npz"
    assert program.main(["solve", str(lying), "-o", str(again)]) == 0
    assert json.loads(np.load(again)["header"].tobytes())["source"] == header["source"]
    track = tmp_path / "track.npz"
    assert program.main(["track", str(clip), "-o", str(track), "--rotate", degrees]) == 0
    assert np.abs(np.load(track)["points"] - one.points68).max() < 0.3


def test_landmarks_are_keyed_by_the_path_in_the_folder(tmp_path, painted):
    folder = tmp_path / "set"
    (folder / "img").mkdir(parents=True)
    placed = [Placed((160, 240)), Placed((480, 240), 1000)]
    cv2.imwrite(str(folder / "img" / "two.png"), paint(640, 480, *placed)[..., ::-1])
    cv2.imwrite(str(folder / "none.png"), paint(320, 240))
    (folder / "broken.png").write_text("not a picture")
    (folder / "labels.json").write_text("{}")
    output = tmp_path / "out.json"
    assert program.main(["landmarks", str(folder), "-o", str(output)]) == 0
    faces = json.loads(output.read_text())
    assert set(faces) == {"img/two.png", "none.png"} and faces["none.png"] == []
    found = sorted((face["points68"] for face in faces["img/two.png"]), key=lambda p: p[0][0])
    for points, face in zip(found, placed, strict=True):
        assert np.abs(np.array(points) - face.points[:68]).max() < 2.0


BAD_INPUTS = {
    "missing": "There is no file or folder",
    "text": "not a video",
    "picture": "not a picture",
    "folder": "holds no numbered pictures",
    "cut before its index": "cut short",
}


@pytest.fixture
def bad_input(request, tmp_path, write_video):
    path = tmp_path / "input.mp4"
    if request.param == "text":
        path.write_text("Not a video.\n" * 100)
    elif request.param == "picture":
        path = tmp_path / "input.png"
        path.write_text("Not a picture.")
    elif request.param == "folder":
        path.mkdir()
    elif request.param == "cut before its index":
        path = write_video(talking_head(5)[1])
        path.write_bytes(path.read_bytes()[:500])
    return path, BAD_INPUTS[request.param]


@pytest.mark.parametrize("bad_input", BAD_INPUTS, indirect=True)
def test_bad_input_gives_one_sentence_and_an_exit_code(bad_input, tmp_path):
    path, sentence = bad_input
    output = tmp_path / "take.mien.npz"
    result = run("capture", path, "-o", output)
    assert result.returncode == 3 and result.stdout == ""
    assert sentence in result.stderr and len(result.stderr.splitlines()) == 1
    assert not output.exists()
    events = run("capture", path, "-o", output, "--json-events")
    (event,) = [json.loads(line) for line in events.stdout.splitlines()]
    assert event["event"] == "error" and sentence in event["message"]
    assert events.returncode == event["exit_code"] == 3 and events.stderr == ""


@pytest.mark.parametrize("command", ["capture", "track"])
def test_a_video_without_a_face(command, tmp_path, write_video, painted, capsys):
    clip, output = write_video([paint(320, 240)] * 20), tmp_path / "take.mien.npz"
    assert program.main([command, str(clip), "-o", str(output)]) == 4
    assert "error: No face was found in" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [clip]


def test_a_video_cut_short_half_way(tmp_path, write_video, painted, capsys):
    clip, output = write_video(talking_head()[1]), tmp_path / "take.mien.npz"
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    assert program.main(["capture", str(clip), "-o", str(output)]) == 3
    assert "cut short after frame" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == [clip]


def test_output_that_cannot_be_written_is_told_before_any_work(tmp_path):
    result = run("capture", tmp_path / "none.mp4", "-o", tmp_path / "none" / "take.npz")
    assert result.returncode == 6 and "There is no folder" in result.stderr


@pytest.mark.parametrize("arguments", [
    ("capture", "clip.mp4"),
    ("capture", "clip.mp4", "-o", "x", "--frames", "9:3"),
    ("capture", "clip.mp4", "-o", "x", "--fps", "0"),
    ("capture", "clip.mp4", "-o", "x", "--face", "12"),
    ("capture", "clip.mp4", "-o", "x", "--quality", "best"),
    ("capture", "clip.mp4", "-o", "x", "--device", "abacus"),
    ("capture", "clip.mp4", "-o", "x", "--rotate", "45"),
    ("preview", "clip.mp4"),
    (),
])  # fmt: skip
def test_wrong_command_lines(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        program.main(list(arguments))
    assert exit_.value.code == 2 and "error:" in capsys.readouterr().err


def test_a_video_brings_its_own_frame_rate(tmp_path, write_video):
    clip, take = write_video(talking_head(2)[1]), tmp_path / "take.npz"
    result = run("capture", clip, "-o", take, "--fps", "25")
    assert result.returncode == 2 and "its own frame rate" in result.stderr
    assert not take.exists()


def test_a_device_that_is_not_there(tmp_path, write_video):
    clip = write_video(talking_head(2)[1])
    result = run("capture", clip, "-o", tmp_path / "take.npz", "--device", "directml")
    assert result.returncode == 5 and "onnxruntime offers cpu" in result.stderr


def test_inspect_as_json_and_in_words(tmp_path, write_video, painted, capsys):
    clip, take = write_video(talking_head(8)[1]), tmp_path / "clip.mien.npz"
    program.main(["capture", str(clip), "-o", str(take)])
    capsys.readouterr()
    assert program.main(["inspect", str(take), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 8
    assert program.main(["inspect", str(take)]) == 0
    assert "shapes that move most" in capsys.readouterr().out


def test_inspect_of_something_else(tmp_path):
    (tmp_path / "x.npz").write_text("no")
    result = run("inspect", tmp_path / "x.npz")
    assert result.returncode == 3 and "not a take" in result.stderr
