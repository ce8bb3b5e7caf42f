# SPDX-License-Identifier: GPL-3.0-or-later
"""What exact points are worth: readers of points learn what points hold, and no more."""

import numpy as np
from scipy.spatial.transform import Rotation

from models.__main__ import main
from models.evaluation.ceiling import measure, reader_figures, table
from models.head import load_head
from models.synthesis.pool import (
    IMAGE_SIDE,
    SEGMENTATION_SIDE,
    SOURCE_BACKGROUND,
    SOURCE_RENDERED,
    Sample,
    chunk_paths,
    write_chunk,
)

LOOKING_AT_US = np.diag([1.0, -1.0, -1.0])


def people(count, seed, errors=0.0):
    """`count` faces in crops, seen by a network whose points err by so much (crop coordinates)."""
    head, rng = load_head(), np.random.default_rng(seed)
    identity = rng.standard_normal((count, 60))
    expression = rng.random((count, 52)) * (rng.random((count, 52)) < 0.2)
    turn = Rotation.from_euler("yx", rng.normal(0, 0.1, (count, 2))).as_matrix() @ LOOKING_AT_US
    at = head.point_vertices
    heads = head.mean[at] + np.tensordot(identity, head.identity_basis[:, at], 1)
    heads += np.tensordot(expression, head.shapes[:, at], 1)
    points = (heads @ turn.transpose(0, 2, 1))[..., :2]
    points *= 0.7 / np.abs(points).max()
    truth = {"points": points, "rotation": turn, "expression": expression, "identity": identity}
    seen = {f"seen_{name}": value for name, value in truth.items()}
    seen["seen_points"] = points + rng.normal(0, errors, points.shape)
    return truth | seen | {"visible": np.ones(points.shape[:2])}


def test_better_points_are_read_better():
    taught, tested = people(1500, 1, errors=0.05), people(300, 2, errors=0.05)
    true, half, own = (reader_figures(taught, tested, share) for share in (0.0, 0.5, 1.0))
    assert true["expression_r"] > 0.6 and true["identity_r"] > 0.5
    assert own["expression_r"] < half["expression_r"] < true["expression_r"] - 0.05
    assert own["identity_r"] < half["identity_r"] < true["identity_r"]
    assert own["seen"] <= half["seen"] <= true["seen"]
    assert true["seen"] > own["seen"]


def test_nothing_is_read_that_points_do_not_hold():
    taught, tested = people(400, 3), people(100, 4)
    rng = np.random.default_rng(5)
    for found in (taught, tested):
        found["expression"] = rng.random(found["expression"].shape)
        found["identity"] = rng.standard_normal(found["identity"].shape)
    figures = reader_figures(taught, tested, 0.0)
    assert abs(figures["expression_r"]) < 0.1 and abs(figures["identity_r"]) < 0.1
    assert figures["seen"] == 0


def test_a_pool_is_parted_as_training_does(tmp_path, capsys):
    truth = people(12, 6)
    samples = [sample(truth, row) for row in range(12)]
    for index, rows in enumerate((slice(0, 5), slice(5, 12))):
        write_chunk(tmp_path / "pool", index, [*samples[rows], sample(truth, 0, SOURCE_BACKGROUND)])
    pictures = []

    def predict(image):
        pictures.append(len(image))
        names = "points", "rotation", "expression", "identity"
        return {name: truth[name][: len(image)] for name in names}

    figures = measure(chunk_paths(tmp_path / "pool"), predict, shares=(0.0,))
    assert (figures["taught"], figures["tested"]) == (7, 5) and sorted(pictures) == [5, 7]
    assert "7 faces to learn from, 5 others" in table(figures)
    write_chunk(tmp_path / "one", 1, samples[:2])
    assert main(["evaluate", "ceiling", str(tmp_path / "one")]) == 2
    assert main(["evaluate", "ceiling", str(tmp_path / "none")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 2


def sample(truth, row, source=SOURCE_RENDERED):
    """One of the faces with a blank picture."""
    points = (truth["points"][row] + 1) * IMAGE_SIDE / 2
    values = {name: truth[name][row].astype(np.float32) for name in ("rotation", "expression", "identity")}
    return Sample(
        image=np.zeros((IMAGE_SIDE, IMAGE_SIDE, 3), np.uint8), points=points.astype(np.float32),
        visible=np.ones(len(points), np.uint8), gaze=np.zeros((2, 2), np.float32),
        face=int(source != SOURCE_BACKGROUND),
        segmentation=np.zeros((SEGMENTATION_SIDE, SEGMENTATION_SIDE), np.uint8),
        source=source, focal=400.0, **values,
    )  # fmt: skip
