# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts modelled here: eyes, teeth, gums, hair cards, the collar; as the asset holds them."""

from collections import Counter

import cv2
import numpy as np
import pytest

from models.head import BONE_NAMES, EYE_BONES, GROUP_NAMES, SHAPE_NAMES, load_head
from models.head.head import ASSET
from models.head.parts.disc import Disc

MM = 1e-3
SKIN = ("skin", "lips", "eyelids", "ears", "inside_mouth")
MODELLED = ("eye_left", "eye_right", "teeth_upper", "teeth_lower", "lashes", "gums", "brows")
PUPIL, IRIS = 11.25, 22.5  # degrees from the eye's axis
UV_SIDE = 2048


@pytest.fixture(scope="module")
def head():
    return load_head()


def quads_of(head, *names):
    return head.quads[np.isin(head.group, [GROUP_NAMES.index(name) for name in names])]


def pieces(quads):
    """Quads (F,4) parted into those that hang together."""
    parent = np.arange(quads.max() + 1)

    def root(vertex):
        while parent[vertex] != vertex:
            vertex = parent[vertex]
        return vertex

    for quad in quads.tolist():
        for vertex in quad[1:]:
            parent[root(vertex)] = root(quad[0])
    label = np.array([root(quad[0]) for quad in quads.tolist()])
    return [quads[label == name] for name in np.unique(label)]


def edges(quads):
    """How many quads share each edge."""
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    return Counter(map(tuple, np.sort(ends, axis=1).tolist()))


def volume(positions, quads):
    """Signed volume m³ between a surface and its middle: positive where it faces outwards."""
    corner = positions[quads].astype(float)
    normal = np.cross(corner[:, 2] - corner[:, 0], corner[:, 3] - corner[:, 1]) / 2
    middle = corner.mean(axis=(0, 1))
    return ((corner.mean(axis=1) - middle) * normal).sum() / 3


def test_size_of_head_and_file(head):
    assert 5000 <= len(head.mean) <= 8000
    assert ASSET.stat().st_size < 8e6


def test_every_face_is_a_quad_and_every_vertex_used(head):
    assert all(len(set(quad)) == 4 for quad in head.quads.tolist())
    assert np.array_equal(np.unique(head.quads), np.arange(len(head.mean)))


@pytest.mark.parametrize("group", MODELLED)
def test_uv_of_a_part_does_not_overlap(head, group):
    uv = head.uv[head.group == GROUP_NAMES.index(group)].astype(float)
    assert uv.min() >= 0 and uv.max() <= 1
    across, other = uv[:, 2] - uv[:, 0], uv[:, 3] - uv[:, 1]
    area = np.abs(across[:, 0] * other[:, 1] - across[:, 1] * other[:, 0]).sum() / 2
    mask = np.zeros((UV_SIDE, UV_SIDE), np.uint8)
    for corner in uv:
        cv2.fillConvexPoly(mask, np.round(corner * UV_SIDE * 16).astype(np.int32), 1, shift=4)
    assert area <= mask.mean() + 1e-3, "the quads cover as much together as one by one"


def test_skin_ends_nowhere_but_at_the_eyes(head):
    """The collar is closed: no open edge of the skin lies away from the eye sockets."""
    open_edges = [edge for edge, count in edges(quads_of(head, *SKIN)).items() if count == 1]
    ends = head.mean[np.unique(open_edges)] if open_edges else np.zeros((0, 3))
    assert (np.abs(ends[:, 1]) < 0.02).all() and (ends[:, 2] > -0.02).all()


def test_eyeballs(head):
    for eye, bone, name in zip(head.eye_vertices, EYE_BONES, ("eye_left", "eye_right"), strict=True):
        offset = head.mean[eye] - head.bone_mean[0, bone]
        radius = np.linalg.norm(offset, axis=1)
        angle = np.rad2deg(np.arctan2(np.hypot(*offset[:, :2].T), offset[:, 2]))
        for ring in (PUPIL, IRIS):
            assert (np.abs(angle - ring) < 1e-2).sum() == 24
        white = radius[angle > 30]
        assert np.ptp(white) < 0.001 * MM, "the white is a sphere about its bone"
        assert 0.8 * MM < radius[angle < 1].max() - white[0] < 1.4 * MM, "the cornea bulges"
        assert IRIS - 0.5 < np.rad2deg(np.arcsin(5.8 * MM / white[0])) < IRIS + 0.5
        ball = quads_of(head, name)
        assert volume(head.mean, ball) > 0 and set(edges(ball).values()) == {2}, "closed, outwards"


