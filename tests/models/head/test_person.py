# SPDX-License-Identifier: GPL-3.0-or-later
"""People of all kinds and all their shapes, held to what an artist expects of a head."""

from dataclasses import dataclass

import numpy as np
import pytest

from models.head import (
    CORRECTIVE_NAMES,
    SHAPE_NAMES,
    corrective_slopes,
    corrective_weights,
    factors,
    group_numbers,
    load_head,
)
from models.head.contact import AHEAD
from models.head.gaze import FULL_LOOKS, gaze_matrix
from models.head.names import SURFACE
from tests.models.head import measures

PEOPLE = 200
SEED = 20211
LIMIT = 2.6  # standard deviations at which the training pictures cut identities, too
MM = 1e-3
LIDS_TOUCH, EYE_SHOWS, LIPS_TOUCH = 0.3 * MM, 0.2 * MM, 1.0 * MM
NEARLY_ALL = 0.99
CLOSED_MOUTHS = (0.0, 0.25, 0.5, 1.0)
HALF_BLINKS = (0.25, 0.5, 0.75)
MOVES_LIDS = 0.05 * MM


@dataclass
class Findings:
    """Of all people: widest gaps (N,) of closed lids and lips, the furthest that teeth stand out of
    the resting lips (N,), the furthest that an eyeball stands out of its lids with a shape that
    moves them (M,), and the names of shapes that turn a face of the mesh over, with how often."""

    lids: np.ndarray
    lips: np.ndarray
    teeth: np.ndarray
    eyes: np.ndarray
    crossed: dict[str, int]


@pytest.fixture(scope="module")
def head():
    return load_head()


def weights(**values):
    row = np.zeros(len(SHAPE_NAMES))
    for name, value in values.items():
        row[SHAPE_NAMES.index(name)] = value
    return row


@pytest.fixture(scope="module")
def findings(head):
    rng = np.random.default_rng(SEED)
    articulation = head.articulation
    surface = head.quads[np.isin(head.group, group_numbers(*SURFACE))]
    skins = [measures.skin_around_eye(head, lids) for lids in articulation.lids]
    lips = head.triangles[np.isin(head.triangle_group, group_numbers("lips", "skin"))]
    lips = lips[np.isin(lips, articulation.lips.region).all(axis=1)]
    teeth = np.concatenate([head.group_vertices(name) for name in ("teeth_upper", "teeth_lower")])
    found = {"lids": [], "lips": [], "teeth": [], "eyes": []}
    crossed = {}
    for _ in range(PEOPLE):
        person = head.person(np.clip(rng.normal(size=60), -LIMIT, LIMIT))
        neutral, shapes = person.neutral.astype(float), person.shapes.astype(float)
        blink = person.express(weights(eyeBlinkLeft=1, eyeBlinkRight=1)).astype(float)
        found["lids"].append(max(measures.gap(blink, lids.slit) for lids in articulation.lids))
        mouths = [person.express(weights(jawOpen=w, mouthClose=w)) for w in CLOSED_MOUTHS]
        found["lips"].append(max(measures.gap(m.astype(float), articulation.lips) for m in mouths))
        found["teeth"].append(measures.tooth_poke(neutral, teeth, lips))
        for lids, skin, side in zip(articulation.lids, skins, ("Left", "Right"), strict=True):
            moving = np.abs(shapes[:, lids.slit.region]).max(axis=(1, 2)) > MOVES_LIDS
            poses = [neutral, *(neutral + shape for shape in shapes[moving])]
            poses += [person.express(weights(**{f"eyeBlink{side}": w})).astype(float) for w in HALF_BLINKS]
            centre = person.bone_head[lids.bone].astype(float)
            found["eyes"] += [measures.eye_poke(pose, lids.ball, centre, AHEAD, skin) for pose in poses]
            for name, gaze in FULL_LOOKS.items():
                if not name.endswith(side):
                    continue
                turn = gaze_matrix(gaze)
                pose = neutral + shapes[SHAPE_NAMES.index(name)]
                pose[lids.ball] = (pose[lids.ball] - centre) @ turn.T + centre
                found["eyes"].append(measures.eye_poke(pose, lids.ball, centre, turn[:, 2], skin))
        for name, shape in zip(("at rest", *SHAPE_NAMES), (0 * neutral, *shapes), strict=True):
            if over := int(measures.inverted(surface, neutral + shape).sum()):
                crossed[name] = crossed.get(name, 0) + over
    return Findings(**{name: np.array(values) for name, values in found.items()}, crossed=crossed)


def test_blinking_lids_touch(findings):
    assert np.mean(findings.lids <= LIDS_TOUCH) >= NEARLY_ALL, findings.lids.max() / MM


def test_eyeballs_stay_behind_the_lids(findings):
    assert np.mean(findings.eyes <= EYE_SHOWS) >= NEARLY_ALL, findings.eyes.max() / MM


def test_lips_close_over_every_open_jaw(findings):
    assert findings.lips.max() <= LIPS_TOUCH, findings.lips.max() / MM


