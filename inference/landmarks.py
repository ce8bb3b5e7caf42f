# SPDX-License-Identifier: GPL-3.0-or-later
"""68 iBUG points of every face in still pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from inference.detect import find_faces
from inference.errors import FootageError
from inference.face import Face
from inference.footage import PICTURE_SUFFIXES, read_picture
from inference.network import Network
from inference.output import whole_file

DECIMALS = 3
"""Of a pixel, in the file: far below any error."""


def pictures_of(inputs: Sequence[Path]) -> dict[str, Path]:
    """Key and file of every picture: of a folder's and those below it, the path relative to it.

    Raises:
        FootageError: an input is missing, or a folder holds no pictures.
    """
    pictures: dict[str, Path] = {}
    for path in inputs:
        if path.is_dir():
            inside = [
                file
                for file in sorted(path.rglob("*"))
                if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()
            ]
            if not inside:
                raise FootageError(f"The folder {path} holds no pictures.")
            pictures.update({file.relative_to(path).as_posix(): file for file in inside})
        elif path.exists():
            pictures[path.as_posix()] = path
        else:
            raise FootageError(f"There is no file or folder {path}.")
    return pictures


def find_landmarks(
    network: Network,
    pictures: dict[str, Path],
    progress: Callable[[int, int | None], None],
    warn: Callable[[str], None],
) -> dict[str, list[dict]]:
    """Faces of each picture, the best first; a picture that cannot be read is left out.

    A face is {"points68": [[x, y] x 68] in pixels, "confidence": 0 to 1}.

    Raises:
        FootageError: not one picture can be read.
    """
    faces: dict[str, list[dict]] = {}
    for done, (key, path) in enumerate(pictures.items(), start=1):
        try:
            image = read_picture(path)
        except FootageError as error:
            if len(pictures) == 1:
                raise
            warn(str(error))
        else:
            faces[key] = [as_json(face) for face in find_faces(network, image)]
        progress(done, len(pictures))
    if not faces:
        raise FootageError("None of the pictures can be read.")
    return faces


def as_json(face: Face) -> dict[str, object]:
    """A face as it goes into the file."""
    points = np.round(face.points68, DECIMALS).tolist()
    return {"points68": points, "confidence": round(face.quality, DECIMALS)}


def write_landmarks(path: Path, faces: dict[str, list[dict]]) -> None:
    """Write the faces as JSON. Raises OutputError where ``path`` cannot be written."""
    with whole_file(path) as file:
        file.write(json.dumps(faces).encode())