def test_eyeballs_stay_spheres_in_every_person(head):
    rng = np.random.default_rng(5)
    for _ in range(5):
        identity = rng.normal(size=60)
        face, (bones, _) = head.neutral(identity), head.bones(identity)
        for eye, bone in zip(head.eye_vertices, EYE_BONES, strict=True):
            angle = np.arccos(((head.mean[eye] - head.bone_mean[0, bone])[:, 2])
                              / np.linalg.norm(head.mean[eye] - head.bone_mean[0, bone], axis=1))  # fmt: skip
            radius = np.linalg.norm(face[eye] - bones[bone], axis=1)[angle > 0.55]
            assert np.ptp(radius) < 0.01 * MM


@pytest.mark.parametrize("group", ["teeth_upper", "teeth_lower"])
def test_fourteen_teeth_face_outwards(head, group):
    teeth = pieces(quads_of(head, group))
    assert len(teeth) == 14
    assert all(volume(head.mean, tooth) > 0 for tooth in teeth)
    height = [np.ptp(head.mean[np.unique(tooth), 1]) for tooth in teeth]
    assert 8 * MM < min(height) and max(height) < 18 * MM


def test_upper_teeth_bite_over_the_lower_behind_the_lips(head):
    upper, lower = (head.mean[head.group_vertices(f"teeth_{jaw}")] for jaw in ("upper", "lower"))
    middle_up, middle_low = (teeth[np.abs(teeth[:, 0]) < 3 * MM] for teeth in (upper, lower))
    assert 1 * MM < middle_low[:, 1].max() - middle_up[:, 1].min() < 2 * MM, "overbite"
    assert middle_up[:, 2].max() - middle_low[:, 2].max() > 1 * MM, "overjet"
    lip = head.mean[head.points68[62]]  # the upper lip's line at rest
    assert 0.5 * MM < lip[1] - middle_up[:, 1].min() < 2 * MM
    assert upper[:, 2].max() < lip[2] - 4 * MM


def test_only_the_jaw_moves_teeth(head):
    for group in ("teeth_upper", "teeth_lower"):
        vertices = head.group_vertices(group)
        moving = {SHAPE_NAMES[k] for k in np.flatnonzero(np.abs(head.shapes[:, vertices]).max(axis=(1, 2)))}
        jaw = {"jawForward", "jawLeft", "jawRight", "jawOpen"}
        assert moving == (jaw if group == "teeth_lower" else set())
        bone = BONE_NAMES.index("jaw" if group == "teeth_lower" else "head")
        assert (head.skin_index[vertices, 0] == bone).all()
        assert (head.skin_weight[vertices, 0] == 1).all()


def test_hair_cards_go_with_the_skin(head):
    cards = np.concatenate([head.group_vertices("lashes"), head.group_vertices("brows")])
    anchors = head.anchor[cards]
    assert not np.isin(anchors, cards).any()
    still = np.setdiff1d(np.arange(len(head.mean)), cards)
    assert np.array_equal(head.anchor[still], still)
    assert np.array_equal(head.anchor[head.mirror[cards]], head.mirror[anchors])
    roots = head.group_vertices("lashes")
    roots = roots[np.linalg.norm(head.mean[roots] - head.mean[head.anchor[roots]], axis=1) < 1e-6]
    assert len(roots) >= 40
    for name in ("eyeBlinkLeft", "eyeLookUpRight", "cheekSquintLeft"):
        shape = head.shapes[SHAPE_NAMES.index(name)]
        assert np.abs(shape[roots] - shape[head.anchor[roots]]).max() < 0.01 * MM
    brows = head.group_vertices("brows")
    up = head.shapes[SHAPE_NAMES.index("browInnerUp")]
    assert np.linalg.norm(up[brows] - up[head.anchor[brows]], axis=1).max() < 2 * MM


def test_brows_lie_on_the_skin(head):
    brows = head.group_vertices("brows")
    skin = head.mean[np.unique(quads_of(head, "skin", "eyelids"))]
    gap = np.linalg.norm(head.mean[brows][:, None] - skin[None], axis=2).min(axis=1)
    assert gap.max() < 6 * MM  # to the nearest vertex
    left = head.mean[brows][head.mean[brows, 0] > 0]
    assert 0.008 < left[:, 0].min() and left[:, 1].min() > 0.008, "above the eye, beside the nose"


@pytest.mark.parametrize("rings", [1, 3])
def test_disc(rings):
    disc = Disc.of(rings)
    assert len(disc.rim) == 8 * rings and np.allclose(disc.radius[disc.rim], 1)
    assert np.allclose(np.diff(disc.azimuth[disc.rim]), np.pi / 4 / rings)
    place = disc.radius[:, None] * np.column_stack([np.cos(disc.azimuth), np.sin(disc.azimuth)])
    across = place[disc.quads[:, 2]] - place[disc.quads[:, 0]]
    other = place[disc.quads[:, 3]] - place[disc.quads[:, 1]]
    assert (across[:, 0] * other[:, 1] > across[:, 1] * other[:, 0]).all(), "anticlockwise"
