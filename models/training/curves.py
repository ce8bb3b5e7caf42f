# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models curves LOG.csv …`: logs of training runs as a picture of small charts.

A chart a column of the log, over the pictures seen; several runs share the charts, a colour each.
"""

import csv
import math
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

ACROSS = "images"
LEFT_OUT = (ACROSS, "steps", "seconds")
COLUMNS = 4  # charts side by side
CHART = (300, 170)  # px of a plot, width and height
LEFT, TOP, RIGHT, BOTTOM = 62, 42, 16, 24  # px around it, for its figures and its title
LEGEND_HEIGHT = 26
TICKS = 5  # about so many an axis
MARGIN = 0.05  # of a curve's height, left free above and below it
GROUND, FRAME, GRID, TEXT = (255, 255, 255), (150, 150, 150), (232, 232, 232), (60, 60, 60)
COLOURS = (
    (31, 119, 180), (214, 80, 30), (44, 140, 60), (148, 80, 190), (120, 86, 75), (200, 60, 140),
)  # fmt: skip
FRACTION_BITS = 4  # of a pixel, in the places that OpenCV draws at


def add_arguments(parser):
    """Declare the options of `curves`."""
    parser.add_argument(
        "logs", nargs="+", type=Path, metavar="LOG.csv", help="of `train` or `ablate`"
    )
    parser.add_argument("-o", "--output", required=True, type=Path, help="the PNG to write")


def run(arguments):
    """Carry out `curves`; ValueError or OSError for logs that cannot be drawn."""
    if arguments.output.suffix.lower() != ".png":
        raise ValueError(f"curves writes PNG files, not {arguments.output.name}")
    logs = [read_log(path) for path in arguments.logs]
    picture = draw(dict(zip(names(arguments.logs), logs, strict=True)))
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    arguments.output.write_bytes(encoded.tobytes())


def names(paths):
    """What tells runs apart: the folder of each log, the whole path where folders are alike."""
    folders = [Path(path).absolute().parent.name for path in paths]
    count = Counter(folders)
    if max(Counter(map(str, paths)).values()) > 1:
        raise ValueError("the same log is given twice")
    return [f if count[f] == 1 else str(p) for f, p in zip(folders, paths, strict=True)]


def read_log(path):
    """Column -> (N,) float64, NaN where a cell is empty; raises ValueError for what is no log.

    A run that was killed goes on from its last checkpoint: rows from there on that it wrote before
    it was killed are left out.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        titles = rows[0] if rows else ()
        columns = {name: np.array([float(row[name] or "nan") for row in rows]) for name in titles}
    except (ValueError, TypeError) as error:  # text, rows of unlike lengths
        raise ValueError(f"{path} is no log of a training") from error
    if ACROSS not in columns:
        raise ValueError(f"{path} is no log of a training, or has no row yet")
    seen = columns[ACROSS]
    least_after = np.minimum.accumulate(np.append(seen[1:], np.inf)[::-1])[::-1]
    return {name: values[seen < least_after] for name, values in columns.items()}


def draw(runs):
    """A picture (H,W,3) uint8 RGB of logs by run: {name: {column: (N,)}}."""
    known = {
        name: None  # in the order of the logs, each once
        for log in runs.values()
        for name, values in log.items()
        if np.isfinite(values).any()
    }
    titles = [name for name in known if name not in LEFT_OUT]
    if not titles:
        raise ValueError("the logs hold nothing to draw")
    charts = [
        chart(title, [(log[ACROSS] / 1e3, log.get(title)) for log in runs.values()])
        for title in titles
    ]
    charts += [np.full_like(charts[0], GROUND)] * (-len(charts) % COLUMNS)
    rows = [np.hstack(charts[k : k + COLUMNS]) for k in range(0, len(charts), COLUMNS)]
    return np.vstack([_legend(runs, rows[0].shape[1]), *rows])


def chart(title, curves):
    """One chart (H,W,3) uint8 RGB of curves: (thousand pictures (N,), values (N,) or None) each."""
    width, height = CHART
    image = np.full((TOP + height + BOTTOM, LEFT + width + RIGHT, 3), GROUND, np.uint8)
    shown = [(x[np.isfinite(y)], y[np.isfinite(y)]) if y is not None else None for x, y in curves]
    x_axis = (0.0, max(x.max() for x, _ in filter(_any, shown)))
    y_axis = _with_margin(np.concatenate([y for _, y in filter(_any, shown)]))
    for value in ticks(*y_axis):
        (_, row) = place(0.0, value, x_axis, y_axis)
        cv2.line(image, (LEFT, round(row)), (LEFT + width, round(row)), GRID)
        _write(image, f"{value:g}", (LEFT - 6, round(row) + 4), align=1.0)
    for value in ticks(*x_axis):
        (column, _) = place(value, y_axis[0], x_axis, y_axis)
        cv2.line(image, (round(column), TOP), (round(column), TOP + height), GRID)
        _write(image, f"{value:g}k", (round(column), TOP + height + 15), align=0.5)
    cv2.rectangle(image, (LEFT, TOP), (LEFT + width, TOP + height), FRAME)
    _write(image, title.replace("_", " "), (LEFT, TOP - 24), size=0.45)
    start = LEFT
    for number, curve in enumerate(shown):
        if _any(curve):
            colour = COLOURS[number % len(COLOURS)]
            points = [place(x, y, x_axis, y_axis) for x, y in zip(*curve, strict=True)]
            _line(image, np.array(points), colour)
            text = f"{curve[1][-1]:.4g}"  # where it ended
            start += 10 + _write(image, text, (start, TOP - 8), colour=colour)
    return image


def place(x, y, x_axis, y_axis):
    """Where in a chart, px as (column, row), a value stands; axes as (first, last)."""
    width, height = CHART
    right = (x - x_axis[0]) / max(x_axis[1] - x_axis[0], 1e-12)
    up = (y - y_axis[0]) / (y_axis[1] - y_axis[0])
    return LEFT + right * width, TOP + (1 - up) * height


def ticks(first, last):
    """Round numbers from first to last: 1, 2 or 5 times a power of ten apart."""
    if not last > first:
        return [first]
    rough = (last - first) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    numbers = range(math.ceil(first / step - 1e-9), math.floor(last / step + 1e-9) + 1)
    return [float(f"{number * step:.12g}") for number in numbers]


def _any(curve):
    return curve is not None and len(curve[0]) > 0


def _with_margin(values):
    low, high = values.min(), values.max()
    room = MARGIN * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _line(image, points, colour):
    fixed = np.rint(points * 2**FRACTION_BITS).astype(np.int32)
    if len(fixed) == 1:
        cv2.circle(image, fixed[0], 3 << FRACTION_BITS, colour, -1, cv2.LINE_AA, FRACTION_BITS)
    cv2.polylines(image, [fixed], False, colour, 2, cv2.LINE_AA, FRACTION_BITS)


def _write(image, text, position, size=0.38, colour=TEXT, align=0.0):
    """Write text on a base line; align: which share of it lies left of the position. Its width."""
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    start = (round(position[0] - align * width), position[1])
    cv2.putText(image, text, start, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
    return width


def _legend(runs, width):
    strip = np.full((LEGEND_HEIGHT, width, 3), GROUND, np.uint8)
    start = LEFT
    for number, name in enumerate(runs):
        colour = COLOURS[number % len(COLOURS)]
        cv2.line(strip, (start, 14), (start + 18, 14), colour, 2)
        start += 24 + _write(strip, name, (start + 24, 18), size=0.45) + 20
    _write(strip, "over thousands of pictures seen", (width - RIGHT, 18), align=1.0)
    return strip
