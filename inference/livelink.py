# SPDX-License-Identifier: GPL-3.0-or-later
"""The CSV of the Live Link Face app: 52 shapes and nine angles a row, each at its time code.

Time code
    HH:MM:SS:FF.fff. FF counts frames of a time base of 60 a second (of less in some takes),
    whatever the camera's rate, and .fff is a fraction of such a frame; rows of a 30 Hz recording
    therefore step by two. Rows are left out where the app lost one, so a row's time is its time
    code's.
Columns
    are found by their names: the order differs between the app's CSV, its network protocol and
    what other programs write (jawLeft and jawRight, mouthLeft and mouthRight change places).
Angles
    are radians, in the order Yaw, Pitch, Roll of Unreal's FRotator: positive yaw turns to the
    character's right, positive pitch down, positive roll tilts the top towards the character's
    left; yaw is applied about the upright axis, then pitch, then roll. Measured on the eyes in the
    takes of github.com/alexdjulin/LiveLinkFace-CSV-Retarget-For-Motionbuilder, where eyeLookOutLeft
    0.65 and eyeLookUpLeft 0.40 go with LeftEyeYaw -0.44 and LeftEyePitch -0.19, and the eyes' roll
    is arctan(sin(yaw) tan(pitch)) to five digits. Those takes were recorded without the head's
    rotation (all zero), which by its names is taken to follow the same rule.
"""

from __future__ import annotations

import bisect
import csv
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from inference.errors import FootageError
from inference.output import whole_file
from models.head import SHAPE_NAMES

TIMECODE, COUNT = "Timecode", "BlendShapeCount"
HEAD = ("HeadYaw", "HeadPitch", "HeadRoll")
EYES = (
    ("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll"),
    ("RightEyeYaw", "RightEyePitch", "RightEyeRoll"),
)
ANGLES = (*HEAD, *EYES[0], *EYES[1])
SHAPES = tuple(name[0].upper() + name[1:] for name in SHAPE_NAMES)
DECIMALS = 10

TIME_BASES = (24, 25, 30, 50, 60)
APP_BASE = 60
"""Frames a second that time codes may count; the app's own, which is written, too."""

WHOLE_RATES = (24, 25, 30, 48, 50, 60, 120)
RATE_TOLERANCE = 2e-4
"""A measured rate this near to a usual one, in parts of it, is that one: a fifth of what tells 30
from 29.97."""

DAY = 24 * 3600.0  # s


@dataclass(frozen=True)
class Recording:
    """T rows of one face.

    Attributes:
        time: (T,) float64 s since midnight, strictly increasing; beyond a day after the next one.
        rate: rows a second, nominal.
        weights: (T, 52) in the order of SHAPE_NAMES.
        head: (T, 3) rad: yaw, pitch, roll as in the file.
        eyes: (T, 2, 3) rad: the same of the left and of the right eye.
        left_out: rows of the file that hold no face.
    """

    time: np.ndarray
    rate: Fraction
    weights: np.ndarray
    head: np.ndarray
    eyes: np.ndarray
    left_out: int = 0


def read_csv(path: Path, rate: Fraction | None = None) -> Recording:
    """Read a recording.

    Args:
        path: the file.
        rate: rows a second, where the time codes do not say it right; from them unless given.

    Raises:
        FootageError: the file is not there, or no such recording.
    """
    header, rows = _table(path)
    columns = _columns(path, header)
    full = [row for row in rows if _has_face(row, columns)]
    if not full:
        raise FootageError(f"{path} holds no frame with a face.")
    try:
        codes = [_timecode(row[columns[TIMECODE]]) for row in full]
        values = {
            name: np.array([float(row[column]) for row in full])
            for name, column in columns.items()
            if name not in (TIMECODE, COUNT)
        }
    except ValueError as error:
        raise FootageError(f"{path} holds something else than numbers: {error}.") from error
    if not all(np.isfinite(value).all() for value in values.values()):
        raise FootageError(f"{path} holds numbers that are not finite.")
    time, rate = _times(np.array(codes), rate)

    def angles(names: tuple[str, ...]) -> np.ndarray:
        return np.stack([values.get(name, np.zeros(len(full))) for name in names], axis=-1)

    return Recording(
        time=time,
        rate=rate,
        weights=np.stack([values[name] for name in SHAPES], axis=-1),
        head=angles(HEAD),
        eyes=np.stack([angles(names) for names in EYES], axis=1),
        left_out=len(rows) - len(full),
    )


def write_csv(path: Path, recording: Recording) -> None:
    """Write a recording. Raises OutputError where ``path`` cannot be written."""
    lines = [",".join((TIMECODE, COUNT, *SHAPES, *ANGLES))]
    count = len(SHAPES) + len(ANGLES)
    eyes = recording.eyes.reshape(len(recording.eyes), -1)
    table = np.hstack([recording.weights, recording.head, eyes])
    for time, row in zip(recording.time, table, strict=True):
        # Adding nothing turns -0 into 0.
        values = (f"{value + 0.0:.{DECIMALS}f}" for value in np.round(row, DECIMALS))
        lines.append(",".join((_as_timecode(time), str(count), *values)))
    with whole_file(path) as file:
        file.write(("\n".join(lines) + "\n").encode())


