# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds faces in a picture.

OpenCV's cascades propose places at several rotations and scales, and a grid does where they see
nothing; Mien's own network looks at each, moves the crop to where it sees the points, looks again,
and its face score decides. Proposals may therefore be generous: a false one costs a few
milliseconds, a missed face is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from inference.crop import Crop, rotation_2d
from inference.errors import InstallationError
from inference.face import Face, look
from inference.mirror import is_confirmed, seen_both_ways
from inference.network import Network

ACCEPT = 0.25
"""Quality (face probability times trust in the points) from which on a crop counts as a face. On
photographs most of what is none lies below, and one face in a hundred."""

CERTAIN = 0.7
CERTAIN_SIZE = 0.2
CERTAIN_INSIDE = 0.9
"""Quality, size over the picture's shorter side, and share of the points within the picture, of a
face at which the search may end: a small find may well be a thing in the background of the face
that the picture is about, and one that the edge cuts through the face beside it."""

PROMISING = 0.05
"""Face probability below which a proposal is not worth a second look."""

SECOND_LOOKS = 16
"""At most so many proposals are looked at again."""

REFINEMENTS = 2
"""How often the crop is moved to the points that were seen in it."""

SAME_FACE = 0.4
"""Two faces whose centres lie closer than this many face sizes are one."""

PLAUSIBLE_FILL = (0.45, 1.6)
"""Bounds of the points' own crop over the crop they were seen in; outside, the points are lost."""

SMALLEST_FACE = 14.0
"""Pixels (side of the points' box): below, the network sees nothing but blur."""

WINDOW = 24
"""Smallest window of the cascades, pixels."""

SCALE_STEP = 1.1
MIN_NEIGHBOURS = 1
"""The cascades' search: fine, and with hardly any vote among neighbours, as the network decides."""

FACE_PER_FRONTAL_WINDOW = 0.88
FACE_PER_PROFILE_WINDOW = 0.76
DROP_PER_WINDOW = 0.145
"""The 68 points' box in units of a cascade's window: its longer side, and how far its centre lies
below the window's. The windows were cut from forehead to chin; the points begin at the brows."""

MAX_ENLARGEMENT = 2.0
"""A picture is enlarged at most so much to reach a level's size."""


@dataclass(frozen=True)
class Cascade:
    """One of OpenCV's detectors."""

    file: str
    mirrored: bool
    face_per_window: float


FRONTAL = Cascade("haarcascade_frontalface_default.xml", False, FACE_PER_FRONTAL_WINDOW)
FRONTAL_ALT = Cascade("haarcascade_frontalface_alt2.xml", False, FACE_PER_FRONTAL_WINDOW)
PROFILE = Cascade("haarcascade_profileface.xml", False, FACE_PER_PROFILE_WINDOW)
PROFILE_MIRRORED = Cascade("haarcascade_profileface.xml", True, FACE_PER_PROFILE_WINDOW)


@dataclass(frozen=True)
class Search:
    """One round of proposals: which detectors, at which size of the picture, turned how far."""

    cascades: tuple[Cascade, ...]
    longer_side: int
    rolls: tuple[float, ...] = (0.0,)


SEARCHES = (
    Search((FRONTAL,), 320),
    Search((FRONTAL, PROFILE, PROFILE_MIRRORED), 320, (0.0, -30.0, 30.0)),
    Search((FRONTAL, FRONTAL_ALT), 640),
    Search((FRONTAL,), 320, (-60.0, 60.0, -90.0, 90.0, 180.0)),
)
"""Rounds in the order of what they find for their time; rolls in degrees."""

QUICK_SEARCHES = SEARCHES[:1]
"""For a face that was lost in a video and is looked for in every frame."""

PEOPLE_SEARCHES = (
    SEARCHES[0],
    Search((FRONTAL,), 640),
    Search((FRONTAL,), 320, (-30.0, 30.0)),
)
"""For the people beside the first face: on photographs these see three in four of those that all
searches see, in a third of the time."""

POINTED_SIZES = (0.7, 0.4, 0.22, 0.12)
"""Sides of the crops around a place that the user points at, over the picture's shorter side."""

