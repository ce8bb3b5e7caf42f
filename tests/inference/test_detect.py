# SPDX-License-Identifier: GPL-3.0-or-later
import shutil

import cv2
import numpy as np
import pytest

from inference.crop import CROP_MARGIN, Crop, rotation_2d
from inference.detect import (
    CERTAIN,
    FRONTAL,
    FRONTAL_ALT,
    PROFILE,
    Search,
    _classifier,
    cascade_proposals,
    ends_search,
    find_faces,
    find_faces_at,
    grid_proposals,
)
from inference.errors import InstallationError
from inference.face import look
from tests.inference.painted import PaintedNetwork, Placed, paint


def draw_cascade_face(size: int) -> np.ndarray:
    """A grey (size, size) drawing that OpenCV's frontal cascade takes for a face."""
    unit = size / 100
    at = lambda x, y: (round(x * unit), round(y * unit))  # noqa: E731
    image = np.full((size, size), 90, np.uint8)
    cv2.ellipse(image, at(50, 50), at(36, 46), 0, 0, 360, 200, -1)
    for x in (34, 66):
        cv2.ellipse(image, at(x, 40), at(11, 6), 0, 0, 360, 60, -1)
        cv2.ellipse(image, at(x, 29), at(12, 3), 0, 0, 360, 80, -1)
    cv2.ellipse(image, at(50, 60), at(6, 4), 0, 0, 360, 130, -1)
    cv2.ellipse(image, at(50, 75), at(15, 4), 0, 0, 360, 80, -1)
    return cv2.GaussianBlur(image, (0, 0), 2 * unit)


@pytest.mark.parametrize("roll", [0.0, 30.0, -90.0])
def test_cascades_propose_where_a_face_is(roll):
    face = draw_cascade_face(160)
    to_frame = rotation_2d(np.deg2rad(roll))
    centre = np.array([380.0, 210.0])
    origin = centre - to_frame @ [79.5, 79.5]
    grey = np.full((480, 640), 90, np.uint8)
    cv2.warpAffine(face, np.column_stack([to_frame, origin]), (640, 480), dst=grey,
                   flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)  # fmt: skip
    crops = cascade_proposals(grey, Search((FRONTAL,), 320, (roll,)))
    near = [crop for crop in crops if np.linalg.norm(crop.centre - centre) < 40]
    assert near, crops
    assert near[0].roll == pytest.approx(np.deg2rad(roll))
    assert 110 < near[0].side / CROP_MARGIN < 180


@pytest.mark.parametrize("height, width", [(144, 176), (1080, 1920), (4000, 300), (30, 30)])
def test_grid_covers_the_picture_within_its_budget(height, width):
    crops = grid_proposals(height, width)
    assert 0 < len(crops) <= 96
    assert crops[0].side == max(crop.side for crop in crops)
    centres = np.array([crop.centre for crop in crops])
    assert (centres > -1).all() and (centres < [width, height]).all()


@pytest.mark.parametrize("placed", [
    Placed((320, 240)),
    Placed((150, 330), size=1500),
    Placed((430, 150), size=700, roll=0.5),
    Placed((320, 240), size=2200, roll=-0.3),
])  # fmt: skip
def test_a_face_no_cascade_knows_is_found_by_the_grid(placed):
    (face,) = find_faces(PaintedNetwork(), paint(640, 480, placed))
    assert np.abs(face.points - placed.points).max() < 2.0
    wanted = Crop.from_points(placed.points[:68])
    assert np.linalg.norm(face.crop.centre - wanted.centre) < 0.05 * wanted.side
    assert face.crop.side == pytest.approx(wanted.side, rel=0.05)
    assert face.crop.roll == pytest.approx(wanted.roll, abs=0.03)


def test_all_faces_of_a_picture_are_found_once():
    placed = [Placed((160, 240)), Placed((480, 240), size=1000)]
    faces = find_faces(PaintedNetwork(), paint(640, 480, *placed))
    assert sorted(round(face.centre[0], -1) for face in faces) == [160, 480]


@pytest.mark.parametrize(
    "placed, ends",
    [
        (Placed((320, 240), 1500.0), True),
        (Placed((70, 240), 1500.0), False),  # cut by the edge
        (Placed((320, 240), 600.0), False),  # small
    ],
)
def test_the_search_ends_at_a_face_that_the_picture_may_be_about(placed, ends):
    picture = paint(640, 480, placed)
    (face,) = look(PaintedNetwork(), picture, [Crop.from_points(placed.points[:68])])
    assert face.quality > CERTAIN
    assert ends_search(PaintedNetwork(), picture, [face]) == ends


def test_no_face_no_finding():
    assert find_faces(PaintedNetwork(), paint(320, 240)) == []


def test_find_at_a_place():
    placed = [Placed((160, 240)), Placed((480, 240))]
    image = paint(640, 480, *placed)
    (face,) = find_faces_at(PaintedNetwork(), image, np.array([490.0, 260.0]))
    assert np.abs(face.points - placed[1].points).max() < 2.0
    assert find_faces_at(PaintedNetwork(), image, np.array([320.0, 20.0])) == []


def test_cascades_load_from_any_path_and_say_when_they_are_missing(tmp_path, monkeypatch):
    grey = np.full((240, 320), 90, np.uint8)
    grey[40:200, 80:240] = draw_cascade_face(160)
    search = Search((FRONTAL, FRONTAL_ALT, PROFILE), 320)
    usual = [crop.centre for crop in cascade_proposals(grey, search)]
    folder = tmp_path / "Jörg Öztürk 家"
    shutil.copytree(cv2.data.haarcascades, folder)
    monkeypatch.setattr(cv2.data, "haarcascades", f"{folder}/")
    _classifier.cache_clear()
    moved = [crop.centre for crop in cascade_proposals(grey, search)]
    assert usual and np.array_equal(usual, moved)
    shutil.rmtree(folder)
    _classifier.cache_clear()
    with pytest.raises(InstallationError, match="haarcascade_frontalface_default.xml"):
        cascade_proposals(grey, search)
    monkeypatch.undo()
    _classifier.cache_clear()
