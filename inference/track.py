# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows one face through the frames of a clip: one pass of the network a frame while it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy.spatial.transform import Rotation

from inference.crop import Crop
from inference.detect import (
    examine,
    find_faces,
    find_faces_at,
    find_faces_quickly,
    is_plausible,
)
from inference.face import Face, look
from inference.footage import Footage, Frame, prefetch
from inference.network import Network
from inference.observations import Observations

KEEP = 0.12
"""Quality down to which a face that is being followed is believed; lower than to accept a
new one, as the place speaks for it."""

ACQUIRE = 0.5
"""Quality from which on a clip's face is taken up: above what a still picture has to do with, as a
clip shows its face again in the next frame."""

PREDICTION = 0.5
"""Share of the last frame's motion that is expected to go on. Less than all of it: the crop then
errs by half a step when the head stops, instead of a whole one."""

LARGEST_SHIFT = 0.12
LARGEST_ZOOM = 1.15
LARGEST_TURN = np.deg2rad(15.0)
"""How far the crop may have been off (in crop sides, as a ratio, in radians) before the frame gets
a second look: the jitter that training showed the network."""

THOROUGH_EVERY = 30
"""While no face is in sight, every so many frames are searched thoroughly, the others quickly."""

FORGET_AFTER = 1.0
"""Seconds after which a lost face may come back anywhere, not only near where it was."""

RETURN_REACH = 2.0
"""How many face sizes from where it was lost a face may come back before it is forgotten."""


WIDER = 1.5
"""How much larger than the lost face's crop the one is in which it is looked for as well."""


class Tracker:
    """Follows one face.

    Args:
        network: the network.
        place: (2,) frame pixels, where the wanted face is in the first frame; None takes the
            largest and most central one.
    """

    def __init__(self, network: Network, place: np.ndarray | None = None) -> None:
        self._network = network
        self._place = place
        self._recent: list[Face] = []  # up to two views in successive frames, the last one last
        self._lost: Face | None = None
        self._lost_since = 0.0
        self._frames_without = 0

    def follow(self, frame: Frame) -> Face | None:
        """The face in the next frame, None where it cannot be seen."""
        face = self._continue(frame.image)
        if face is None and self._recent:
            self._lost, self._lost_since = self._recent[-1], frame.time
            self._recent = []
        face = face or self._find(frame)
        if face is None:
            self._frames_without += 1
        else:
            self._recent = [*self._recent[-1:], face]
            self._lost, self._frames_without = None, 0
        return face

    def _continue(self, image: np.ndarray) -> Face | None:
        """Look where the face must be now."""
        if not self._recent:
            return None
        face = self._look(image, expected_crop(self._recent))
        if face is not None and is_off(face):
            face = self._look(image, face.next_crop) or face
        return face

    def _look(self, image: np.ndarray, crop: Crop) -> Face | None:
        (face,) = look(self._network, image, [crop])
        return face if face.quality >= KEEP and is_plausible(face) else None

    def _find(self, frame: Frame) -> Face | None:
        """Look for a face to follow, or for the one that was lost a moment ago."""
        if self._lost is not None and frame.time - self._lost_since < FORGET_AFTER:
            return self._returning(frame.image)
        faces = []
        if self._place is not None:
            faces = find_faces_at(self._network, frame.image, self._place)
        faces = self._acceptable(faces) or self._search(frame.image)
        if self._place is not None:
            return min(faces, key=lambda face: distance(face, self._place), default=None)
        return max(faces, key=lambda face: prominence(face, frame.image.shape), default=None)

    def _returning(self, image: np.ndarray) -> Face | None:
        """The lost face, where it was or not far from there."""
        lost = self._lost
        crop = lost.next_crop
        wider = Crop(crop.centre, WIDER * crop.side, crop.roll)
        faces = self._acceptable(examine(self._network, image, [crop, wider]))
        faces = faces or self._search(image)
        near = [face for face in faces if distance(face, lost.centre) < RETURN_REACH * lost.size]
        return min(near, key=lambda face: distance(face, lost.centre), default=None)

    def _search(self, image: np.ndarray) -> list[Face]:
        """Faces anywhere in the frame."""
        thorough = self._frames_without % THOROUGH_EVERY == 0
        find = find_faces if thorough else find_faces_quickly
        return self._acceptable(find(self._network, image))

    @staticmethod
    def _acceptable(faces: list[Face]) -> list[Face]:
        return [face for face in faces if face.quality >= ACQUIRE]