GRID_SIZES = (0.85, 0.6, 0.42, 0.3)
"""Sides of the grid's crops over the picture's shorter side."""

GRID_STEP = 0.4
"""Distance of neighbouring grid crops over their side."""

MAX_GRID = 96
"""Crops of a grid; longer pictures than that are sampled more coarsely."""


def find_faces(network: Network, image: np.ndarray) -> list[Face]:
    """All faces in ``image`` (H, W, 3) uint8 RGB, the best first. For stills: it takes its time."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    faces: list[Face] = []
    for crops in proposal_rounds(grey):
        faces = distinct(faces + examine(network, image, crops))
        if ends_search(network, image, faces):
            break
    return [seen_both_ways(network, image, face) for face in faces]


def find_people(network: Network, image: np.ndarray) -> list[Face]:
    """The faces in ``image`` (H, W, 3) uint8 RGB, the best first, a certain one or not."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    faces: list[Face] = []
    for search in PEOPLE_SEARCHES:
        faces = distinct(faces + examine(network, image, cascade_proposals(grey, search)))
    if ends_search(network, image, faces):
        return faces
    return distinct(faces + find_faces(network, image))


def find_faces_quickly(network: Network, image: np.ndarray) -> list[Face]:
    """Faces in a frame of a video: one round of proposals has to do."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    crops = [crop for search in QUICK_SEARCHES for crop in cascade_proposals(grey, search)]
    return distinct(examine(network, image, crops))


def find_faces_at(network: Network, image: np.ndarray, place: np.ndarray) -> list[Face]:
    """Faces at ``place`` (2,), frame pixels: those whose size reaches from their centre to it."""
    shorter_side = min(image.shape[:2])
    crops = [Crop(np.asarray(place, float), size * shorter_side) for size in POINTED_SIZES]
    faces = distinct(examine(network, image, crops))
    return [face for face in faces if np.linalg.norm(face.centre - place) < face.size]


def examine(network: Network, image: np.ndarray, crops: list[Crop]) -> list[Face]:
    """The faces that the network accepts among proposed crops, each seen in its own best crop."""
    seen = look(network, image, crops)
    promising = sorted(
        (face for face in seen if face.probability >= PROMISING),
        key=lambda face: face.probability,
        reverse=True,
    )[:SECOND_LOOKS]
    views = [refine(network, image, face) for face in promising]
    return [face for face in views if face.quality >= ACCEPT and is_plausible(face)]


def refine(network: Network, image: np.ndarray, face: Face) -> Face:
    """The face seen again through the crop that its points ask for, while that leads somewhere."""
    for _ in range(REFINEMENTS):
        if not is_plausible(face):
            return face
        (again,) = look(network, image, [face.next_crop])
        if again.quality < ACCEPT <= face.quality:
            return face
        face = again
    return face


def ends_search(network: Network, image: np.ndarray, faces: list[Face]) -> bool:
    """Whether ``image`` (H, W, 3) need not be searched further: one of the faces is certain."""
    shorter_side = min(image.shape[:2])
    return any(
        face.quality >= CERTAIN
        and face.size >= CERTAIN_SIZE * shorter_side
        and share_inside(image, face) >= CERTAIN_INSIDE
        and is_confirmed(network, image, face)
        for face in faces
    )


def share_inside(image: np.ndarray, face: Face) -> float:
    """Share of the face's 68 points that lie within ``image`` (H, W, 3)."""
    within = (face.points68 >= 0) & (face.points68 < np.array(image.shape[1::-1]))
    return float(within.all(axis=1).mean())


def is_plausible(face: Face) -> bool:
    """Whether the points lie in the crop as a face's do, and are large enough to be one."""
    fill = face.next_crop.side / face.crop.side
    low, high = PLAUSIBLE_FILL
    return low <= fill <= high and face.size >= SMALLEST_FACE


