# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows one face through the frames of a clip: one pass of the network a frame while it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from scipy.spatial.transform import Rotation

from inference.crop import Crop
from inference.cuts import CutDetector
from inference.detect import (
    examine,
    find_faces,
    find_faces_at,
    find_faces_quickly,
    is_plausible,
)
from inference.face import Face, look
from inference.footage import Footage, Frame, prefetch
from inference.mirror import is_confirmed
from inference.network import Network
from inference.observations import Observations
from inference.person import Person

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
THOROUGH_AFTER_CUTS = 10
"""While no face is in sight, every so many frames are searched thoroughly, the others quickly;
sooner where there has been a cut since, but not at every one of a picture that flickers."""

FORGET_AFTER = 1.0
"""Seconds after which a lost face may come back anywhere, not only near where it was."""

RETURN_REACH = 2.0
"""How many face sizes from where it was lost a face may come back before it is forgotten."""

WIDER = 1.5
"""How much larger than the lost face's crop the one is in which it is looked for as well."""

REACH = 0.5
SPEED = 15.0
"""How far a face can be from where it was last seen, in face sizes: so much, and so much more a
second. At 30 frames a second that is a whole face from one frame to the next, three times what a
walk with the camera in the hand has."""

GROWTH = np.log(1.3)
GROWTH_RATE = np.log(3.0)
"""How much larger or smaller a face can have become (logarithms): so much, and so much more a
second. Real ones change by a twentieth from one frame to the next, and a mouth that opens wide adds
a tenth; a head that nears the lens by half its distance takes half a second."""

ANOTHER = 3.0
"""Distance from a known identity, in its usual scatter, from which on a face is another's. Of the
same person's frames two in a hundred are further, of other people's faces six in seven."""

TELLING = 1.0
"""Difference of two faces' distances from a known identity, in its scatter, that tells them
apart: in four of five choices between a person and a stranger, with two in a hundred wrong."""

LATELY = 15
"""Frames over which a face is remembered as it looks now: what the network says of an identity
depends on the pose, which hardly changes in half a second."""

SCATTER_LATELY = 0.5
SCATTER_OVERALL = 1.0
"""Usual distance of a frame's identity from the mean of the last frames, and of all frames."""


