# SPDX-License-Identifier: GPL-3.0-or-later
"""Live Link Face recordings to takes and back."""

import csv
import json
import re
from fractions import Fraction

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import inference.__main__ as program
from blender_addon.take import read_take
from inference.errors import FootageError
from inference.livelink import ANGLES, SHAPES, eye_roll, read_csv
from models.head import SHAPE_NAMES, load_head

# As in the app's files: 61 values after the count, the right before the left of jaw and mouth.
HEADER = ["Timecode", "BlendShapeCount", *SHAPES, *ANGLES]
FACING = np.diag([1.0, -1.0, -1.0])


def recorded(frames=90, seed=1):
    """(T, 61): smooth values such as the app records, a few weights a little above 1."""
    random = np.random.default_rng(seed)
    phase, speed = random.uniform(0, 2 * np.pi, (2, 61))
    time = np.arange(frames)[:, None] / 30
    values = 0.52 + 0.51 * np.sin(phase + (0.5 + speed / 4) * time)
    values[:, 52:] = 0.6 * (values[:, 52:] - 0.52)
    values[:, 57] = eye_roll(values[:, 55], values[:, 56])
    values[:, 60] = eye_roll(values[:, 58], values[:, 59])
    return values


def timecodes(frames, base=60, step=2.0, start=(13, 13, 4, 31.652)):
    hours, minutes, seconds, first = start
    count = ((hours * 60 + minutes) * 60 + seconds) * base + first + step * np.arange(frames)
    texts = []
    for value in count % (24 * 3600 * base):
        second, frame = divmod(round(value * 1000), base * 1000)
        clock = f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}"
        texts.append(f"{clock}:{frame // 1000:02}.{frame % 1000:03}")
    return texts


def write(path, values, codes, header=HEADER, end="\r\n"):
    pairs = zip(codes, values, strict=True)
    rows = [[code, 61, *(f"{value:.10f}" for value in row)] for code, row in pairs]
    path.write_text(end.join(",".join(map(str, row)) for row in [header, *rows]) + end, newline="")
    return path


def table(path):
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, [row[0] for row in rows], np.array([row[2:] for row in rows], float)


def test_a_recording_comes_back_as_it_was(tmp_path, capsys):
    values, codes = recorded(), timecodes(90)
    source, take, target = (tmp_path / name for name in ("a ü.csv", "a.mien.npz", "b.csv"))
    write(source, values, codes)
    assert program.main(["convert", str(source), str(take), "--json-events"]) == 0
    event = json.loads(capsys.readouterr().out)
    assert event == {"event": "result", "take": str(take), "frames": 90}
    assert program.main(["convert", str(take), str(target), "--json-events"]) == 0
    event = json.loads(capsys.readouterr().out)
    assert event == {"event": "result", "csv": str(target), "frames": 90}
    header, again, written = table(target)
    assert header == HEADER and again == codes
    assert np.abs(written[:, :52] - values[:, :52]).max() < 1e-4
    assert np.rad2deg(np.abs(written[:, 52:] - values[:, 52:])).max() < 0.1


def test_every_column_goes_where_its_name_says(tmp_path):
    order = np.random.default_rng(0).permutation(61)
    names, values = [HEADER[2:][column] for column in order], recorded(10)

    def short(name):
        return re.sub("(Left|Right)$", lambda side: "_" + side[0][0], name)

    for spelling in (str, str.lower, short):
        spelled = [name if name in ANGLES else spelling(name) for name in names]
        path = tmp_path / "x.csv"
        write(path, values[:, order], timecodes(10), HEADER[:2] + spelled)
        recording = read_csv(path)
        assert np.allclose(recording.weights, values[:, :52])
        assert np.allclose(recording.head, values[:, 52:55])
        assert np.allclose(recording.eyes.reshape(-1, 6), values[:, 55:])


