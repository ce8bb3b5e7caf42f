# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures over time: of made-up tracks whose figures are known, and once through the runner."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.__main__ import main
from models.evaluation import frame_errors, stability_run
from models.evaluation.stability import (
    LagAndSize,
    Measured,
    Track,
    eye_distance,
    film_figures,
    film_table,
    jerk,
    still_figures,
)
from models.head import SHAPE_NAMES
from models.reconstruction.crop import crop_rotation, face_crops
from models.synthesis.command import fill_films
from models.synthesis.motion import perform
from models.synthesis.sequence import SequenceRenderer, Truth

COUNT = 120
JAW, BLINK = SHAPE_NAMES.index("jawOpen"), SHAPE_NAMES.index("eyeBlinkLeft")


def track(kind="speech", seed=0):
    """A made-up true track: weights of a performance, points that follow some of them."""
    performance = perform(kind, COUNT, 30, np.random.default_rng(seed))
    weights = performance.weights.astype(float)
    base = np.random.default_rng(1).uniform(0, 100, (68, 2))
    pull = np.random.default_rng(2).normal(0, 5, (52, 68, 2))
    points = base + np.tensordot(weights, pull, 1) + np.arange(COUNT)[:, None, None] / 10
    gaze = np.tile([0.0, 0.0, 1.0], (COUNT, 2, 1))
    return Track(weights, gaze, performance.rotation, points)


def measured(true, taken, kind="speech", **others):
    return Measured(kind, true, taken, others, np.ones(COUNT, bool), np.zeros((COUNT, 2)))


@pytest.mark.parametrize("late", [0.0, 1.0, -2.0, 0.3])
def test_lag_and_size_of_a_delayed_and_damped_curve(late):
    time = np.arange(200.0)
    curve = np.exp(-0.5 * ((time[:, None] - [40, 90, 150]) / [4, 5, 6]) ** 2)
    size = LagAndSize()
    size.add(0.7 * np.exp(-0.5 * ((time[:, None] - late - [40, 90, 150]) / [4, 5, 6]) ** 2), curve)
    figures = size.figures()
    assert figures["lag"] == pytest.approx(late, abs=0.03) and figures["r"] > 0.99
    assert figures["amplitude"] == pytest.approx(0.7, abs=0.08 if late else 1e-6)


def test_nothing_moved():
    size = LagAndSize()
    size.add(np.ones((100, 2)), np.ones((100, 2)))
    size.add(np.ones((5, 2)), np.random.default_rng(0).normal(size=(5, 2)))
    assert size.figures() == {}


def test_jerk_of_a_cubic():
    assert jerk(np.arange(50.0)[:, None] ** 3) == pytest.approx(6)
    assert jerk(np.arange(50.0)[:, None] ** 2) == pytest.approx(0, abs=1e-6)


def test_a_perfect_take():
    true = track()
    figures = film_figures([measured(true, true, network=true.weights + 0.1)])
    for name in ("blinks", "jaw", "lips"):
        expected = pytest.approx({"lag": 0, "r": 1, "amplitude": 1}, abs=1e-3)
        assert figures["shapes"][name] == expected
    assert figures["jerk_ratio"]["weights"]["all"] == figures["jerk_ratio"]["points"]["all"] == 1
    assert figures["each_shape"]["jawOpen"]["amplitude"] == pytest.approx(1)
    assert figures["weight_error"] == {"final": 0, "network": pytest.approx(0.1)}
    assert figures["head_degrees"] == figures["gaze_degrees"] == figures["point_error"] == 0
    assert "jaw" in film_table(figures) and "change -100.0 %" in film_table(figures)


def test_faults_of_a_take_show_where_they_are():
    true = track()
    noise = np.random.default_rng(5)
    weights = true.weights.copy()
    weights[:, JAW] *= 0.5
    weights[:, BLINK] = np.roll(weights[:, BLINK], 2)
    turned = Rotation.from_euler("y", 10, degrees=True).as_matrix() @ true.rotation
    points = true.points + noise.normal(0, 1, true.points.shape)
    figures = film_figures([measured(true, replace(
        true, weights=weights + noise.normal(0, 0.05, weights.shape), rotation=turned,
        points=points))])  # fmt: skip
    assert figures["shapes"]["jaw"]["amplitude"] == pytest.approx(0.5, abs=0.1)
    assert figures["shapes"]["blinks"]["lag"] > 0.4
    assert figures["jerk_ratio"]["weights"]["all"] > 1.3
    assert figures["jerk_ratio"]["points"]["all"] > 2
    assert figures["head_degrees"] == pytest.approx(10)
    assert figures["head_degrees_but_for_offset"] < 0.01
    assert figures["point_error"] == pytest.approx(1.25 / eye_distance(true.points), rel=0.1)


