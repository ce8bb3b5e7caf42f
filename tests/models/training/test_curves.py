# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs as pictures: curves stand where their values say, and what is no log is refused."""

import cv2
import numpy as np
import pytest

from models.__main__ import main
from models.training import curves
from models.training.curves import COLOURS, chart, names, place, read_log, ticks
from models.training.log import Log


def write_log(path, rows, columns=("steps", "images", "total", "jitter")):
    path.parent.mkdir(exist_ok=True)
    log = Log(path, columns)
    for row in rows:
        log.write(**row)
    return path


def rows(images, total):
    return [{"steps": n, "images": x, "total": y}
            for n, (x, y) in enumerate(zip(images, total, strict=True))]  # fmt: skip


def of_colour(image, colour, within=50):
    """Rows and columns of the pixels of that colour, give or take, each (N,)."""
    return np.nonzero((np.abs(image.astype(int) - colour) <= within).all(axis=2))


def test_a_curve_stands_where_its_values_say():
    x, y = np.array([0.0, 50, 100]), np.array([4.0, 1.0, 3.0])
    image = chart("total", [(x, y)])
    row, column = of_colour(image, COLOURS[0])
    inside = (row > curves.TOP) & (row < curves.TOP + curves.CHART[1])
    row, column = row[inside], column[inside]
    margin = curves.MARGIN * 3
    lowest = place(50, 1.0, (0, 100), (1 - margin, 4 + margin))
    assert abs(row.max() - lowest[1]) < 2 and abs(column[row.argmax()] - lowest[0]) < 6
    highest = place(0, 4.0, (0, 100), (1 - margin, 4 + margin))
    assert abs(row.min() - highest[1]) < 3 and abs(column[row.argmin()] - curves.LEFT) < 3


def test_missing_values_are_passed_over_and_one_value_is_a_dot():
    x = np.array([0.0, 50, 100])
    image = chart("gap", [(x, np.array([1.0, np.nan, 2.0])), (x, None), (x, np.full(3, np.nan)),
                          (x, np.array([np.nan, 1.5, np.nan]))])  # fmt: skip
    assert len(of_colour(image, COLOURS[0])[0]) > 30
    for colour in COLOURS[1:3]:
        assert len(of_colour(image, colour, within=0)[0]) == 0
    row, column = of_colour(image[curves.TOP :], COLOURS[3])
    assert 9 <= len(row) <= 50
    assert abs(row.mean() - curves.CHART[1] / 2) < 1
    assert abs(column.mean() - curves.LEFT - curves.CHART[0] / 2) < 1


def test_a_level_curve_is_drawn():
    image = chart("rate", [(np.array([1.0, 2.0]), np.zeros(2))])
    assert len(of_colour(image, COLOURS[0])[0]) > 100


@pytest.mark.parametrize("first, last, expected", [
    (0, 100, [0, 20, 40, 60, 80, 100]),
    (0.12, 0.51, [0.2, 0.3, 0.4, 0.5]),
    (-0.3, 0.3, [-0.2, 0, 0.2]),
    (7, 7, [7]),
])  # fmt: skip
def test_ticks_are_round(first, last, expected):
    assert ticks(first, last) == expected


def test_what_a_killed_run_saw_twice_is_drawn_once(tmp_path):
    """Killed after 300 pictures, gone on from the checkpoint at 150."""
    path = write_log(tmp_path / "log.csv", rows([100, 200, 300, 200, 400], [5, 4, 3, 2, 1]))
    log = read_log(path)
    assert log["images"].tolist() == [100, 200, 400] and log["total"].tolist() == [5, 2, 1]
    assert np.isnan(log["jitter"]).all()


def test_runs_share_charts_and_empty_columns_have_none(tmp_path):
    first = write_log(tmp_path / "one/log.csv", rows([100, 200], [3, 2]))
    second = write_log(tmp_path / "two/log.csv", rows([100, 200], [4, 3]))
    out = tmp_path / "curves.png"
    assert main(["curves", str(first), str(second), "-o", str(out)]) == 0
    picture = cv2.cvtColor(cv2.imread(str(out)), cv2.COLOR_BGR2RGB)
    height = curves.TOP + curves.CHART[1] + curves.BOTTOM
    width = curves.LEFT + curves.CHART[0] + curves.RIGHT
    assert picture.shape[:2] == (curves.LEGEND_HEIGHT + height, curves.COLUMNS * width)
    plot = picture[curves.LEGEND_HEIGHT + curves.TOP :]
    for colour in COLOURS[:2]:
        assert len(of_colour(plot[:, :width], colour)[0]) > 100
        assert len(of_colour(picture[: curves.LEGEND_HEIGHT], colour)[0]) > 20
    assert (plot[:, width:] == 255).all(), "only `total` has values"


def test_runs_are_told_apart():
    assert names(["a/log.csv", "b/log.csv"]) == ["a", "b"]
    assert names(["x/run/log.csv", "y/run/log.csv"]) == ["x/run/log.csv", "y/run/log.csv"]
    with pytest.raises(ValueError, match="twice"):
        names(["a/log.csv", "a/log.csv"])


def test_what_is_no_log_is_refused(tmp_path, capsys):
    log = write_log(tmp_path / "log.csv", rows([100], [3]))
    empty = write_log(tmp_path / "empty.csv", [])
    text, other, binary = (tmp_path / name for name in ("text.csv", "other.csv", "binary.csv"))
    text.write_text("images,total\nmany,few\n")
    other.write_text("frame,jawOpen\n1,0.5\n")
    binary.write_bytes(b"\x89PNG\xff\xfe\x00")
    bare = write_log(tmp_path / "bare.csv", [{"images": 100}])
    out = str(tmp_path / "out.png")
    for path in (empty, text, other, binary, bare, tmp_path / "none.csv"):
        assert main(["curves", str(path), "-o", out]) == 2
    assert main(["curves", str(log), "-o", str(tmp_path / "out.jpg")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 7 and all(line.startswith("models curves: ") for line in errors)
    assert not (tmp_path / "out.png").exists()
