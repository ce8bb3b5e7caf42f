# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
from scipy.spatial.transform import Rotation

from inference.crop import Crop
from inference.detect import find_faces
from inference.face import look
from inference.mirror import MIRROR, is_confirmed, mirrored, seen_both_ways
from inference.network import Prediction
from inference.track import acceptable
from models.head import SHAPE_NAMES, load_head
from tests.inference.painted import PaintedNetwork, Placed, _discs, _is_mirrored, paint

FACING = np.diag([1.0, -1.0, -1.0])


def answer(seed=0):
    rng, head = np.random.default_rng(seed), load_head()
    count = len(head.point_vertices)
    return Prediction(
        points=rng.uniform(-1, 1, (1, count, 2)).astype(np.float32),
        point_sigma=rng.uniform(0.01, 0.1, (1, count)).astype(np.float32),
        identity=rng.normal(size=(1, 60)).astype(np.float32),
        expression=rng.uniform(size=(1, 52)).astype(np.float32),
        gaze=rng.normal(0, 0.2, (1, 2, 2)).astype(np.float32),
        rotation=Rotation.from_rotvec(rng.normal(0, 0.3, (1, 3))).as_matrix().astype(np.float32),
        face=np.float32([0.9]),
    )


class TwoFaced:
    """Gives one answer for a picture that is brighter on the left, another for its mirror image."""

    def __init__(self, straight, turned):
        self.answers = straight, turned

    def __call__(self, crops):
        halves = crops[0, :, :64].mean(), crops[0, :, 64:].mean()
        return self.answers[0 if halves[0] > halves[1] else 1]


def test_mirrored_twice_is_the_same():
    once = answer()
    twice = mirrored(mirrored(once))
    for name, value in vars(once).items():
        assert np.allclose(getattr(twice, name), value, atol=1e-6), name


def test_mirrored_changes_sides():
    left, right = SHAPE_NAMES.index("eyeBlinkLeft"), SHAPE_NAMES.index("eyeBlinkRight")
    wink = answer()
    other = mirrored(wink)
    assert other.expression[0, right] == wink.expression[0, left]
    assert np.allclose(other.points[0, 45], wink.points[0, 36] * [-1, 1])
    assert np.allclose(other.gaze[0, 0], wink.gaze[0, 1] * [-1, 1])
    turned = Rotation.from_euler("y", 0.4).as_matrix() @ FACING
    back = Rotation.from_euler("y", -0.4).as_matrix() @ FACING
    assert np.allclose(MIRROR @ turned @ MIRROR, back)


def test_the_mean_of_both_is_taken():
    picture = np.full((200, 200, 3), 40, np.uint8)
    picture[:, :100] = 200
    straight, off = answer(), answer()
    off.points[:] += np.float32([0.004, 0.002])
    off.expression[:] = 1 - off.expression
    network, crop = TwoFaced(straight, mirrored(off)), Crop(np.array([99.5, 99.5]), 200.0)
    (face,) = look(network, picture, [crop])
    both = seen_both_ways(network, picture, face)
    assert np.allclose(both.points - face.points, [0.2, 0.1], atol=1e-4), "half of .004 by 100 px"
    assert np.allclose(both.prediction.expression, 0.5, atol=1e-6)
    assert np.allclose(both.prediction.rotation, straight.rotation, atol=1e-6)


class OneSided(PaintedNetwork):
    """Sees something else where the picture is mirrored."""

    @staticmethod
    def _look(crop):
        seen, _ = _discs(crop)
        points, *rest = PaintedNetwork._look(crop)
        return (points + (0.1 if seen is not None and _is_mirrored(seen) else 0.0), *rest)


def test_a_mirror_that_shows_something_else_is_not_believed():
    placed = Placed((160, 120))
    picture, crop = paint(320, 240, placed), Crop.from_points(placed.points[:68])
    for network, agrees in ((PaintedNetwork(), True), (OneSided(), False)):
        (face,) = look(network, picture, [crop])
        assert (seen_both_ways(network, picture, face) is not face) == agrees
        assert is_confirmed(network, picture, face) == agrees
        assert len(acceptable(network, picture, [face])) == agrees
        assert len(find_faces(network, picture)) == 1, "stills are not so strict"
