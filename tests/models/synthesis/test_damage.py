# SPDX-License-Identifier: GPL-3.0-or-later
"""Camera damage and painted occluders keep what training relies on."""

import time

import cv2
import numpy as np
import pytest

from models.synthesis import occluders, pool
from models.synthesis.camera import damage
from models.synthesis.occluders import PLAIN_PROBABILITY, occlude

SIDE = 128


def picture(seed=0):
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 220, (9, 9, 3), dtype=np.uint8)
    return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def face_points():
    """A rough frontal face: 68 marks and some dense points."""
    jaw = [(64 - 36 * np.cos(a), 60 + 50 * np.sin(a)) for a in np.linspace(0, np.pi, 17)]
    brows = [(30 + 7 * k + 8 * (k > 4), 44) for k in range(10)]
    nose = [(64, 54 + 6 * k) for k in range(4)] + [(56 + 4 * k, 78) for k in range(5)]
    turn = np.linspace(np.pi, 3 * np.pi, 6, endpoint=False)
    eyes = [(c + 8 * np.cos(a), 56 + 3 * np.sin(a)) for c in (48, 80) for a in turn]
    turn = np.linspace(np.pi, 3 * np.pi, 20, endpoint=False)
    mouth = [(64 + 14 * np.cos(a), 92 + 6 * np.sin(a)) for a in turn]
    dense = [(40 + 5 * k, 70) for k in range(10)]
    return np.array(jaw + brows + nose + eyes + mouth + dense)


@pytest.mark.parametrize("shape", [(128, 128), (192, 192), (96, 130)])
def test_damage_keeps_shape_and_type(shape):
    image = cv2.resize(picture(), shape[::-1])
    before = image.copy()
    for seed in range(120):
        out = damage(image, np.random.default_rng(seed))
        assert out.shape == image.shape and out.dtype == np.uint8 and out.flags.c_contiguous
    np.testing.assert_array_equal(image, before)


def test_damage_changes_pictures_but_keeps_their_content():
    image = picture()
    agreement = []
    for seed in range(80):
        out = damage(image, np.random.default_rng(seed))
        agreement.append(np.corrcoef(cv2.blur(image, (9, 9)).mean(axis=2).ravel(),
                                     cv2.blur(out, (9, 9)).mean(axis=2).ravel())[0, 1])
    assert np.median(agreement) > 0.9
    assert min(agreement) < 0.999


def test_damage_is_deterministic_and_fast():
    image = picture()
    first, second = (damage(image, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    rng = np.random.default_rng(0)
    start = time.process_time()
    for _ in range(200):
        damage(image, rng)
    # 0.6 ms on the machine this was written on; the bound leaves room for slow and busy ones.
    assert (time.process_time() - start) / 200 < 5e-3


def test_damage_refuses_other_types():
    with pytest.raises(ValueError, match="uint8"):
        damage(np.zeros((8, 8, 3), np.float32), np.random.default_rng(0))


@pytest.mark.parametrize("kind", occluders.WEIGHTS, ids=lambda kind: kind.__name__.strip("_"))
def test_each_occluder_covers_what_it_paints(kind):
    points = face_points()
    image = picture()
    before = image.copy()
    touched = 0
    for seed in range(30):
        donor = picture(seed + 1) if seed % 2 else None
        out, alpha = kind(image, occluders.Face.of(points), np.random.default_rng(seed), donor)
        assert out.shape == image.shape and out.dtype == np.uint8
        changed = (out != image).any(axis=2)
        touched += changed.any()
        if alpha is not None:
            assert alpha.shape == image.shape[:2] and alpha.dtype == np.uint8
            # Full cover leaves nothing of the picture; allow colours that happen to be the same.
            full = alpha == 255
            assert changed[full].mean() > 0.8 if full.sum() > 50 else True
    np.testing.assert_array_equal(image, before)
    assert touched >= 20


def test_what_is_held_to_the_mouth_hides_lips_rather_than_eyes():
    points = face_points()
    hidden = np.zeros(len(points))
    for seed in range(60):
        rng = np.random.default_rng(seed)
        _, alpha = occluders._at_mouth(picture(), occluders.Face.of(points), rng, None)
        at = np.rint(points).astype(int)
        hidden += alpha[at[:, 1], at[:, 0]] > 127
    lips, eyes = hidden[48:68].mean() / 60, hidden[36:48].mean() / 60
    assert lips > 0.3 and eyes < lips / 2


def test_occlude_marks_covered_points():
    points = face_points()
    image = picture()
    rng = np.random.default_rng(0)
    hidden = np.zeros(len(points))
    plain = 0
    for _ in range(300):
        occluded = occlude(image, points, rng, picture(1))
        out, covered = occluded.image, occluded.covered
        assert covered.shape == (len(points),) and covered.dtype == bool
        if out is image:
            plain += 1
            assert not covered.any()
        hidden += covered
    assert abs(plain / 300 - PLAIN_PROBABILITY) < 0.1
    assert 0.01 < hidden.mean() / 300 < 0.2


def test_occlude_survives_faces_at_and_beyond_the_border():
    image = picture()
    for seed in range(150):
        rng = np.random.default_rng(seed)
        points = face_points() * rng.uniform(0.05, 2.5) + rng.uniform(-120, 120, 2)
        occluded = occlude(image, points, rng, image)
        out, covered = occluded.image, occluded.covered
        assert out.shape == image.shape
        outside = (points < -1).any(axis=1) | (points > SIDE).any(axis=1)
        assert not covered[outside].any()


def test_painted_classes_are_those_of_what_was_painted():
    """Full cover takes the thing's class, half of it nobody knows, the rest stays what it was."""
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    alpha[:64], alpha[64:96], alpha[96:, :64] = 255, 110, 20
    both = occluders.Occluded(picture(), np.zeros(0, bool), [(alpha, pool.OCCLUDER)])
    classes = np.full((32, 32), pool.SKIN, np.uint8)
    both.paint_classes(classes)
    assert (classes[:16] == pool.OCCLUDER).all() and (classes[16:24] == pool.UNKNOWN).all()
    assert (classes[24:] == pool.SKIN).all()
    frame = np.zeros((SIDE, SIDE), np.uint8)
    frame[60:72] = 255
    both.layers.append((frame, pool.GLASSES))
    both.paint_classes(classes)
    assert (classes[15:18] == pool.GLASSES).all() and (classes[:15] == pool.OCCLUDER).all()


def test_occluders_say_what_they_are():
    found = set()
    rng = np.random.default_rng(0)
    for _ in range(400):
        classes = np.full((32, 32), pool.SKIN, np.uint8)
        occlude(picture(), face_points(), rng, picture(1)).paint_classes(classes)
        found |= set(np.unique(classes))
    assert found == {pool.SKIN, pool.HAIR, pool.GLASSES, pool.OCCLUDER, pool.UNKNOWN}


def test_frames_of_a_film_are_spoilt_alike_but_for_their_noise():
    """Their difference is noise: none of it is left in means over many pixels."""
    image, changed = np.full((128, 128, 3), 120, np.uint8), 0
    for seed in range(30):
        frames = [damage(image, np.random.default_rng(seed), np.random.default_rng(grain))
                  for grain in (1, 2)]  # fmt: skip
        change = frames[0].astype(float) - frames[1]
        assert np.abs(change.mean(axis=(0, 1))).max() < 1.5
        changed += change.any()
        again = damage(image, np.random.default_rng(seed), np.random.default_rng(1))
        assert (frames[0] == again).all()
    assert changed > 20, "strong compression alone leaves no noise"