def test_resting_lips_hide_the_teeth(findings):
    assert np.mean(findings.teeth <= 0) >= NEARLY_ALL, findings.teeth.max() / MM


def test_no_shape_turns_a_face_over(findings):
    assert not findings.crossed


def test_shapes_of_the_symmetric_mean_mirror(head):
    person = head.person(np.zeros(60))
    reflect = np.array([-1.0, 1.0, 1.0])
    for index, partner in enumerate(head.shape_mirror):
        difference = person.shapes[partner][head.mirror] * reflect - person.shapes[index]
        assert np.abs(difference).max() < 0.01 * MM, SHAPE_NAMES[index]


def test_the_measures_see_what_contact_mends(head):
    """Without contact the same measures fail: the linear head has all the faults they look for."""
    rng = np.random.default_rng(SEED)
    left = head.articulation.lids[0]
    skin = measures.skin_around_eye(head, left)
    blink, jaw, close = (SHAPE_NAMES.index(n) for n in ("eyeBlinkLeft", "jawOpen", "mouthClose"))
    lids, lips, eyes = [], [], []
    for _ in range(20):
        identity = np.clip(rng.normal(size=60), -LIMIT, LIMIT)
        face, centre = head.neutral(identity).astype(float), head.bones(identity)[0][left.bone].astype(float)
        lids.append(measures.gap(face + head.shapes[blink], left.slit))
        lips.append(measures.gap(face + head.shapes[jaw] + head.shapes[close], head.articulation.lips))
        face[left.ball] += 0.1 * (face[left.ball] - centre)
        eyes.append(measures.eye_poke(face, left.ball, centre, AHEAD, skin))
    assert np.median(lids) > LIDS_TOUCH and np.median(lips) > LIPS_TOUCH
    assert np.median(eyes) > EYE_SHOWS, "a ball a tenth too large"


def test_turned_faces_are_seen():
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0.9, 0]])
    dart = np.array([[0.0, 0, 0], [1, 0, 0], [0.2, 0.2, 0], [0, 1, 0]])
    quads = np.array([[0, 1, 2, 3], [0, 2, 1, 3]])
    assert measures.inverted(quads, square).tolist() == [False, True]
    assert not measures.inverted(quads[:1], dart)[0]


def test_quick_faces_are_the_sum_of_the_shapes(head):
    person = head.person(np.random.default_rng(3).normal(size=60))
    row = np.random.default_rng(4).uniform(0, 0.6, 52)
    whole = person.neutral + np.tensordot(row, person.shapes, 1)
    whole += np.tensordot(corrective_weights(row), person.correctives, 1)
    off = np.linalg.norm(person.express(row) - whole, axis=1)
    assert np.quantile(off, 0.9) < 1e-6, "only mended corners differ"
    assert off.max() < 2 * MM


def test_points_are_those_of_the_person(head):
    person = head.person(np.random.default_rng(5).normal(size=60))
    rows = np.random.default_rng(6).uniform(0, 1, (3, 52))
    points = person.at(head.point_vertices).express(rows)
    for row, seen in zip(rows, points, strict=True):
        assert np.abs(person.express(row)[head.point_vertices] - seen).max() < 1e-5


def test_a_larger_mouth_moves_further(head):
    """Shapes follow the size of the face that wears them."""
    corner, smile = head.points68[54], SHAPE_NAMES.index("mouthSmileLeft")
    width, reach = [], []
    for seed in range(40):
        person = head.person(np.random.default_rng(seed).normal(size=60))
        width.append(np.ptp(person.neutral[head.points68[[48, 54]], 0]))
        reach.append(np.linalg.norm(person.at(np.array([corner])).shapes[smile]))
    assert np.corrcoef(width, reach)[0, 1] > 0.5


def test_corrective_weights_are_as_named():
    row = weights(eyeBlinkLeft=0.5, eyeSquintLeft=0.4, jawOpen=1.0, mouthFunnel=0.3)
    value = dict(zip(CORRECTIVE_NAMES, corrective_weights(row), strict=True))
    assert value["eyeBlinkLeft@50"] == pytest.approx(1.0)
    assert value["eyeBlinkLeft+eyeSquintLeft"] == pytest.approx(0.2)
    assert value["jawOpen+mouthFunnel"] == pytest.approx(0.3)
    assert value["eyeBlinkRight@50"] == 0
    assert corrective_weights(weights(eyeBlinkLeft=1.2))[0] == 0, "never below nothing"


def test_corrective_slopes_are_finite_differences():
    row = np.random.default_rng(7).uniform(0.1, 0.9, (1, 52))
    for shape in {s for name in CORRECTIVE_NAMES for s in factors(name)}:
        step = 1e-6 * np.eye(52)[shape]
        slope = (corrective_weights(row + step) - corrective_weights(row - step)) / 2e-6
        assert np.allclose(corrective_slopes(row)[..., shape], slope, atol=1e-6)


