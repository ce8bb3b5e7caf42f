# SPDX-License-Identifier: GPL-3.0-or-later
"""The render command: resumable, the same each time, clear about what it cannot do."""

import cv2
import numpy as np
import pytest

from models.__main__ import main
from models.synthesis import command, pool
from models.synthesis.background import face_free_parts, find_faces


class Counter:
    """A renderer that remembers how often it was asked."""

    def __init__(self):
        self.asked = 0

    def samples(self, rng, count):
        self.asked += count
        return [self.sample(rng) for _ in range(count)]

    def sample(self, rng):
        return pool.Sample(
            image=rng.integers(0, 256, (192, 192, 3), dtype=np.uint8),
            points=np.zeros((70, 2), np.float32), visible=np.ones(70, np.uint8),
            identity=np.zeros(60), expression=np.zeros(52), gaze=np.zeros((2, 2)),
            rotation=np.eye(3), face=1, segmentation=np.zeros((96, 96), np.uint8), source=0)


def test_fill_resumes_and_repeats(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "CHUNK_LENGTH", 4)
    whole = tmp_path / "whole"
    command.fill(Counter(), whole, 10, seed=1, source=0)
    chunks = pool.open_chunks(whole)
    assert [len(chunk) for chunk in chunks] == [4, 4, 2]

    shared = tmp_path / "shared"
    command.fill(Counter(), shared, 10, seed=1, source=0, part=1, parts=2)
    assert [path.name for path in pool.chunk_paths(shared)] == ["00001"]
    renderer = Counter()
    command.fill(renderer, shared, 10, seed=1, source=0)
    assert renderer.asked == 6
    for first, second in zip(chunks, pool.open_chunks(shared), strict=True):
        np.testing.assert_array_equal(first.image, second.image)
    other = tmp_path / "other"
    command.fill(Counter(), other, 4, seed=2, source=0)
    assert (pool.open_chunks(other)[0].image != chunks[0].image).any()


def test_background_pool_from_the_command_line(tmp_path):
    assert main(["render", "--source", "background", "--count", "6", "--out", str(tmp_path / "p"),
                 "--sheet", str(tmp_path / "sheet.png")]) == 0
    (chunk,) = pool.open_chunks(tmp_path / "p")
    assert len(chunk) == 6 and not chunk.face.any()
    assert (chunk.source == pool.SOURCE_BACKGROUND).all()
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (6 * 192, 8 * 192, 3)


@pytest.mark.parametrize("words, complaint", [
    ([], "--out"),
    (["--out", "x"], "--count"),
    (["--source", "portraits", "--count", "3", "--out", "x"], "--photos"),
    (["--count", "3", "--out", "x", "--photos", "/no/such/folder"], "no folder"),
    (["--count", "3", "--out", "x", "--part", "2/2"], "--part"),
    (["--source", "background", "--sheet", "sheet.gif"], "PNG"),
])
def test_bad_input_is_one_sentence(words, complaint, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["render", *words]) == 2
    error = capsys.readouterr().err.strip()
    assert complaint in error and "\n" not in error
    assert list(tmp_path.iterdir()) == []


def test_face_free_parts_of_a_portrait(astronaut, tmp_path):
    """Parts of a real portrait in which the detector finds no face."""
    image = cv2.imread(str(astronaut))
    cv2.imwrite(str(tmp_path / "a.png"), image)
    parts = face_free_parts(find_faces(tmp_path))
    assert 0 < len(parts) <= 3
    detector = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
    for part in parts:
        assert part.shape == (224, 224, 3)
        assert len(detector.detectMultiScale(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), 1.1, 3)) == 0


def test_folder_without_photographs(tmp_path):
    with pytest.raises(ValueError, match="no photographs"):
        find_faces(tmp_path)
