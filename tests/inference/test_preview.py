# SPDX-License-Identifier: GPL-3.0-or-later
"""The first look at footage, with the painted network; the picture itself, by its pixels."""

import json

import cv2
import numpy as np
import pytest

import inference.__main__ as program
import inference.commands
from blender_addon.take import read_take
from inference.preview import FIRST_COLOUR, OTHER_COLOUR, SIDE, draw_faces
from tests.inference.painted import PaintedNetwork, Placed, paint

SMALL, LARGE = Placed((160, 240), 900), Placed((480, 240), 1050)


@pytest.fixture
def preview(monkeypatch, capsys, tmp_path):
    """Runs the command; its last event, and the picture it wrote (H, W, 3) RGB."""
    monkeypatch.setattr(inference.commands, "Network", lambda device: PaintedNetwork())

    def run(source, *arguments):
        picture = tmp_path / "Vorschau größer.png"
        command = ["preview", str(source), "--picture", str(picture), *arguments, "--json-events"]
        assert program.main(command) == 0
        event = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert event.pop("event") == "result" and event.pop("picture") == str(picture)
        return event, cv2.imdecode(np.fromfile(picture, np.uint8), cv2.IMREAD_COLOR_RGB)

    return run


def has(picture, colour, box):
    """Whether the picture shows a colour within a box."""
    left, top, right, bottom = (round(float(value)) for value in box)
    part = picture[max(top, 0) : bottom, max(left, 0) : right].astype(int)
    return (np.abs(part - colour).max(axis=-1) < 12).any()


def test_all_faces_of_the_first_frame_are_boxed_the_most_prominent_first(preview, write_video):
    clip = write_video([paint(640, 480, SMALL, LARGE)] + [paint(640, 480)] * 11)
    seen, picture = preview(clip)
    assert (seen["frames"], seen["width"], seen["height"]) == (12, 640, 480)
    assert seen["rate"] == [30, 1] and seen["seconds"] == pytest.approx(0.4)
    assert picture.shape == (384, SIDE, 3)
    for face, placed, colour in zip(
        seen["faces"], (LARGE, SMALL), (FIRST_COLOUR, OTHER_COLOUR), strict=True
    ):
        points = placed.points[:68]
        left, top, right, bottom = face["box"]
        assert left < points[:, 0].min() and points[:, 0].max() < right
        assert top < points[:, 1].min() and points[:, 1].max() < bottom
        assert right - left < 1.4 * np.ptp(points[:, 0])
        assert np.allclose(face["place"], (points.min(0) + points.max(0)) / 2, atol=3)
        assert 0.5 <= face["score"] <= 1.0
        assert has(picture, colour, np.array(face["box"]) * 0.8)


def test_the_place_of_a_face_is_what_a_capture_picks_it_by(preview, write_video, tmp_path):
    clip = write_video([paint(640, 480, SMALL, LARGE)] * 4)
    seen, _ = preview(clip)
    for face, placed in zip(seen["faces"], (LARGE, SMALL), strict=True):
        take = tmp_path / "take.mien.npz"
        place = "{},{}".format(*face["place"])
        assert program.main(["capture", str(clip), "-o", str(take), "--face", place]) == 0
        assert np.abs(read_take(take).points68 - placed.points[:68]).max() < 4


def test_a_range_is_looked_at_where_it_begins(preview, write_video):
    frames = [paint(640, 480)] * 5 + [paint(640, 480, SMALL)] * 5
    clip = write_video(frames)
    assert preview(clip)[0]["faces"] == []
    seen, _ = preview(clip, "--frames", "6:9")
    assert seen["frames"] == 3 and len(seen["faces"]) == 1


def test_pictures_are_turned_as_asked(preview, tmp_path):
    upright = paint(640, 480, SMALL)
    cv2.imwrite(str(tmp_path / "lying.png"), np.rot90(upright)[..., ::-1])
    seen, picture = preview(tmp_path / "lying.png", "--rotate", "90")
    assert (seen["width"], seen["height"]) == (640, 480) and picture.shape == (384, SIDE, 3)
    assert np.allclose(seen["faces"][0]["place"], SMALL.points[:68].min(0) / 2
                       + SMALL.points[:68].max(0) / 2, atol=3)  # fmt: skip
    assert seen["frames"] == 1 and seen["seconds"] is None


@pytest.mark.parametrize("width, height", [(16, 9), (5000, 40), (3840, 2160), (1, 700)])
def test_odd_sizes_can_be_drawn(width, height):
    box = np.array([-5.0, -5.0, width * 0.6, height * 2.0])
    picture = draw_faces(np.zeros((height, width, 3), np.uint8), [box])
    assert max(picture.shape) == SIDE and min(picture.shape) >= 1
    assert has(picture, FIRST_COLOUR, [0, 0, SIDE, SIDE])


def test_footage_that_cannot_be_read_leaves_no_picture(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(inference.commands, "Network", lambda device: PaintedNetwork())
    (tmp_path / "clip.mp4").write_text("no")
    arguments = ["preview", str(tmp_path / "clip.mp4"), "--picture", str(tmp_path / "x.png")]
    assert program.main(arguments) == 3
    assert capsys.readouterr().err.startswith("error: ")
    assert not (tmp_path / "x.png").exists()