def distinct(faces: Iterable[Face]) -> list[Face]:
    """The best view of each face, the best face first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.quality, reverse=True):
        if not any(are_same(face, other) for other in kept):
            kept.append(face)
    return kept


def are_same(face: Face, other: Face) -> bool:
    """Whether two views show one face."""
    distance = np.linalg.norm(face.centre - other.centre)
    return bool(distance < SAME_FACE * max(face.size, other.size))


def proposal_rounds(grey: np.ndarray) -> Iterator[list[Crop]]:
    """Crops of ``grey`` (H, W) that may hold a face, round by round; the grid comes last."""
    for search in SEARCHES:
        yield cascade_proposals(grey, search)
    yield grid_proposals(*grey.shape)


def cascade_proposals(grey: np.ndarray, search: Search) -> list[Crop]:
    """Where the cascades of ``search`` see a face in ``grey`` (H, W) uint8."""
    scale = min(search.longer_side / max(grey.shape), MAX_ENLARGEMENT)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=interpolation)
    crops = []
    for roll in np.deg2rad(search.rolls):
        turned, to_small = _turned(small, roll)
        for cascade in search.cascades:
            for x, y, side in _windows(cascade, turned):
                centre = np.array([x + side / 2, y + side * (0.5 + DROP_PER_WINDOW)])
                face = side * cascade.face_per_window / scale
                in_frame = (to_small(centre) + 0.5) / scale - 0.5
                crops.append(Crop.from_box(*(in_frame - face / 2), face, face, float(roll)))
    return crops


def grid_proposals(height: int, width: int) -> list[Crop]:
    """Upright crops all over a picture, the large and central ones first."""
    crops = []
    for size in GRID_SIZES:
        side = size * min(height, width)
        for y in _grid_line(height, side):
            for x in _grid_line(width, side):
                crops.append(Crop(np.array([x, y]), side))
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    crops.sort(key=lambda crop: (-crop.side, float(np.linalg.norm(crop.centre - middle))))
    return crops[:: -(-len(crops) // MAX_GRID)]


def _grid_line(length: int, side: float) -> np.ndarray:
    """Centres of crops of ``side`` along one axis: the face, not the crop, stays in the picture."""
    reach = max(0.0, length - 0.75 * side)
    count = 1 + int(np.ceil(reach / (GRID_STEP * side)))
    middle = (length - 1) / 2
    return np.linspace(middle - reach / 2, middle + reach / 2, count) if count > 1 else [middle]


def _turned(grey: np.ndarray, roll: float):
    """``grey`` turned so that what is rolled by ``roll`` stands upright, and the way back.

    The second value takes pixels of the turned picture to pixels of ``grey``.
    """
    if roll == 0.0:
        return grey, lambda point: point
    height, width = grey.shape
    to_grey = rotation_2d(roll)
    turned_size = np.abs(to_grey.T) @ np.array([width, height])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    origin = middle - to_grey @ ((turned_size - 1) / 2)
    turned = cv2.warpAffine(
        grey,
        np.column_stack([to_grey, origin]),
        tuple(int(np.ceil(side)) for side in turned_size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    return turned, lambda point: to_grey @ point + origin


def _windows(cascade: Cascade, grey: np.ndarray) -> Iterator[tuple[float, float, float]]:
    """Top-left corner and side of the windows a cascade accepts, in pixels of ``grey``."""
    picture = np.ascontiguousarray(grey[:, ::-1]) if cascade.mirrored else grey
    found = _classifier(cascade.file).detectMultiScale(
        picture, SCALE_STEP, MIN_NEIGHBOURS, minSize=(WINDOW, WINDOW)
    )
    for x, y, side, _ in found:
        yield (grey.shape[1] - x - side if cascade.mirrored else x), y, side


@cache
def _classifier(file: str) -> cv2.CascadeClassifier:
    """One of OpenCV's cascades, read by Python: OpenCV cannot open all paths on Windows.

    Raises:
        InstallationError: it is not there.
    """
    path = Path(cv2.data.haarcascades) / file
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InstallationError(
            f"OpenCV's {path} cannot be read ({error.strerror}); install opencv-python-headless 4"
            " again."
        ) from error
    storage = cv2.FileStorage(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    classifier = cv2.CascadeClassifier()
    classifier.read(storage.getFirstTopLevelNode())
    return classifier
