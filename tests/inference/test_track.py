# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import cv2
import numpy as np
import pytest

from inference.footage import Frame, open_footage, read_picture
from inference.network import WEIGHTS, Network
from inference.observations import PREFIX, Observations
from inference.track import Tracker, observe
from tests.inference.painted import JAW_OPEN, PaintedNetwork, Placed, paint

SIZE = (640, 480)


def frames_of(scenes):
    return [Frame(i, i / 30, paint(*SIZE, *scene)) for i, scene in enumerate(scenes)]


def follow(scenes, place=None, network=None, behind=None):
    """The faces followed; ``behind`` is added to the pictures: a room, say, that stays."""
    tracker = Tracker(network or PaintedNetwork(), place)
    frames = frames_of(scenes)
    if behind is not None:
        frames = [replace(frame, image=cv2.add(frame.image, behind)) for frame in frames]
    return [tracker.follow(frame) for frame in frames]


def room():
    """(H, W, 3) uint8 grey clouds, to be seen behind painted faces."""
    clouds = np.random.default_rng(0).normal(0, 1, SIZE[::-1])
    clouds = cv2.normalize(cv2.GaussianBlur(clouds, (0, 0), 30), None, 0, 90, cv2.NORM_MINMAX)
    return cv2.cvtColor(clouds.astype(np.uint8), cv2.COLOR_GRAY2RGB)


class KnowingNetwork(PaintedNetwork):
    """Tells people apart by how bright their mouths are."""

    @classmethod
    def _look(cls, crop):
        answer = list(super()._look(crop))
        answer[2] = np.full(60, answer[3][JAW_OPEN])
        return tuple(answer)


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
    faces = follow(scenes)
    assert all(face is not None for face in faces)
    wanted = faces[3].next_crop
    assert np.linalg.norm(faces[3].crop.centre - wanted.centre) < 0.03 * wanted.side


def test_a_face_is_found_again_after_it_was_hidden():
    scenes = [[walk(t)] for t in range(4)] + [[]] * 5 + [[walk(t)] for t in range(9, 40)]
    faces = follow(scenes)
    found = [face is not None for face in faces]
    assert found[:4] == [True] * 4 and not any(found[4:9]) and all(found[25:])


def test_the_largest_and_most_central_face_is_chosen():
    (face,) = follow([[Placed((120, 120), 700), Placed((360, 260), 800)]])
    assert face.centre[0] == pytest.approx(360, abs=10)


def test_a_chosen_face_is_kept_while_a_larger_one_enters():
    scenes = [
        [Placed((120 + t, 300), 700), Placed((440 - t, 200), 800 + 20 * t)] for t in range(20)
    ]
    faces = follow(scenes, place=np.array([125.0, 310.0]))
    assert [round(face.centre[0]) for face in faces] == pytest.approx(
        [120 + t for t in range(20)], abs=4
    )


def test_another_person_does_not_take_over_when_the_first_is_lost():
    scenes = [[Placed((120, 300)), Placed((520, 160))]] * 3 + [[Placed((520, 160))]] * 20
    faces = follow(scenes, place=np.array([120.0, 300.0]))
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


def test_a_face_in_the_lost_ones_place_is_not_taken_for_it():
    scenes = (
        [[Placed((200, 240))]] * 10
        + [[Placed((245, 240), jaw=1.0)]] * 5  # another, half a face aside of where the first was
        + [[Placed((200, 240))]] * 5
    )
    faces = follow(scenes, network=KnowingNetwork(), behind=room())
    assert [face is not None for face in faces] == [True] * 10 + [False] * 5 + [True] * 5
    # The same person can have moved there.
    scenes = [[Placed(face.centre) for face in scene] for scene in scenes]
    assert all(face is not None for face in follow(scenes, network=KnowingNetwork(), behind=room()))


def test_a_face_does_not_double_its_size_from_one_frame_to_the_next():
    scenes = [[Placed((320, 240), 700)]] * 5 + [[Placed((320, 240), 1500)]] * 3
    faces = follow(scenes + scenes[:5], behind=room())
    assert [face is not None for face in faces] == [True] * 5 + [False] * 3 + [True] * 5
    larger = follow(scenes + scenes[5:] * 10, behind=room())[-1]  # that stays is taken in the end
    assert larger.size == pytest.approx(1500 / 700 * faces[0].size, rel=0.05)


def talk_show():
    """Shots of 6 frames: one person, that one and a more prominent one, a third place."""
    first = [[Placed((150, 140), 800)] for _ in range(6)]
    both = [[Placed((520, 330), 700), Placed((250, 220), 1100, jaw=1.0)] for _ in range(6)]
    close = [[Placed((330, 250), 2200)] for _ in range(6)]
    return first + both + close