def test_the_head_turns_and_the_eyes_look_where_the_file_says(tmp_path):
    values = np.zeros((4, 61))
    values[0, 52:55] = 0.4, 0.0, 0.0  # to the character's right
    values[1, 52:55] = 0.0, 0.3, 0.0  # down
    values[2, 52:55] = 0.0, 0.0, 0.2  # its top to the character's left
    values[3, 55:57] = values[3, 58:60] = -0.44, -0.19  # the eyes to the left and up
    source, path = write(tmp_path / "x.csv", values, timecodes(4)), tmp_path / "x.mien.npz"
    assert program.main(["convert", str(source), str(path)]) == 0
    take = read_take(path)
    turns = FACING @ Rotation.from_quat(take.head_rotation, scalar_first=True).as_matrix()
    nose, top = turns @ [0, 0, 1], turns @ [0, 1, 0]  # +x is the character's left
    assert np.allclose(nose[0], [-np.sin(0.4), 0, np.cos(0.4)], atol=1e-6)
    assert np.allclose(nose[1], [0, -np.sin(0.3), np.cos(0.3)], atol=1e-6)
    assert np.allclose(top[2], [np.sin(0.2), np.cos(0.2), 0], atol=1e-6)
    eyes = Rotation.from_quat(take.eye_rotation[3], scalar_first=True).apply([0, 0, 1])
    assert (eyes[:, 0] > 0.35).all() and (eyes[:, 1] > 0.15).all()
    assert np.allclose(take.neutral, load_head().person(np.zeros(60)).neutral, atol=1e-6)


def test_eyes_without_angles_follow_their_shapes(tmp_path, capsys):
    values = np.zeros((2, 61))
    for name in ("eyeLookOutLeft", "eyeLookInRight"):
        values[1, SHAPE_NAMES.index(name)] = 0.5
    source, path = write(tmp_path / "x.csv", values, timecodes(2)), tmp_path / "x.mien.npz"
    assert program.main(["convert", str(source), str(path)]) == 0
    assert "recorded without its rotation" in capsys.readouterr().err
    take = read_take(path)
    assert "recorded without its rotation" in take.header.warnings[0]
    eyes = Rotation.from_quat(take.eye_rotation[1], scalar_first=True).apply([0, 0, 1])
    assert np.allclose(eyes[:, 0], np.sin(0.3), atol=1e-6)


@pytest.mark.parametrize("base, step, rate", [
    (60, 2.0, Fraction(30)),
    (60, 2.002, Fraction(30000, 1001)),
    (60, 1.0, Fraction(60)),
    (60, 2.5025, Fraction(24000, 1001)),
    (30, 1.0, Fraction(30)),
    (24, 1.0, Fraction(24)),
    (25, 1.0, Fraction(25)),
    (60, 4.2, Fraction(100, 7)),
])  # fmt: skip
def test_rates_are_read_from_time_codes(tmp_path, base, step, rate):
    codes = timecodes(200, base, step, (23, 59, 58, 3.25))  # over midnight
    recording = read_csv(write(tmp_path / "x.csv", recorded(200), codes))
    assert recording.rate == rate
    assert np.allclose(recording.time - recording.time[0], np.arange(200) * step / base, atol=1e-4)


def test_lost_rows_leave_gaps_in_time(tmp_path):
    keep = np.r_[0:20, 23:60]
    values, codes = recorded(60), timecodes(60)
    source = write(tmp_path / "x.csv", values[keep], [codes[row] for row in keep])
    path = tmp_path / "x.mien.npz"
    assert program.main(["convert", str(source), str(path)]) == 0
    take = read_take(path)
    assert np.array_equal(take.frame, keep) and np.allclose(take.time, keep / 30, atol=1e-4)


def test_rows_without_a_face_are_left_out_and_wrong_seconds_mended(tmp_path):
    values, codes = recorded(60), timecodes(60, start=(0, 0, 9, 0))
    codes[31] = codes[1]  # a second too early, and another too late
    codes[40] = codes[59]
    path = write(tmp_path / "x.csv", values, codes)
    lines = path.read_text().splitlines()
    lines[11] = f"{codes[10]},0,"
    lines[12] = f"{codes[11]},0" + 61 * ",0.0"
    path.write_text("\n".join(lines) + "\n\n")
    recording = read_csv(path)
    kept = np.r_[0:10, 12:60]
    assert recording.left_out == 2 and len(recording.time) == 58
    assert np.allclose(recording.time - recording.time[0], kept / 30, atol=0.02)
    assert (np.diff(recording.time) > 0).all()


