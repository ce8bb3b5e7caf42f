# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances: as fast as people are, the same at any frame rate, with lips that really meet."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.head import SHAPE_NAMES, load_head, look_weights
from models.synthesis.motion import KINDS, NECK_PIVOT, blinks, head_motion, perform, speech

FINE = 240  # frames a second
SHAPE = {name: index for index, name in enumerate(SHAPE_NAMES)}
LOOKS = [index for name, index in SHAPE.items() if name.startswith("eyeLook")]


def runs(mask):
    """Lengths of the stretches of True in a mask (T,) that neither begin nor end it."""
    edges = np.flatnonzero(np.diff(mask.astype(int)))
    starts = edges[:-1] if mask[0] == 0 else edges[1:-1]
    return np.diff(edges)[0 if mask[0] == 0 else 1::2][:len(starts)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_performance_is_possible_and_does_not_depend_on_the_frame_rate(kind):
    slow = perform(kind, 90, 30, np.random.default_rng(5))
    fast = perform(kind, 180, 60, np.random.default_rng(5))
    for name in ("weights", "gaze", "rotation", "translation"):
        np.testing.assert_allclose(getattr(slow, name), getattr(fast, name)[::2], atol=1e-5)
    weights = slow.weights
    assert weights.min() >= 0 and weights.max() <= 1
    assert (weights[:, SHAPE["mouthClose"]] <= weights[:, SHAPE["jawOpen"]] + 1e-6).all()
    np.testing.assert_array_equal(weights[:, LOOKS], look_weights(slow.gaze)[:, LOOKS])
    assert np.linalg.norm(np.diff(weights, axis=0)) > 0.5 or kind in ("still", "head")
    assert perform(kind, 90, 30, np.random.default_rng(6)).weights.tolist() != weights.tolist()


def test_still_is_still():
    held = perform("still", 20, 30, np.random.default_rng(1))
    for values in (held.weights, held.gaze, held.rotation, held.translation):
        assert (values == values[0]).all()
    assert held.weights.any()


def test_of_a_face_or_a_head_nothing_else_moves():
    face, head = (perform(kind, 90, 30, np.random.default_rng(1)) for kind in ("face", "head"))
    for values in (face.rotation, face.translation, face.gaze, head.weights, head.gaze):
        assert (values == values[0]).all()
    assert np.ptp(face.weights, axis=0).max() > 0.3
    assert np.ptp(head.translation, axis=0).max() > 0.002


def test_unknown_kind():
    with pytest.raises(ValueError, match="speech, expressions, still, face, head"):
        perform("dance", 3, 30, np.random.default_rng(0))


def test_blinks_close_fast_and_open_slowly():
    seconds = 150
    time = np.arange(seconds * FINE) / FINE
    lid = blinks(time, seconds, np.random.default_rng(2))
    rate = len(runs(lid > 0.2)) / seconds * 60
    assert 12 < rate < 30
    speed = np.diff(lid) * FINE
    closing, opening = (speed > 1e-6).sum(), (speed < -1e-6).sum()
    blinking = len(runs(lid > 1e-4))
    assert 0.07 < closing / blinking / FINE < 0.11
    assert 0.14 < opening / blinking / FINE < 0.26
    assert (lid > 0.999).any()


def test_speech_moves_at_the_rate_of_syllables():
    seconds = 40
    time = np.arange(seconds * FINE) / FINE
    weights = speech(time, seconds, np.random.default_rng(3))
    jaw = weights[:, SHAPE["jawOpen"]]
    power = np.abs(np.fft.rfft(jaw - jaw.mean())) ** 2
    frequency = np.fft.rfftfreq(len(jaw), 1 / FINE)
    assert power[frequency > 12].sum() < 0.01 * power.sum()
    within_phrases = power[frequency > 1.5].sum()  # below that the pauses between phrases show
    assert power[(frequency > 2) & (frequency < 7)].sum() > 0.8 * within_phrases
    assert 0.25 < jaw.max() < 0.8
    shut = (weights[:, SHAPE["mouthClose"]] > 0.999 * jaw) & (jaw > 0.01)
    lengths = runs(shut) / FINE
    assert len(lengths) > seconds / 2
    assert 0.05 < np.median(lengths) < 0.12


def test_lips_meet_in_plosives_and_part_in_vowels():
    head = load_head()
    upper, lower = head.points68[[61, 62, 63]], head.points68[[67, 66, 65]]
    person = head.person(np.random.default_rng(8).normal(0, 0.8, 60))
    time = np.arange(8 * 60) / 60
    weights = np.clip(speech(time, 8.0, np.random.default_rng(4)), 0, 1)
    jaw = weights[:, SHAPE["jawOpen"]]
    shut = np.flatnonzero((weights[:, SHAPE["mouthClose"]] > 0.999 * jaw) & (jaw > 0.04))
    wide = np.argsort(jaw)[-10:]

    def gap(frame):
        face = person.express(weights[frame].astype(np.float32))
        return (face[upper, 1] - face[lower, 1]).max()  # m upwards, below 0 where lips are pressed

    assert len(shut) > 10
    assert max(gap(frame) for frame in shut[::4]) < 0.0003
    assert min(gap(frame) for frame in wide) > 0.005


def test_the_head_turns_about_the_neck_and_not_too_fast():
    seconds = 60
    time = np.arange(seconds * FINE) / FINE
    rotation, translation = head_motion(time, seconds, np.random.default_rng(6), talking=True)
    step = Rotation.from_matrix(np.swapaxes(rotation[:-1], 1, 2) @ rotation[1:]).magnitude() * FINE
    angle = Rotation.from_matrix(rotation).magnitude()
    assert 8 < np.rad2deg(angle.max()) < 35
    assert 20 < np.rad2deg(step.max()) < 120
    assert np.linalg.norm(rotation @ NECK_PIVOT + translation - NECK_PIVOT, axis=1).max() < 0.01


def test_eyes_rest_on_things_while_the_head_turns():
    """In space the gaze holds still but for saccades, though the head moves all the time."""
    performance = perform("speech", 20 * FINE, FINE, np.random.default_rng(9))
    yaw, pitch = performance.gaze.mean(axis=1).T
    line = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], 1)
    line = np.einsum("tij,tj->ti", performance.rotation, line)
    speed = np.rad2deg(np.linalg.norm(np.diff(line, axis=0), axis=1)) * FINE
    moving = speed > 5
    assert 0.01 < moving.mean() < 0.2
    lengths = runs(moving) / FINE
    assert 10 < len(lengths) and 0.015 < np.quantile(lengths, 0.8) and lengths.max() < 0.12
    assert 30 < speed.max() < 800
    in_head = np.rad2deg(np.linalg.norm(np.diff(performance.gaze.mean(axis=1), axis=0), axis=1))
    assert np.median(in_head) * FINE > 0.3, "so the eyes turn in the head"