class Tracker:
    """Follows one face.

    Args:
        network: the network.
        place: (2,) frame pixels, where the wanted face is in the first frame; None takes the
            largest and most central one.

    Attributes:
        shot: number of the shot that the last frame belongs to, the first being 0.
    """

    def __init__(self, network: Network, place: np.ndarray | None = None) -> None:
        self.shot = 0
        self._network = network
        self._place = place
        self._is_cut = CutDetector()
        self._recent: list[Face] = []  # up to two views in successive frames, the last one last
        self._seen_at = 0.0
        self._lost: Face | None = None
        self._since_thorough = THOROUGH_EVERY  # frames since a thorough search found nothing
        self._cut_since = False
        self._person = Person(SCATTER_OVERALL)
        self._lately = Person(SCATTER_LATELY, LATELY)

    def follow(self, frame: Frame) -> Face | None:
        """The face in the next frame, None where it cannot be seen."""
        if self._is_cut(frame.image):
            self.shot += 1
            self._recent, self._lost = [], None
            self._cut_since = True
        face = self._continue(frame)
        if face is None:
            if self._recent:
                self._lost, self._recent = self._recent[-1], []
            face = self._find(frame)
        self._since_thorough += 1
        if face is None:
            return None
        self._recent = [*self._recent[-1:], face]
        self._seen_at, self._lost, self._since_thorough = frame.time, None, THOROUGH_EVERY
        self._person.learn(face)
        self._lately.learn(face)
        return face

    def _continue(self, frame: Frame) -> Face | None:
        """Look where the face must be now."""
        if not self._recent:
            return None
        face = self._look(frame.image, expected_crop(self._recent))
        if face is None or not is_off(face):
            return face
        face = self._look(frame.image, face.next_crop) or face
        return face if self._may_be(face, self._recent[-1], frame.time) else None

    def _look(self, image: np.ndarray, crop: Crop) -> Face | None:
        (face,) = look(self._network, image, [crop])
        return face if face.quality >= KEEP and is_plausible(face) else None

    def _may_be(self, face: Face, last: Face, time: float) -> bool:
        """Whether ``face``, seen at ``time`` where it was not expected, is the one last seen.

        Place, size and identity are weighed together: another person's face is seldom impossible
        by one of them alone.
        """
        elapsed = time - self._seen_at
        reach = min(REACH + SPEED * elapsed, RETURN_REACH) * last.size
        moved = distance(face, last.centre) / reach
        grown = np.log(face.size / last.size) / (GROWTH + GROWTH_RATE * elapsed)
        unlike = self._lately.distance(face) / ANOTHER
        return bool(moved**2 + grown**2 + unlike**2 < 1.0)

    def _find(self, frame: Frame) -> Face | None:
        """Look for a face to follow, or for the one that was lost a moment ago."""
        if self._lost is not None and frame.time - self._seen_at < FORGET_AFTER:
            return self._returning(frame)
        face = self._choose(frame.image)
        if face is not None:
            self._lately = Person(SCATTER_LATELY, LATELY)  # in another pose, perhaps
        return face

    def _choose(self, image: np.ndarray) -> Face | None:
        """The face at the place that was given, or the most prominent of those most alike."""
        pointed = self._place is not None and self.shot == 0 and not self._person.is_known
        faces = find_faces_at(self._network, image, self._place) if pointed else []
        faces = self._acceptable(faces, image) or self._search(image)
        if pointed:
            return min(faces, key=lambda face: distance(face, self._place), default=None)
        unlike = np.array([self._person.distance(face) for face in faces])
        alike = [faces[i] for i in np.flatnonzero(unlike < unlike.min(initial=np.inf) + TELLING)]
        return max(alike, key=lambda face: prominence(face, image.shape), default=None)

    def _returning(self, frame: Frame) -> Face | None:
        """The lost face, where it was or not far from there."""
        crop = self._lost.next_crop
        wider = Crop(crop.centre, WIDER * crop.side, crop.roll)
        there = examine(self._network, frame.image, [crop, wider])
        there = self._acceptable(there, frame.image)
        return self._nearest(there, frame) or self._nearest(self._search(frame.image), frame)

    def _nearest(self, faces: list[Face], frame: Frame) -> Face | None:
        """Of the faces that may be the lost one, the one nearest to where that was."""
        back = [face for face in faces if self._may_be(face, self._lost, frame.time)]
        return min(back, key=lambda face: distance(face, self._lost.centre), default=None)

    def _search(self, image: np.ndarray) -> list[Face]:
        """Faces anywhere in the frame."""
        wait = THOROUGH_AFTER_CUTS if self._cut_since else THOROUGH_EVERY
        if self._since_thorough < wait:
            return self._acceptable(find_faces_quickly(self._network, image), image)
        self._since_thorough, self._cut_since = 0, False
        return self._acceptable(find_faces(self._network, image), image)

    def _acceptable(self, faces: list[Face], image: np.ndarray) -> list[Face]:
        return acceptable(self._network, image, faces)


def acceptable(network: Network, image: np.ndarray, faces: list[Face]) -> list[Face]:
    """Those of the faces in ``image`` (H, W, 3) uint8 RGB that a clip may take up."""
    return [
        face for face in faces if face.quality >= ACQUIRE and is_confirmed(network, image, face)
    ]


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
    shots: list[int] = []
    for frame in prefetch(footage):
        faces.append(tracker.follow(frame))
        shots.append(tracker.shot)
        frames.append((frame.index, frame.time))
        progress(len(frames), footage.frame_count)
    return collect(footage.width, footage.height, frames, faces, shots)


def collect(
    width: int,
    height: int,
    frames: Iterable[tuple[int, float]],
    faces: list[Face | None],
    shots: list[int],
) -> Observations:
    """Observations from (index, time), the face, and the shot's number of every frame."""
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
        shot=np.array(shots, np.int32),
    )


def view_rotation(face: Face) -> np.ndarray:
    """(3, 3) head to the view along the ray through the crop's centre, with the crop's roll."""
    roll = Rotation.from_rotvec([0.0, 0.0, face.crop.roll]).as_matrix()
    return roll @ face.prediction.rotation[0]