def test_stillness_of_known_noise():
    still = track("still")
    rng = np.random.default_rng(3)
    shift = rng.normal(0, 1, (COUNT, 2))
    shaken = replace(still, points=still.points[:1] + shift[:, None])
    held = still_figures(shaken, shift)
    assert held["weights_rms"] < 1e-6 and held["head_rms_degrees"] < 1e-4
    assert held["points_rms"] < 1e-6 and held["points_rms_but_for_shifts"] < 1e-6
    unknown = still_figures(shaken, np.zeros_like(shift))
    assert unknown["points_rms"] * eye_distance(shaken.points) == pytest.approx(2**0.5, rel=0.15)

    weights = still.weights + rng.normal(0, 0.01, still.weights.shape)
    weights[:, JAW] += rng.normal(0, 0.1, COUNT)
    sway = np.where(np.arange(COUNT) % 2, 1, -1)[:, None]
    turn = Rotation.from_rotvec(np.deg2rad([1, 0, 0]) * sway)
    figures = still_figures(replace(shaken, weights=weights, rotation=turn.as_matrix()), shift)
    assert figures["worst_shape"] == "jawOpen"
    assert figures["worst_shape_rms"] == pytest.approx(0.1, rel=0.2)
    assert figures["weights_rms"] == pytest.approx(np.hypot(0.01, 0.1 / 52**0.5), rel=0.15)
    assert figures["head_rms_degrees"] == pytest.approx(1, rel=1e-3)


def test_frames_without_a_face_are_left_out():
    true = track()
    lost = replace(true, points=true.points.copy(), weights=true.weights.copy())
    lost.points[50:60], lost.weights[50:60] = np.nan, 9.0
    film = measured(true, lost)
    film.found[50:60] = False
    figures = film_figures([film, measured(track("still"), track("still"), "still")])
    assert figures["found"] == pytest.approx(1 - 10 / (2 * COUNT))
    assert figures["weight_error"]["final"] == 0 and figures["point_error"] == 0
    assert figures["held"]["weights_rms"] == 0


def test_what_leaks_from_the_head_into_the_face_and_back():
    rng = np.random.default_rng(0)
    head, face = track("head"), track("face")
    weights = head.weights + rng.normal(0, 0.02, head.weights.shape)
    turn = Rotation.from_rotvec(np.deg2rad(2) * np.sin(np.arange(COUNT))[:, None] * [0, 1, 0])
    films = [
        measured(head, replace(head, weights=weights), "head"),
        measured(face, replace(face, rotation=face.rotation @ turn.as_matrix()), "face"),
    ]
    leak = film_figures(films)["leak"]
    assert leak["head"] == pytest.approx(0.02, rel=0.05)
    assert leak["face"] == pytest.approx(2 / np.sqrt(2), rel=0.05)
    clean = film_figures([measured(head, head, "head"), measured(face, face, "face")])["leak"]
    assert clean["head"] == 0 and clean["face"] < 1e-6


def take_of(true, names):
    """Arrays of a take of a track, its shapes in the order of names."""
    order = [SHAPE_NAMES.index(name) for name in names]

    def quaternions(matrices):
        flat = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_quat(scalar_first=True)
        return flat.reshape(*matrices.shape[:-2], 4)

    return {
        "header": np.frombuffer(json.dumps({"shape_names": names}).encode(), np.uint8),
        "weights": true.weights[:, order], "weights_raw": true.weights[:, order] + 1,
        "seen_expression": true.weights[:, order] + 2,
        "head_rotation": quaternions(true.rotation),
        "eye_rotation": quaternions(np.tile(np.eye(3), (COUNT, 2, 1, 1))),
        "points68": true.points, "found": np.ones(COUNT, bool),
    }  # fmt: skip


def test_takes_are_read_by_name():
    true = track()
    taken, found, others = stability_run.read_take(take_of(true, SHAPE_NAMES[::-1]))
    np.testing.assert_allclose(taken.weights, true.weights)
    np.testing.assert_allclose(others["before smoothing"], true.weights + 1)
    np.testing.assert_allclose(others["network alone"], true.weights + 2)
    np.testing.assert_allclose(taken.rotation, true.rotation, atol=1e-9)
    np.testing.assert_allclose(taken.gaze, true.gaze, atol=1e-9)
    assert found.all()


