# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from inference.footage import Frame, open_footage
from inference.track import Tracker, observe
from tests.inference.painted import JAW_OPEN, PaintedNetwork, Placed, paint

SIZE = (640, 480)


def frames_of(scenes):
    return [Frame(i, i / 30, paint(*SIZE, *scene)) for i, scene in enumerate(scenes)]


def follow(scenes, place=None):
    network = PaintedNetwork()
    tracker = Tracker(network, place)
    return network, [tracker.follow(frame) for frame in frames_of(scenes)]


def walk(t, size=900.0):
    return Placed((250 + 6 * t, 240 + 15 * np.sin(t / 3)), size, 0.2 * np.sin(t / 5))


def test_one_pass_a_frame_once_the_face_is_held():
    network = PaintedNetwork()
    tracker = Tracker(network)
    frames = frames_of([[walk(t)] for t in range(30)])
    tracker.follow(frames[0])
    before = network.crops
    faces = [tracker.follow(frame) for frame in frames[1:]]
    assert network.crops - before == len(faces)
    for t, face in enumerate(faces, start=1):
        assert np.abs(face.points - walk(t).points).max() < 2.0


def test_a_jump_costs_a_second_look_not_the_face():
    scenes = [[Placed((250, 240))]] * 3 + [[Placed((290, 250), 1000, 0.25)]] * 3
    _, faces = follow(scenes)
    assert all(face is not None for face in faces)
    wanted = faces[3].next_crop
    assert np.linalg.norm(faces[3].crop.centre - wanted.centre) < 0.03 * wanted.side


def test_a_face_is_found_again_after_it_was_hidden():
    scenes = [[walk(t)] for t in range(4)] + [[]] * 5 + [[walk(t)] for t in range(9, 40)]
    _, faces = follow(scenes)
    found = [face is not None for face in faces]
    assert found[:4] == [True] * 4 and not any(found[4:9]) and all(found[25:])


def test_the_largest_and_most_central_face_is_chosen():
    _, (face,) = follow([[Placed((120, 120), 700), Placed((360, 260), 800)]])
    assert face.centre[0] == pytest.approx(360, abs=10)


def test_a_chosen_face_is_kept_while_a_larger_one_enters():
    scenes = [
        [Placed((120 + t, 300), 700), Placed((440 - t, 200), 800 + 20 * t)] for t in range(20)
    ]
    _, faces = follow(scenes, place=np.array([125.0, 310.0]))
    assert [round(face.centre[0]) for face in faces] == pytest.approx(
        [120 + t for t in range(20)], abs=4
    )


def test_another_person_does_not_take_over_when_the_first_is_lost():
    scenes = [[Placed((120, 300)), Placed((520, 160))]] * 3 + [[Placed((520, 160))]] * 20
    _, faces = follow(scenes, place=np.array([120.0, 300.0]))
    assert all(face is not None for face in faces[:3])
    assert all(face is None for face in faces[3:])


def test_observations_of_a_video(write_video):
    path = write_video(
        [frame.image for frame in frames_of([[walk(t)] if t != 4 else [] for t in range(8)])]
    )
    progress = []
    observations = observe(
        PaintedNetwork(), open_footage(path), progress=lambda *step: progress.append(step)
    )
    assert progress[-1] == (8, 8)
    assert observations.found.sum() <= 7 and not observations.found[4]
    assert np.isnan(observations.points[4]).all() and observations.confidence[4] == 0
    seen = np.flatnonzero(observations.found)
    for t in seen:
        assert np.abs(observations.points[t] - walk(t).points).max() < 3.0
    assert np.allclose(observations.time, np.arange(8) / 30)
    assert observations.expression[seen, JAW_OPEN].max() < 0.3
    # A rolled face: the view's rotation carries the roll that the crop took out.
    t = int(seen[2])
    across = observations.view_rotation[t] @ [1.0, 0.0, 0.0]
    assert np.arctan2(across[1], across[0]) == pytest.approx(walk(t).roll, abs=0.03)
