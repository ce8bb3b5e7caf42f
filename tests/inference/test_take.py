# SPDX-License-Identifier: GPL-3.0-or-later
import dataclasses
import json
import stat
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import blender_addon.take
import inference.__main__ as program
from inference.errors import OutputError, TakeError
from inference.footage import Footage, FrameRange
from inference.inspect import describe_take, in_words
from inference.output import check_writable, whole_file
from inference.solve import solve_clip
from inference.take import Origin, quaternions, read_take, write_take
from models.head import (
    BONE_NAMES,
    CORRECTIVE_NAMES,
    SHAPE_NAMES,
    corrective_weights,
    load_head,
)
from tests.inference.synthetic import make_clip, without_face


@pytest.fixture(scope="module")
def performance():
    clip = make_clip(frames=40, point_noise=0.5)
    return solve_clip(without_face(clip.observations, np.arange(10, 14)))


def origin_of(path, **changes):
    footage = Footage(path, 640, 480, Fraction(30000, 1001), 40, FrameRange())
    settings = {"quality": "take"}
    return dataclasses.replace(
        Origin(footage, settings, "cpu", "mien", "ab" * 32, ("Dark.",)), **changes
    )


def test_the_add_on_reads_what_the_runner_wrote(tmp_path, performance):
    path = tmp_path / "clip.mien.npz"
    write_take(path, performance, origin_of(tmp_path / "clip.mp4"))
    take = blender_addon.take.read_take(path)
    header = take.header
    assert header.version == 1 and header.device == "cpu" and header.warnings == ("Dark.",)
    assert header.source.file == str(tmp_path / "clip.mp4")
    assert header.source.frame_rate == Fraction(30000, 1001)
    assert header.shape_names == SHAPE_NAMES and header.bone_names == BONE_NAMES
    assert header.model == {"name": "mien", "sha256": "ab" * 32}
    assert np.array_equal(take.time, performance.time)
    assert np.array_equal(take.frame, np.arange(40))
    assert np.array_equal(take.found, performance.found)
    assert np.allclose(take.weights, performance.weights, atol=1e-6)
    assert np.allclose(take.weights_raw, performance.weights_raw, atol=1e-6, equal_nan=True)
    rotation = Rotation.from_quat(take.head_rotation, scalar_first=True).as_matrix()
    assert np.allclose(rotation, performance.pose.rotation, atol=1e-5)
    assert np.allclose(take.points68, performance.points68, atol=1e-3, equal_nan=True)
    head = load_head()
    assert np.allclose(take.neutral, head.person(performance.identity).neutral, atol=1e-6)
    assert header.corrective_names == CORRECTIVE_NAMES
    assert take.correctives.shape == (len(CORRECTIVE_NAMES), len(head.mean), 3)
    assert np.allclose(take.corrective_weights, corrective_weights(take.weights), atol=1e-6)


def test_a_take_can_be_solved_again(tmp_path):
    clip = make_clip(frames=40, point_noise=0.5)
    first, second = tmp_path / "first.mien.npz", tmp_path / "second.mien.npz"
    write_take(first, solve_clip(clip.observations), origin_of(first), clip.observations)
    assert program.main(["solve", str(first), "-o", str(second)]) == 0
    (header, one), (again, two) = read_take(first), read_take(second)
    assert np.abs(one["weights"] - two["weights"]).max() < 2e-3, "points are stored rounded"
    assert again["source"] == header["source"] and again["settings"]["smoothing"] == 1.0
    assert program.main(["solve", str(second), "-o", str(second), "--smoothing", "0"]) == 0
    _, rough = read_take(second)
    jerks = [np.abs(np.diff(take["weights"], 3, axis=0)).mean() for take in (rough, one)]
    assert jerks[0] > jerks[1]
    assert blender_addon.take.read_take(second).header.settings["smoothing"] == 0