def expected_crop(recent: list[Face]) -> Crop:
    """Where the face will be in the next frame: its last place and a share of its last motion."""
    crop = recent[-1].next_crop
    if len(recent) < 2:
        return crop
    before = recent[-2].next_crop
    return Crop(
        crop.centre + PREDICTION * (crop.centre - before.centre),
        crop.side,
        crop.roll,
    )


def is_off(face: Face) -> bool:
    """Whether the crop was so far from the face that a second look pays."""
    wanted, used = face.next_crop, face.crop
    shift = np.linalg.norm(wanted.centre - used.centre) / wanted.side
    zoom = abs(np.log(wanted.side / used.side))
    turn = abs(np.angle(np.exp(1j * (wanted.roll - used.roll))))
    return bool(shift > LARGEST_SHIFT or zoom > np.log(LARGEST_ZOOM) or turn > LARGEST_TURN)


def distance(face: Face, place: np.ndarray) -> float:
    """Pixels from the face's centre to ``place`` (2,)."""
    return float(np.linalg.norm(face.centre - place))


def prominence(face: Face, shape: tuple[int, ...]) -> float:
    """How likely the picture, of ``shape`` (H, W, …), is about this face: sure, large, central."""
    height, width = shape[:2]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    off_centre = distance(face, middle) / (np.hypot(width, height) / 2)
    return face.quality**2 * face.size / (1.0 + off_centre)


def observe(
    network: Network,
    footage: Footage,
    place: np.ndarray | None = None,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> Observations:
    """Follow one face through ``footage``.

    Args:
        network: the network.
        footage: decoded here, in a thread of its own.
        place: (2,) frame pixels, where the face is in the first frame, or None.
        progress: called with the frames done and their number, where that is known.

    Raises:
        FootageError: the footage is damaged.
    """
    tracker = Tracker(network, place)
    frames: list[tuple[int, float]] = []
    faces: list[Face | None] = []
    for frame in prefetch(footage):
        faces.append(tracker.follow(frame))
        frames.append((frame.index, frame.time))
        progress(len(frames), footage.frame_count)
    return collect(footage.width, footage.height, frames, faces)


def collect(
    width: int, height: int, frames: Iterable[tuple[int, float]], faces: list[Face | None]
) -> Observations:
    """Observations from (index, time) and the face of every frame."""
    found = np.array([face is not None for face in faces], bool)
    seen = [face for face in faces if face is not None]

    def rows(values: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        table = np.full((len(faces), *shape), np.nan, np.float32)
        if values:
            table[found] = np.stack(values)
        return table

    points = seen[0].points.shape[0] if seen else 0
    identities = seen[0].prediction.identity.shape[1] if seen else 0
    shapes = seen[0].prediction.expression.shape[1] if seen else 0
    confidence = rows([np.float32(face.quality) for face in seen], ())
    return Observations(
        width=width,
        height=height,
        time=np.array([time for _, time in frames], np.float64),
        frame=np.array([index for index, _ in frames], np.int32),
        found=found,
        confidence=np.nan_to_num(confidence, nan=0.0),
        points=rows([face.points for face in seen], (points, 2)),
        sigma=rows([face.sigma for face in seen], (points,)),
        identity=rows([face.prediction.identity[0] for face in seen], (identities,)),
        expression=rows([face.prediction.expression[0] for face in seen], (shapes,)),
        gaze=rows([face.prediction.gaze[0] for face in seen], (2, 2)),
        view_rotation=rows([view_rotation(face) for face in seen], (3, 3)),
        view_centre=rows([face.crop.centre for face in seen], (2,)),
    )


def view_rotation(face: Face) -> np.ndarray:
    """(3, 3) head to the view along the ray through the crop's centre, with the crop's roll."""
    roll = Rotation.from_rotvec([0.0, 0.0, face.crop.roll]).as_matrix()
    return roll @ face.prediction.rotation[0]
