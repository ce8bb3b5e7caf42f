# SPDX-License-Identifier: GPL-3.0-or-later
"""Films: truth that fits the pictures, one look throughout, the same films again."""

import av
import numpy as np
import pytest

from models.__main__ import main
from models.head import load_head
from models.synthesis.command import fill_films, film_rng
from models.synthesis.hair import Strands
from models.synthesis.motion import perform
from models.synthesis.sequence import SequenceRenderer, Truth, film_paths, films_in
from models.synthesis.sequence_camera import (
    hand_shake,
    shaken,
    still_film,
    with_sensor_noise,
    write_film,
)

COUNT, SIDE = 12, 96


@pytest.fixture(scope="module")
def renderer():
    return SequenceRenderer(side=SIDE)


@pytest.fixture(scope="module")
def film(renderer):
    film = renderer.film(np.random.default_rng(2), "speech", COUNT)
    return list(film.frames), film.truth


def test_points_are_those_of_the_truth(film):
    frames, truth = film
    assert len(frames) == len(truth) == COUNT
    assert frames[0].shape == (SIDE, SIDE, 3) and frames[0].dtype == np.uint8
    head = load_head()
    person = head.person(truth.identity)
    inner = head.point_vertices[17:]
    for index in range(0, COUNT, 5):
        face = person.look(person.express(truth.weights[index]), truth.gaze[index])
        seen = face[inner] @ truth.rotation[index].T + truth.translation[index]
        pixels = seen @ truth.intrinsics.T
        pixels = pixels[:, :2] / pixels[:, 2:] + truth.shift[index]
        assert np.abs(pixels - truth.points[index, 17:]).max() < 0.01
    middle = truth.points[:, :68].mean(axis=1)
    assert np.abs(middle - SIDE / 2).max() < 0.2 * SIDE


def test_one_look_throughout(renderer):
    """Without shake and noise all that is clear of the person is the same in every frame."""
    cast = renderer._cast(np.random.default_rng(5))
    performance = perform("expressions", COUNT, 30, np.random.default_rng(1))
    frames = np.stack(list(renderer._drawn("expressions", cast, performance))).astype(int)
    change = np.abs(frames - frames[0]).max(axis=(0, 3))
    assert (change[:4, :4] == 0).all() and change.max() > 20
    colour = frames.mean(axis=(1, 2))
    assert np.abs(colour - colour[0]).max() < 4, "one exposure"


def test_the_same_again(renderer, film):
    frames, truth = film
    again = renderer.film(np.random.default_rng(2), "speech", COUNT)
    np.testing.assert_array_equal(truth.points, again.truth.points)
    np.testing.assert_array_equal(frames, list(again.frames))


def pictures(path):
    with av.open(str(path)) as film:
        return np.stack([f.to_ndarray(format="rgb24") for f in film.decode(video=0)]).astype(int)


def test_folder_resumes_and_repeats(renderer, tmp_path):
    folder = tmp_path / "films"
    fill_films(renderer, folder, 3, seed=1, frames=3)
    written = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(written) == [f"{i:05d}.{s}" for i in range(3) for s in ("mp4", "npz")]
    assert [Truth.load(truth).kind for _, truth in films_in(folder)] == [
        "speech", "expressions", "still"]
    lost, truth = film_paths(folder, 1)
    drawn = pictures(lost)
    truth.unlink()
    kept = film_paths(folder, 2)[0].stat().st_mtime_ns
    fill_films(renderer, folder, 3, seed=1, frames=3)
    assert film_paths(folder, 2)[0].stat().st_mtime_ns == kept
    for path in (*film_paths(folder, 0), *film_paths(folder, 2)):
        assert path.read_bytes() == written[path.name]
    # Not to the byte: of the same frames the encoder made another file 3 times in 24 thousand.
    assert np.abs(pictures(lost) - drawn).mean() < 0.5
    truth = Truth.load(truth)
    np.testing.assert_array_equal(
        truth.points, renderer.film(film_rng(1, 1), "expressions", 3).truth.points)


def test_a_still_is_one_picture(renderer):
    film = renderer.film(np.random.default_rng(3), "still", 30)
    frames = np.stack(list(film.frames)).astype(float)
    calm = film.truth.shift == 0
    assert calm.all() or np.sqrt((film.truth.shift ** 2).sum(1).mean()) < 2
    held = np.ptp(film.truth.points - film.truth.shift[:, None], axis=0)
    assert held.max() < 1e-4
    if calm.all():
        assert 0.3 < frames.std(axis=0).mean() < 5


def test_shake_moves_pictures_as_it_says():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :96] / 8.0
    picture = np.repeat((np.sin(x) * np.cos(y) * 100 + 127)[..., None], 3, 2).astype(np.uint8)
    down, right = np.gradient(picture[..., 0].astype(float))
    slopes = np.stack([right, down], -1)[8:-8, 8:-8].reshape(-1, 2)
    shift = hand_shake(rng, 200, 30, 1.0)
    assert 0.7 < np.sqrt((shift ** 2).sum(axis=1).mean()) < 1.3
    for offset in shift[::40]:
        change = picture.astype(float) - shaken(picture, offset)
        found, *_ = np.linalg.lstsq(slopes, change[8:-8, 8:-8, 0].ravel(), rcond=None)
        np.testing.assert_allclose(found, offset, atol=0.1)
    frames, shift = still_film(picture, 5, 30, 0.0, rng)
    frames = np.stack(list(frames)).astype(float)
    assert not shift.any() and 1 < (frames - picture).std() < 3


def test_noise_grows_with_the_light():
    rng = np.random.default_rng(0)
    dark, light = (with_sensor_noise(np.full((64, 64, 3), value, np.uint8), (1.0, 3.0), rng)
                   for value in (20, 200))
    assert 1.0 < dark.std() < light.std() < 4.0


def test_films_keep_their_frames(tmp_path, film):
    frames, _ = film
    write_film(tmp_path / "a.mp4", frames, 30000 / 1001)
    back = pictures(tmp_path / "a.mp4")
    assert len(back) == COUNT
    difference = np.abs(back - np.stack(frames)).mean()
    assert difference < 6
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_hair_follows_its_roots():
    rest = np.eye(3, dtype=np.float32)
    strands = Strands(np.zeros((2, 4, 3), np.float32), np.ones((2, 3)), 0.001,
                      np.array([0, 0]), np.array([[1.0, 0, 0], [0, 0.5, 0.5]], np.float32))
    face = rest + np.array([[0, 0, 0], [2, 0, 0], [0, 2, 0]], np.float32)
    moved = strands.carried(np.array([[0, 1, 2]]), rest, face)
    np.testing.assert_allclose(moved.points[0], 0)
    np.testing.assert_allclose(moved.points[1], np.tile([1, 1, 0], (4, 1)))


@pytest.mark.parametrize("words, complaint", [
    (["--count", "1", "--out", "x", "--side", "30"], "64 px"),
    (["--count", "1", "--out", "x", "--frames", "0"], "--frames"),
    (["--source", "background", "--count", "1", "--out", "x"], "people"),
])
def test_bad_input_is_one_sentence(words, complaint, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["render", "--sequences", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert complaint in error and "\n" not in error


def test_not_a_truth(tmp_path):
    np.savez(tmp_path / "00000.npz", points=np.zeros(3))
    with pytest.raises(ValueError, match="lacks"):
        Truth.load(tmp_path / "00000.npz")
    with pytest.raises(ValueError, match="no rendered sequence"):
        films_in(tmp_path / "none")