def test_solving_again_keeps_what_the_take_says_of_its_footage(tmp_path):
    clip = make_clip(frames=20, point_noise=0.5)
    footage = Footage(
        tmp_path / "clip.mp4", 480, 640, Fraction(24), 20, FrameRange(),
        rotation=90, container_rotation=270,
    )  # fmt: skip
    origin = Origin(footage, {}, "cuda", "mien", "ab" * 32, ("Dark.",), r"D:\Aufnahmen\größer.mp4")
    take = tmp_path / "take.mien.npz"
    write_take(take, solve_clip(clip.observations), origin, clip.observations)
    before, _ = read_take(take)
    assert program.main(["solve", str(take), "-o", str(take), "--smoothing", "2"]) == 0
    after, _ = read_take(take)
    assert before["source"] == after["source"] == {
        "file": r"D:\Aufnahmen\größer.mp4", "width": 480, "height": 640, "frame_rate": [24, 1],
        "rotation": 90, "container_rotation": 270,
    }  # fmt: skip
    assert after["device"] == "cuda" and after["warnings"] == ["Dark."]


def test_what_cannot_be_solved_again_says_why(tmp_path, performance, capsys):
    take, output = tmp_path / "take.mien.npz", tmp_path / "other.mien.npz"
    write_take(take, performance, origin_of(take))
    assert program.main(["solve", str(take), "-o", str(output)]) == 3
    assert "capture the footage again" in capsys.readouterr().err
    clip = make_clip(frames=10)
    write_take(take, solve_clip(clip.observations), origin_of(take), clip.observations)
    assert program.main(["solve", str(take), "-o", str(output), "--neutral", "99"]) == 2
    assert "Frame 99" in capsys.readouterr().err
    assert not output.exists()


def test_the_takes_own_numbers_put_the_head_on_the_picture(tmp_path, performance):
    path = tmp_path / "clip.mien.npz"
    write_take(path, performance, origin_of(path))
    take = blender_addon.take.read_take(path)
    inner = load_head().points68[17:]
    face = take.neutral + np.tensordot(take.weights, take.shapes, axes=1)
    face += np.tensordot(take.corrective_weights, take.correctives, axes=1)
    turn = Rotation.from_quat(take.head_rotation, scalar_first=True).as_matrix()
    seen = face[:, inner] @ np.swapaxes(turn, 1, 2) + take.head_position[:, None]
    pixels = take.focal * seen[..., :2] / seen[..., 2:] + take.principal
    error = np.linalg.norm(pixels - take.points68[:, 17:], axis=-1)
    assert np.nanmean(error) < 2.0


def test_quaternions_do_not_jump():
    spin = Rotation.from_rotvec(np.outer(np.linspace(0, 4 * np.pi, 100), [0, 1, 0])).as_matrix()
    values = quaternions(np.stack([spin, spin], axis=1))
    assert np.linalg.norm(np.diff(values, axis=0), axis=-1).max() < 0.1
    assert np.allclose(
        Rotation.from_quat(values[:, 1], scalar_first=True).as_matrix(), spin, atol=1e-12
    )


def test_inspect_says_what_is_in_a_take(tmp_path, performance):
    path = tmp_path / "clip.mien.npz"
    write_take(path, performance, origin_of(path))
    description = describe_take(path)
    assert description["frames"] == 40 and description["found"] == 36
    assert description["weights"]["jawOpen"]["most"] > 0.4
    assert -15 < description["head"]["pitch"]["least"] < 0 < description["head"]["yaw"]["most"] < 35
    words = in_words(description)
    assert "found       36 of 40" in words and "jawOpen" in words and "29.97" in words


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04broken"])
def test_damaged_takes_are_named_so(tmp_path, content):
    path = tmp_path / "bad.mien.npz"
    path.write_bytes(content)
    with pytest.raises(TakeError, match="not a take"):
        read_take(path)