def test_after_a_cut_the_same_person_is_followed():
    tracker = Tracker(KnowingNetwork(), np.array([150.0, 140.0]))
    for t, (frame, placed) in enumerate(zip(frames_of(talk_show()), talk_show(), strict=True)):
        face = tracker.follow(frame)
        assert tracker.shot == t // 6
        assert np.abs(face.points - placed[0].points).max() < 4.0
        wanted = face.next_crop  # no crop on the way from the old place to the new
        assert np.linalg.norm(face.crop.centre - wanted.centre) < 0.1 * wanted.side


def test_after_a_cut_the_most_prominent_is_followed_where_nothing_tells_them_apart():
    faces = follow(talk_show(), np.array([150.0, 140.0]))
    assert [round(face.centre[0], -1) for face in faces[::6]] == [150, 250, 330]


def test_observations_know_their_shots(write_video):
    path = write_video([frame.image for frame in frames_of(talk_show())])
    observations = observe(PaintedNetwork(), open_footage(path))
    assert observations.found.all()
    assert observations.shot.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    arrays = observations.to_arrays()
    assert Observations.from_arrays(arrays).shot.tolist() == observations.shot.tolist()
    del arrays[PREFIX + "shot"]  # as files were before
    assert Observations.from_arrays(arrays).shot.tolist() == [0] * 18


@pytest.fixture(scope="module")
def network():
    if not WEIGHTS.exists():
        pytest.skip("models/weights/mien.onnx does not exist yet: the network is in training")
    return Network(device="cpu")


@pytest.fixture(scope="module")
def people(astronaut, carphone):
    """A portrait, and the head of another person: (H, W, 3) uint8 pictures."""
    talking = next(iter(open_footage(carphone))).image
    return read_picture(astronaut), talking


OTHERS_FACE = np.array([89.0, 67.0])
OTHERS_HEAD = np.array([36.0, 50.0])
"""In the carphone clip's first frame, pixels: the head's middle and its half axes."""


def joined(portrait, other, place):
    """The portrait with the other's head, the larger one, before it: its middle at ``place``."""
    scale = 2.5
    placed = np.column_stack([scale * np.eye(2), place - scale * OTHERS_FACE])
    height, width = portrait.shape[:2]
    head = cv2.warpAffine(other, placed, (width, height))
    mask = np.zeros((height, width, 1), np.float32)
    centre, axes = (tuple(int(v) for v in pair) for pair in (place, scale * OTHERS_HEAD))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1.0, -1)
    return (mask * head + (1 - mask) * portrait).astype(np.uint8)


def track(network, images):
    tracker = Tracker(network)
    faces = [tracker.follow(Frame(i, i / 30, image)) for i, image in enumerate(images)]
    assert tracker.shot == 0
    return faces


PORTRAIT_FACE, PORTRAIT_SIZE = np.array([226.0, 131.0]), 93.0


def is_portrait(face):
    return np.linalg.norm(face.centre - PORTRAIT_FACE) < 0.3 * PORTRAIT_SIZE


def test_a_larger_face_that_comes_close_and_passes_does_not_steal_the_track(network, people):
    portrait, _ = people
    places = [np.array([x, 150.0]) for x in np.linspace(560, -60, 40)]
    faces = track(network, [portrait] * 10 + [joined(*people, place) for place in places])
    for face, place in zip(faces[10:], places, strict=True):
        if abs(place[0] - PORTRAIT_FACE[0]) > 150:  # else it covers the followed face
            assert face is not None and is_portrait(face)


def test_the_person_beside_is_not_taken_for_one_who_is_hidden(network, people):
    portrait, other = people
    hidden = portrait.copy()
    hidden[60:220, 150:300] = (90, 100, 110)
    coming = [np.array([x, 150.0]) for x in np.linspace(560, 390, 12)]
    images = [portrait] * 10 + [joined(*people, place) for place in coming]
    faces = track(
        network,
        images + [joined(hidden, other, coming[-1])] * 15 + [joined(*people, coming[-1])] * 5,
    )
    assert all(is_portrait(face) for face in faces if face is not None)
    assert [face is not None for face in faces] == [True] * 22 + [False] * 15 + [True] * 5


def test_a_flickering_picture_is_not_searched_thoroughly_at_every_cut(network, monkeypatch):
    searches = []
    monkeypatch.setattr(
        "inference.track.find_faces", lambda *_: searches.append("thorough") or []
    )
    monkeypatch.setattr(
        "inference.track.find_faces_quickly", lambda *_: searches.append("quick") or []
    )
    tracker = Tracker(network)
    monkeypatch.setattr(tracker, "_is_cut", lambda image: True)
    for index in range(60):
        tracker.follow(Frame(index, index / 30, np.zeros((64, 64, 3), np.uint8)))
    assert searches[0] == "thorough" and searches.count("thorough") == 6
