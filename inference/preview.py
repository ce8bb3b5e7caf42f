# SPDX-License-Identifier: GPL-3.0-or-later
"""A first look at footage: its first frame, with the faces boxed and numbered."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from inference.detect import find_people
from inference.errors import OutputError
from inference.face import Face
from inference.footage import Footage
from inference.network import Network
from inference.output import whole_file
from inference.track import acceptable, prominence

SURE = 0.8
"""Quality of further faces: on photographs, what is no face lies below."""

SIDE = 512
"""Longest side of the picture, pixels."""

FINER = 4
"""The drawing is done so much larger, and then reduced: smooth edges."""

# Sizes in pixels of the picture, half of which a panel may show; colours RGB.
MARGIN = 0.12  # of a face's box, around it
LINE = 3.0
OUTLINE = 1.5
CORNER = 9.0
LABEL = 30.0
FONT = cv2.FONT_HERSHEY_DUPLEX
DIGIT_HEIGHT = 0.62  # of the label's
STROKE = 2.6
FIRST_COLOUR = (255, 176, 32)
OTHER_COLOUR = (96, 200, 255)
DARK = (16, 16, 18)


def preview(network: Network, footage: Footage, picture: Path) -> dict[str, object]:
    """Find the faces in the footage's first frame and write a picture that shows them.

    Returns what Blender is told, JSON types: the picture's path; of the footage frames (None where
    not known), width, height, rate [num, den] and seconds (None of a still); and the faces, the
    most prominent first, each with its box [x0, y0, x1, y1], its score, and the place [x, y] by
    which a capture finds it; all pixels of the turned picture.

    Raises:
        FootageError: the footage cannot be read.
        OutputError: the picture cannot be written.
    """
    image = next(iter(footage)).image
    faces = faces_of(network, image)
    write_png(picture, draw_faces(image, [box_of(face) for face in faces]))
    still = len(footage.pictures) == 1
    count = footage.frame_count
    return {
        "picture": str(picture),
        "frames": count,
        "width": footage.width,
        "height": footage.height,
        "rate": [footage.frame_rate.numerator, footage.frame_rate.denominator],
        "seconds": None if still or count is None else float(count / footage.frame_rate),
        "faces": [as_json(face) for face in faces],
    }


def faces_of(network: Network, image: np.ndarray) -> list[Face]:
    """The faces of ``image`` (H, W, 3) uint8 RGB, the most prominent first.

    Where none is sure, the one that a capture would try.
    """
    faces = acceptable(network, image, find_people(network, image))
    faces.sort(key=lambda face: prominence(face, image.shape), reverse=True)
    return [face for face in faces if face.quality >= SURE] or faces[:1]


def as_json(face: Face) -> dict[str, object]:
    """A face as Blender is told of it."""
    return {
        "box": np.round(box_of(face), 1).tolist(),
        "place": np.round(face.centre, 1).tolist(),
        "score": round(face.quality, 3),
    }


def box_of(face: Face) -> np.ndarray:
    """(4,) left, top, right, bottom px: around the 68 points, and up to the forehead."""
    (left, top), (right, bottom) = face.points68.min(0), face.points68.max(0)
    across, down = MARGIN * np.array([right - left, bottom - top])
    return np.array([left - across, top - 2 * down, right + across, bottom + down])


def draw_faces(image: np.ndarray, boxes: list[np.ndarray]) -> np.ndarray:
    """A small picture of ``image`` (H, W, 3) uint8 RGB with numbered boxes (4,), numbers from 1."""
    height, width = image.shape[:2]
    scale = SIDE / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    finer = size[0] * FINER, size[1] * FINER
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(image, size, interpolation=way)
    canvas = cv2.resize(small, finer, interpolation=cv2.INTER_LINEAR)
    for number in range(len(boxes), 0, -1):  # the first is drawn last, above the others
        # Pixel centres: 0.5 more from corner to corner.
        box = (boxes[number - 1] + 0.5) * (scale * FINER) - 0.5
        edge = LINE * FINER
        box = np.clip(box, edge, np.array([*finer, *finer]) - 1 - edge)
        colour = FIRST_COLOUR if number == 1 else OTHER_COLOUR
        _draw_frame(canvas, box, DARK, (LINE + 2 * OUTLINE) * FINER)
        _draw_frame(canvas, box, colour, LINE * FINER)
        _draw_label(canvas, box[:2], number, colour)
    return cv2.resize(canvas, size, interpolation=cv2.INTER_AREA)


def write_png(path: Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB. Raises OutputError where that fails."""
    done, data = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    if not done:
        raise OutputError(f"{path} cannot be written: the picture could not be encoded.")
    with whole_file(path) as file:
        file.write(data.tobytes())


def _draw_frame(canvas: np.ndarray, box: np.ndarray, colour: tuple, width: float) -> None:
    left, top, right, bottom = (round(value) for value in box)
    radius = round(min(CORNER * FINER, (right - left) / 2, (bottom - top) / 2))
    width = round(width)
    for start, end in (
        ((left + radius, top), (right - radius, top)),
        ((left + radius, bottom), (right - radius, bottom)),
        ((left, top + radius), (left, bottom - radius)),
        ((right, top + radius), (right, bottom - radius)),
    ):
        cv2.line(canvas, start, end, colour, width)
    for x, y, turn in (
        (left + radius, top + radius, 180),
        (right - radius, top + radius, 270),
        (right - radius, bottom - radius, 0),
        (left + radius, bottom - radius, 90),
    ):
        cv2.ellipse(canvas, (x, y), (radius, radius), turn, 0, 90, colour, width)


def _draw_label(canvas: np.ndarray, corner: np.ndarray, number: int, colour: tuple) -> None:
    """The number on a filled tab that stands on the box's top left corner, or hangs from it where
    the picture ends."""
    text = str(number)
    scale = DIGIT_HEIGHT * LABEL * FINER / cv2.getTextSize("8", FONT, 1.0, 1)[0][1]
    stroke = round(STROKE * FINER)
    (wide, high), _ = cv2.getTextSize(text, FONT, scale, stroke)
    height = LABEL * FINER
    width = max(height, wide + (1 - DIGIT_HEIGHT) * height)
    left, top = (round(value) for value in corner)
    top = round(top - height) if top >= height + LINE * FINER else top
    right, bottom = round(left + width), round(top + height)
    cv2.rectangle(canvas, (left, top), (right, bottom), DARK, round(2 * OUTLINE * FINER))
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, cv2.FILLED)
    place = round((left + right - wide) / 2), round((top + bottom + high) / 2)
    cv2.putText(canvas, text, place, FONT, scale, DARK, stroke, cv2.LINE_AA)