def test_other_archives_and_missing_files_are_no_takes(tmp_path):
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    with pytest.raises(TakeError, match="not a take"):
        read_take(tmp_path / "other.npz")
    with pytest.raises(TakeError, match="There is no take"):
        read_take(tmp_path / "none.npz")


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "result"
    path.write_text("before")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]
    with whole_file(path) as file:
        file.write(b"after")
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) & 0o400


def test_places_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        check_writable(tmp_path / "none" / "x.npz")
    with pytest.raises(OutputError, match="is a folder"):
        check_writable(tmp_path)
    check_writable(Path(tmp_path / "new.npz"))


def test_a_range_of_a_take_is_solved_with_the_camera_and_person_that_it_has(tmp_path, capsys):
    clip = make_clip(frames=60, point_noise=0.5)
    take, part = tmp_path / "take.mien.npz", tmp_path / "part.mien.npz"
    write_take(take, solve_clip(clip.observations), origin_of(take), clip.observations)
    assert program.main(["solve", str(take), "-o", str(part), "--frames", "20:50"]) == 0
    (_, whole), (header, some) = read_take(take), read_take(part)
    assert np.array_equal(some["frame"], np.arange(20, 50))
    assert header["settings"]["frames"] == [20, 50]
    assert some["focal"] == whole["focal"] and np.array_equal(some["identity"], whole["identity"])
    assert np.array_equal(some["seen_frame"], some["frame"])
    assert program.main(["solve", str(take), "-o", str(part), "--frames", "60:90"]) == 2
    assert "frames 0 to 59" in capsys.readouterr().err


def test_a_lens_that_is_given_is_taken(tmp_path, capsys):
    clip = make_clip(frames=20, point_noise=0.5)
    take, other = tmp_path / "take.mien.npz", tmp_path / "other.mien.npz"
    write_take(take, solve_clip(clip.observations), origin_of(take), clip.observations)
    assert program.main(["solve", str(take), "-o", str(other), "--lens", "85"]) == 0
    header, arrays = read_take(other)
    assert np.isclose(arrays["focal"], 85 / 36 * clip.observations.width)
    assert header["settings"]["lens"] == 85
    assert program.main(["solve", str(other), "-o", str(other), "--smoothing", "2"]) == 0
    header, again = read_take(other)
    assert again["focal"] == arrays["focal"] and header["settings"]["lens"] == 85
    with pytest.raises(SystemExit):
        program.main(["solve", str(take), "-o", str(other), "--lens", "1"])
    assert "8 to 2000 mm" in capsys.readouterr().err


def test_solving_again_tells_its_progress_and_may_replace_the_take(tmp_path, capsys):
    clip = make_clip(frames=70, point_noise=0.5)
    folder = tmp_path / "nachträglich gelöst"
    folder.mkdir()
    take = folder / "schöner take.mien.npz"
    write_take(take, solve_clip(clip.observations), origin_of(take), clip.observations)
    before = read_take(take)[1]["weights"]
    arguments = ["solve", str(take), "-o", str(take), "--smoothing", "5", "--json-events"]
    assert program.main(arguments) == 0
    *progress, result = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert result == {"event": "result", "take": str(take), "frames": 70}
    solved = [event["done"] for event in progress if event["stage"] == "solve"]
    assert solved == sorted(set(solved)) and solved[0] == 0 and solved[-1] == 70
    assert [event["stage"] for event in progress][-2:] == ["write", "write"]
    assert not np.array_equal(read_take(take)[1]["weights"], before)
    assert list(folder.iterdir()) == [take]


def test_a_solve_that_is_broken_off_leaves_the_take_as_it_was(tmp_path, monkeypatch):
    clip = make_clip(frames=20, point_noise=0.5)
    take = tmp_path / "take.mien.npz"
    write_take(take, solve_clip(clip.observations), origin_of(take), clip.observations)
    before = take.read_bytes()

    def broken_off(file, **arrays):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", broken_off)
    assert program.main(["solve", str(take), "-o", str(take)]) == 130
    assert take.read_bytes() == before and list(tmp_path.iterdir()) == [take]
