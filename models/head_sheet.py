# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models head-sheet`: people in rows, expressions in columns, rendered by Cycles.

The mean person and six of a fixed seed. Takes are written by the runner and rendered by the
add-on, each started as the command line that it is; nothing of either is imported.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .head import SHAPE_NAMES, load_head, look_weights

ROOT = Path(__file__).resolve().parents[1]
BLENDER_PYTHON = (
    ROOT / ".venv-blender" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
)
DEFAULT_OUTPUT = ROOT / "docs/head_sheet.jpg"

SEED = 4
CELL = (176, 196)  # pixels
SAMPLES = 12
JPEG_QUALITY = 82
TITLE_HEIGHT = 18  # pixels above the cells for the expression's name
TITLE_COLOUR, BACKGROUND = (225, 225, 225), (45, 45, 45)


@dataclass(frozen=True)
class Expression:
    """A column: shape weights, for both sides where a name has none; yaw and pitch in radians."""

    name: str
    weights: dict[str, float]
    gaze: tuple[float, float] = (0.0, 0.0)


EXPRESSIONS = (
    Expression("neutral", {}),
    Expression("smile", {"mouthSmile": 0.9, "cheekSquint": 0.7, "eyeSquint": 0.3}),
    Expression(
        "laugh",
        {"mouthSmile": 0.9, "jawOpen": 0.4, "mouthUpperUp": 0.3}
        | {"cheekSquint": 0.9, "eyeSquint": 0.6},
    ),
    Expression("jaw open", {"jawOpen": 1.0}),
    Expression("blink", {"eyeBlink": 1.0}),
    Expression("look down", {}, (0.0, -0.4)),
    Expression("look aside", {}, (0.55, 0.1)),
    Expression(
        "surprise", {"browInnerUp": 1.0, "browOuterUp": 1.0, "eyeWide": 0.9, "jawOpen": 0.35}
    ),
    Expression(
        "anger", {"browDown": 1.0, "noseSneer": 0.8, "mouthPress": 0.6, "eyeSquint": 0.6}
    ),
    Expression("sadness", {"browInnerUp": 0.9, "mouthFrown": 0.9, "mouthShrugLower": 0.6}),
    Expression("pucker", {"mouthPucker": 1.0}),
    Expression("funnel", {"mouthFunnel": 1.0, "jawOpen": 0.35}),
    Expression("tongue", {"tongueOut": 1.0, "jawOpen": 0.5}),
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One person: a position in the seed's draws (None: the mean) and the sliders of the look."""

    draw: int | None
    look: dict[str, str]


ROWS = (
    Row(None, {}),
    Row(0, {"mien_skin_tone": "0.1", "mien_age": "0.5", "mien_iris_colour": "0.16,0.24,0.13",
            "mien_hair_colour": "0.16,0.07,0.025"}),
    Row(1, {"mien_skin_tone": "0.42", "mien_stubble": "0.8", "mien_iris_colour": "0.10,0.045,0.015",
            "mien_hair_colour": "0.008,0.006,0.005"}),
    Row(2, {"mien_skin_tone": "0.86", "mien_age": "0.2", "mien_iris_colour": "0.045,0.02,0.009",
            "mien_hair_colour": "0.006,0.005,0.005"}),
    Row(3, {"mien_skin_tone": "0.2", "mien_age": "1.0", "mien_iris_colour": "0.12,0.22,0.32",
            "mien_hair_colour": "0.22,0.21,0.20"}),
    Row(4, {"mien_skin_tone": "0.68", "mien_iris_colour": "0.06,0.027,0.01",
            "mien_hair_colour": "0.009,0.006,0.005"}),
    Row(5, {"mien_skin_tone": "0.3", "mien_age": "0.1", "mien_stubble": "0.4",
            "mien_iris_colour": "0.13,0.12,0.05"}),
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `head-sheet`."""
    parser.add_argument(
        "-o", "--output", type=Path, default=DEFAULT_OUTPUT, help="the JPEG to write"
    )
    parser.add_argument("--samples", type=int, default=SAMPLES, help="rays a pixel")
    parser.add_argument("--rows", type=int, default=len(ROWS), help="only the first so many people")


def run(arguments: argparse.Namespace) -> None:
    """Carry out `head-sheet`; ValueError or OSError where that cannot be done."""
    if arguments.output.suffix.lower() not in (".jpg", ".jpeg"):
        raise ValueError(f"head-sheet writes JPEG files, not {arguments.output.name}")
    if not BLENDER_PYTHON.exists():
        raise FileNotFoundError(f"there is no {BLENDER_PYTHON}: run `python build.py setup`")
    with tempfile.TemporaryDirectory(prefix="mien-") as folder:
        rows = [
            _render(row, Path(folder) / str(number), arguments.samples)
            for number, row in enumerate(ROWS[: arguments.rows])
        ]
    sheet = np.concatenate([_titles(), *rows])
    _, encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    arguments.output.write_bytes(encoded.tobytes())


def poses(row: Row) -> dict[str, np.ndarray]:
    """identity (60,), weights (T,52) and gaze (T,2,2) of a row: a frame for each expression."""
    count = len(load_head().identity_basis)
    draws = np.random.default_rng(SEED).standard_normal((len(ROWS), count))
    gaze = np.array([[expression.gaze] * 2 for expression in EXPRESSIONS])
    weights = look_weights(gaze)
    for frame, expression in enumerate(EXPRESSIONS):
        for name, value in expression.weights.items():
            sides = [name] if name in SHAPE_NAMES else [f"{name}Left", f"{name}Right"]
            weights[frame, [SHAPE_NAMES.index(side) for side in sides]] = value
    identity = np.zeros(count) if row.draw is None else draws[row.draw]
    return {"identity": identity, "weights": weights, "gaze": gaze}


def _render(row: Row, folder: Path, samples: int) -> np.ndarray:
    """The row's cells side by side, (H, W, 3) uint8 BGR."""
    folder.mkdir()
    take, asked = folder / "head.mien.npz", folder / "poses.npz"
    np.savez(asked, **poses(row))
    _call(sys.executable, "-m", "inference", "head", "-o", take, "--poses", asked)
    look = [f"--look={name}={value}" for name, value in row.look.items()]
    _call(
        BLENDER_PYTHON, "-m", "blender_addon.headless", take, "--pictures", folder,
        "--size", CELL[0], CELL[1], "--samples", samples, *look,
    )  # fmt: skip
    return np.concatenate([cv2.imread(str(file)) for file in sorted(folder.glob("*.png"))], axis=1)


def _call(*command: object) -> None:
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise OSError(f"{command[2]} failed: {lines[-1]}")


def _titles() -> np.ndarray:
    width = CELL[0] * len(EXPRESSIONS)
    strip = np.full((TITLE_HEIGHT, width, 3), BACKGROUND, np.uint8)
    for column, expression in enumerate(EXPRESSIONS):
        place = (column * CELL[0] + 6, TITLE_HEIGHT - 5)
        cv2.putText(
            strip,
            expression.name,
            place,
            cv2.FONT_HERSHEY_SIMPLEX,
            0.42,
            TITLE_COLOUR,
            1,
            cv2.LINE_AA,
        )
    return strip