@pytest.fixture(scope="module")
def renderer():
    return SequenceRenderer(side=128)


def test_films_through_the_runner(renderer, tmp_path, capsys):
    """Two tiny films, rendered, captured and measured."""
    folder, answer = tmp_path / "films", tmp_path / "figures.json"
    for part in (1, 2):
        fill_films(renderer, folder, 3, seed=0, frames=40, part=part, parts=3)
    assert main(["evaluate", "stability", str(folder), "--json", str(answer)]) == 0
    figures = json.loads(answer.read_text())["rendered"]
    assert figures["films"] == 2 and figures["frames"] == 80 and figures["found"] > 0.9
    assert figures["point_error"] < 0.08 and figures["head_degrees"] < 20
    assert set(figures["weight_error"]) == {"final", "before smoothing", "network alone"}
    assert 0 <= figures["held"]["weights_rms"] < 0.05
    assert "rendered films 2" in capsys.readouterr().out


def test_what_the_network_says_of_single_frames(renderer, tmp_path, capsys):
    """The shipped network's errors on two tiny films, and an answer that knows the truth but for a
    constant and for noise in the weights: only the noise is a change."""
    fill_films(renderer, tmp_path, 3, seed=0, frames=12)
    assert main(["evaluate", "stability", str(tmp_path), "--network"]) == 0
    assert "network alone, its change from frame to frame" in capsys.readouterr().out
    truth = Truth.load(tmp_path / "00000.npz")
    rng, shown = np.random.default_rng(0), iter(range(12))

    def knowing(images):
        index = next(shown)
        crops = face_crops(truth.points[max(index - 1, 0)][None])
        focal, middle = truth.intrinsics[:1, 0], truth.intrinsics[:2, 2]
        return {
            "points": crops.from_picture(truth.points[index][None]),
            "expression": truth.weights[index][None] + 0.1 + rng.normal(0, 0.02, 52),
            "gaze": truth.gaze[index][None],
            "rotation": crop_rotation(truth.rotation[index][None], crops, focal, middle),
        }

    frames = frame_errors.read_film(tmp_path / "00000.mp4")
    errors = [frame_errors.errors_of(frames, truth, knowing)]
    change, size = frame_errors.changes(errors), frame_errors.mean_sizes(errors)
    assert change["weights"] == pytest.approx(0.02 * 2**0.5, rel=0.15)
    assert size["weights"] == pytest.approx(0.1, rel=0.1)
    assert max(size["points"], change["points"], size["head"], change["head"], size["gaze"]) < 1e-4


def test_a_take_of_another_length(renderer, tmp_path, monkeypatch):
    fill_films(renderer, tmp_path, 1, seed=0, frames=2)
    true = track()
    monkeypatch.setattr(
        stability_run, "capture", lambda video, quality: (true, np.ones(COUNT, bool), {})
    )
    with pytest.raises(ValueError, match="120 frames, not 2"):
        stability_run.rendered_films(tmp_path, "take")


def test_real_clips_beside_the_peer(tmp_path, monkeypatch):
    (tmp_path / "vid").mkdir()
    (tmp_path / "vid/a.mp4").touch()
    np.savez(tmp_path / "mediapipe_a.npz", points=np.zeros((3, 68, 2)))
    (tmp_path / "score_video.py").write_text(
        "import json, sys\nours = 'mediapipe' not in sys.argv[1]\n"
        "print(json.dumps({'detection': 1.0, 'jitter_p20_x1000': 1.5 if ours else 4.0,"
        " 'lag_frames': -8.0, 'lag_corr': 0.0}))\n"
    )
    monkeypatch.setattr(stability_run, "run_runner", lambda *words: np.savez(words[3]))
    figures, text = stability_run.real_clips(tmp_path / "vid")
    assert figures["a"]["mien"]["jitter_p20_x1000"] == 1.5
    assert figures["a"]["mediapipe"]["jitter_p20_x1000"] == 4.0
    assert "| a | 1.00 / 1.00 | 1.50 / 4.00 | - / - | - / - | - / - |" in text


def test_bad_input_is_one_sentence(tmp_path, capsys):
    (tmp_path / "text.png").write_text("no picture")
    for words, complaint in (
        ([], "say what to measure"),
        ([str(tmp_path)], "no rendered sequence"),
        (["--still", str(tmp_path / "text.png")], "not a readable picture"),
        (["--clips", str(tmp_path)], "no clips"),
    ):
        assert main(["evaluate", "stability", *words]) == 2
        error = capsys.readouterr().err.strip()
        assert complaint in error and "\n" not in error