def test_a_given_rate_counts(tmp_path):
    source, path = write(tmp_path / "x.csv", recorded(), timecodes(90)), tmp_path / "x.mien.npz"
    assert program.main(["convert", str(source), str(path), "--fps", "30000/1001"]) == 0
    take = read_take(path)
    assert take.header.source.frame_rate == Fraction(30000, 1001)
    assert np.allclose(take.time, np.arange(90) * 1001 / 30000, atol=1e-4)


def test_the_mirror_exchanges_the_sides(tmp_path):
    values = recorded()
    source, path = write(tmp_path / "x.csv", values, timecodes(90)), tmp_path / "x.mien.npz"
    assert program.main(["convert", str(source), str(path), "--mirror"]) == 0
    take = read_take(path)
    for name, other in (("eyeBlinkLeft", "eyeBlinkRight"), ("jawLeft", "jawRight")):
        column, there = SHAPE_NAMES.index(name), SHAPE_NAMES.index(other)
        assert np.allclose(take.weights[:, column], values[:, there], atol=1e-6)
    turns = FACING @ Rotation.from_quat(take.head_rotation, scalar_first=True).as_matrix()
    nose = turns @ [0, 0, 1]
    assert np.allclose(nose[:, 0], np.sin(values[:, 52]) * np.cos(values[:, 53]), atol=1e-5)


def test_a_captured_take_is_written_with_the_footages_clock(tmp_path):
    poses = tmp_path / "poses.npz"
    weights = np.random.default_rng(0).uniform(0, 1, (30, 52))
    np.savez(poses, identity=np.ones(60), weights=weights, gaze=np.full((30, 2, 2), 0.2))
    take, target = tmp_path / "x.mien.npz", tmp_path / "x.csv"
    assert program.main(["head", "-o", str(take), "--poses", str(poses)]) == 0
    assert program.main(["convert", str(take), str(target)]) == 0
    recording = read_csv(target)
    assert np.allclose(recording.time, np.arange(30) / 24, atol=1e-4) and recording.rate == 24
    assert np.allclose(recording.weights, weights, atol=1e-6)
    assert np.allclose(recording.eyes[..., :2], -0.2, atol=1e-6)
    assert np.allclose(recording.head, 0, atol=1e-6)


WRONG = {
    "": "is empty",
    "\n\n": "is empty",
    "a,b,c\n1,2,3\n": "no column Timecode",
    ",".join(HEADER[:20]) + "\n": "no column MouthClose",
    ",".join(HEADER) + "\n": "no frame with a face",
    ",".join(HEADER) + "\n00:00:00:01.000,61" + 61 * ",x" + "\n": "else than numbers",
    ",".join(HEADER) + "\n00:00:00:01.000,61" + 61 * ",nan" + "\n": "not finite",
    ",".join(HEADER) + "\n00:00:00:01.000,61" + 61 * ",11" + "\n": "weights beyond",
    ",".join(HEADER) + "\nsoon,61" + 61 * ",0" + "\n": "time code 'soon'",
    b"\xff\xfe\x00\xd8": "not a CSV of Live Link Face",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_recording_is_told_in_a_sentence(text, tmp_path, capsys):
    source, path = tmp_path / "x.csv", tmp_path / "x.mien.npz"
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert program.main(["convert", str(source), str(path)]) == 3
    errors = capsys.readouterr().err
    assert WRONG[text] in errors and len(errors.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [source]


def test_wrong_ways_of_converting(tmp_path, capsys):
    for arguments in (("a.csv", "b.csv"), ("a.mp4", "b.mien.npz"), ("a.npz", "b.csv", "--mirror")):
        assert program.main(["convert", *arguments]) == 2
    for arguments in (("none.csv", "b.npz"), ("none.npz", "b.csv")):
        places = [str(tmp_path / name) for name in arguments]
        assert program.main(["convert", *places]) == 3
    assert "There is no" in capsys.readouterr().err
    with pytest.raises(FootageError, match="no file"):
        read_csv(tmp_path / "none.csv")
