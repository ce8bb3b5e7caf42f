# SPDX-License-Identifier: GPL-3.0-or-later
"""The head sheet: what is asked of the runner and of Blender, and how the cells come together."""

import argparse

import cv2
import numpy as np
import pytest

from models import head_sheet
from models.head import SHAPE_NAMES


def arguments(path, rows=2):
    return argparse.Namespace(output=path, samples=3, rows=rows)


def test_rows_are_people_and_frames_are_expressions():
    seen = set()
    for row in head_sheet.ROWS:
        poses = head_sheet.poses(row)
        assert poses["identity"].shape == (60,)
        assert poses["weights"].shape == (13, 52) and poses["gaze"].shape == (13, 2, 2)
        assert not poses["weights"][0].any()
        assert 0 <= poses["weights"].min() and poses["weights"].max() <= 1
        seen.add(poses["identity"].tobytes())
    assert len(seen) == len(head_sheet.ROWS) == 7
    assert not head_sheet.poses(head_sheet.ROWS[0])["identity"].any()


def test_both_sides_move_and_lids_follow_the_eyes():
    weights = head_sheet.poses(head_sheet.ROWS[0])["weights"]
    frame = {expression.name: index for index, expression in enumerate(head_sheet.EXPRESSIONS)}
    smile, down = weights[frame["smile"]], weights[frame["look down"]]
    assert (
        smile[SHAPE_NAMES.index("mouthSmileLeft")]
        == smile[SHAPE_NAMES.index("mouthSmileRight")]
        > 0.5
    )
    assert down[SHAPE_NAMES.index("eyeLookDownRight")] > 0.5


def test_cells_stand_in_rows(tmp_path, monkeypatch):
    calls = []

    def call(*command):
        calls.append([str(word) for word in command])
        if "--pictures" in command:
            folder = command[command.index("--pictures") + 1]
            for frame in range(len(head_sheet.EXPRESSIONS)):
                cell = np.full((*head_sheet.CELL[::-1], 3), 18 * frame, np.uint8)
                cv2.imwrite(str(folder / f"{frame + 1:06d}.png"), cell)

    monkeypatch.setattr(head_sheet, "_call", call)
    monkeypatch.setattr(head_sheet, "BLENDER_PYTHON", tmp_path)
    head_sheet.run(arguments(tmp_path / "sheet.jpg"))
    sheet = cv2.imread(str(tmp_path / "sheet.jpg"))
    width, height = head_sheet.CELL
    assert sheet.shape[:2] == (2 * height + head_sheet.TITLE_HEIGHT, 13 * width)
    middle = sheet[head_sheet.TITLE_HEIGHT + height // 2, width // 2 :: width, 0]
    np.testing.assert_allclose(middle, 18 * np.arange(13), atol=4)
    assert [("head" in call, "blender_addon.headless" in call) for call in calls] == [
        (True, False),
        (False, True),
    ] * 2


def test_only_jpeg_and_only_with_blender(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="writes JPEG files, not sheet.png"):
        head_sheet.run(arguments(tmp_path / "sheet.png"))
    monkeypatch.setattr(head_sheet, "BLENDER_PYTHON", tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="build.py setup"):
        head_sheet.run(arguments(tmp_path / "sheet.jpg"))