def eye_roll(yaw: np.ndarray, pitch: np.ndarray) -> np.ndarray:
    """The roll that the app gives an eye with a yaw and pitch, all rad."""
    return np.arctan(np.sin(yaw) * np.tan(pitch))


def _table(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header and all other rows that are not empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except FileNotFoundError as error:
        raise FootageError(f"There is no file {path}.") from error
    except OSError as error:
        raise FootageError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise FootageError(f"{path} is not a CSV of Live Link Face.") from error
    if not rows:
        raise FootageError(f"{path} is empty.")
    return rows[0], rows[1:]


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    """Where in a row what is; the angles may be missing, and the count."""
    places = {_plain(name): column for column, name in enumerate(header)}
    if _plain(TIMECODE) not in places:
        raise FootageError(f"{path} is not a CSV of Live Link Face: it has no column {TIMECODE}.")
    missing = [name for name in SHAPES if _plain(name) not in places]
    if missing:
        raise FootageError(
            f"{path} is not a CSV of Live Link Face: it has no column {missing[0]}."
        )
    names = (TIMECODE, COUNT, *SHAPES, *ANGLES)
    return {name: places[_plain(name)] for name in names if _plain(name) in places}


def _plain(name: str) -> str:
    """A column's name without its spelling: lower case, _L and _R written out, no separators."""
    name = re.sub(r"[_. -]l$", "left", name.strip().lower())
    name = re.sub(r"[_. -]r$", "right", name)
    return re.sub(r"[_. -]", "", name)


def _has_face(row: list[str], columns: dict[str, int]) -> bool:
    """Whether a row is whole: where the face was lost, it may count no shapes, or write none."""
    whole = len(row) > max(columns.values())
    return whole and (COUNT not in columns or row[columns[COUNT]].strip() != "0")


def _timecode(text: str) -> tuple[float, float]:
    """Seconds since midnight, and the frame in the second."""
    match = re.fullmatch(r"(\d+)[:;](\d+)[:;](\d+)[:;](\d+(?:\.\d*)?)", text.strip())
    if match is None:
        raise ValueError(f"the time code {text!r}")
    hours, minutes, seconds = (int(part) for part in match.groups()[:3])
    return 3600.0 * hours + 60.0 * minutes + seconds, float(match[4])


def _times(codes: np.ndarray, rate: Fraction | None) -> tuple[np.ndarray, Fraction]:
    """Times (T,) s and the rate of time codes (T, 2): seconds, frame."""
    base = _time_base(codes)
    frames = codes[:, 0] * base + codes[:, 1]
    frames += DAY * base * np.cumsum(np.r_[0.0, np.diff(frames) < -DAY * base / 2])
    frames = _increasing(frames)
    step = float(np.median(np.diff(frames))) if len(frames) > 1 else 1.0
    if rate is None:
        return frames / base, _usual_rate(base / step)
    first = frames[0] / base
    return first + (frames - frames[0]) / step / float(rate), rate


def _time_base(codes: np.ndarray) -> int:
    """Frames a second that time codes count: told by the last ones before a second is full."""
    if len(np.unique(codes[:, 0])) < 2:
        return APP_BASE
    highest = codes[:, 1].max()
    return next((base for base in TIME_BASES if highest < base), int(np.floor(highest)) + 1)


def _increasing(values: np.ndarray) -> np.ndarray:
    """Values (T,) with those that are out of order put in between their neighbours.

    Some programs are wrong about the second where it changes. In order is the longest increasing
    run of rows (patience sorting).
    """
    ends: list[float] = []  # the least last value of a run of each length
    at: list[int] = []
    before = np.full(len(values), -1)
    for row, value in enumerate(values):
        length = bisect.bisect_left(ends, value)
        before[row] = at[length - 1] if length else -1
        ends[length : length + 1], at[length : length + 1] = [value], [row]
    row, kept = at[-1], []
    while row >= 0:
        kept.append(row)
        row = before[row]
    kept.reverse()
    if len(kept) == len(values):
        return values
    step = float(np.median(np.diff(values[kept]))) if len(kept) > 1 else 1.0
    rows = np.arange(len(values))
    placed = np.interp(rows, kept, values[kept])
    placed += step * (np.minimum(rows - kept[0], 0) + np.maximum(rows - kept[-1], 0))
    return placed


def _usual_rate(measured: float) -> Fraction:
    """The rate itself, or the usual one that it means."""
    usual = [
        Fraction(rate) * slower for rate in WHOLE_RATES for slower in (1, Fraction(1000, 1001))
    ]
    nearest = min(usual, key=lambda rate: abs(measured - rate))
    if abs(measured - nearest) < RATE_TOLERANCE * nearest:
        return nearest
    return Fraction(measured).limit_denominator(1001)


def _as_timecode(time: float) -> str:
    """HH:MM:SS:FF.fff of a time, s since midnight, to the nearest thousandth of a frame."""
    thousandths = round(time * APP_BASE * 1000) % round(DAY * APP_BASE * 1000)
    frames, fraction = divmod(thousandths, 1000)
    seconds, frame = divmod(frames, APP_BASE)
    minutes, second = divmod(seconds, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}:{frame:02}.{fraction:03}"
