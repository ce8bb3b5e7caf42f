# SPDX-License-Identifier: GPL-3.0-or-later
"""Short films of procedural people with the truth of every frame.

Who it is, what is worn, the light and what is behind stay the same from frame to frame; the face
and the head perform, and the skin creases with the expression. One camera on a stand or in a hand
looks on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from .accessories import Mesh, clothes
from .actor import Actor
from .light import Light, sample_light
from .motion import KINDS, Performance, perform
from .people import Person
from .renderer import EXPOSURE_RANGE, SUPERSAMPLING, PeopleRenderer, Scene
from .sequence_camera import hand_shake, sample_noise, shaken, with_sensor_noise, write_film
from .shading import develop
from .view import FACING, View, frame_face

FRAME_RATE = 30
SIDE = 256
"""Of a frame, px: the face is then some 130 px high."""
MIDDLE_YAW, MIDDLE_PITCH, MIDDLE_ROLL = 12.0, 6.0, 3.0
"""Standard deviations (degrees) of the pose around which the head moves; none exceeds twice its
own, so that a turn on top leaves both eyes in sight."""
HAND_HELD_PROBABILITY = 0.5
SHAKE = 1.0
"""Root mean square (px) of the shake of a camera in a hand, after its stabiliser."""


@dataclass(frozen=True)
class Truth:
    """What is known of a film of T frames.

    kind: of its performance. frame_rate. identity (60,). weights (T,52), gaze (T,2,2) rad: as the
    head model takes them. rotation (T,3,3), translation (T,3) m: head to camera. intrinsics (3,3)
    px. points (T,P,2) px: the tracked points where the frames show them, the shake included. shift
    (T,2) px: the shake alone, x right and y down.
    """

    kind: str
    frame_rate: float
    identity: np.ndarray
    weights: np.ndarray
    gaze: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray
    points: np.ndarray
    shift: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)

    def save(self, path: Path) -> None:
        """Write an .npz file, whole or not at all."""
        beside = path.with_name(f".{path.name}.{os.getpid()}.npz")
        try:
            np.savez(beside, **{field.name: getattr(self, field.name) for field in fields(self)})
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @staticmethod
    def load(path: Path) -> Truth:
        """Read what `save` has written; ValueError where that is something else."""
        with np.load(path, allow_pickle=False) as file:
            names = [field.name for field in fields(Truth)]
            missing = sorted(set(names) - set(file.files))
            if missing:
                raise ValueError(f"{path} is not the truth of a sequence: it lacks {missing[0]}")
            arrays = {name: file[name] for name in names}
        return Truth(**arrays | {"kind": str(arrays["kind"]),
                                 "frame_rate": float(arrays["frame_rate"])})


@dataclass(frozen=True)
class Film:
    """frames: an iterator of pictures (side,side,3) uint8 RGB, and the truth about them."""

    frames: Iterator[np.ndarray]
    truth: Truth


class SequenceRenderer:
    """Renders films of side x side pixels; side is divisible by four.

    photos: as of PeopleRenderer.
    """

    def __init__(self, photos: str | Path | None = None, side: int = SIDE):
        if side % 4 or side < 64:
            raise ValueError(f"frames have a side of 64 px or more, divisible by 4, not {side}")
        self.people = PeopleRenderer(photos)
        self.side = side

    def film(self, rng: np.random.Generator, kind: str, count: int,
             frame_rate: float = FRAME_RATE) -> Film:
        """A film of `count` frames; the same state of rng gives the same film."""
        look, motion, camera = rng.spawn(3)
        cast = self._cast(look)
        towards = -cast.middle.rotation[2]
        performance = perform(kind, count, frame_rate, motion, towards)
        shift = np.zeros((count, 2))
        if camera.random() < HAND_HELD_PROBABILITY:
            shift = hand_shake(camera, count, frame_rate, SHAKE)
        noise = sample_noise(camera)
        truth = self._truth(kind, frame_rate, cast, performance, shift)
        drawn = self._drawn(kind, cast, performance)
        frames = (with_sensor_noise(shaken(image, offset), noise, camera)
                  for image, offset in zip(drawn, shift, strict=True))
        return Film(frames, truth)

    def _cast(self, rng: np.random.Generator) -> Cast:
        """Draw who plays, where and in what light."""
        actor = self.people.actors.make(rng)
        rotation = _middle_rotation(rng)
        view = frame_face(self.people.head, actor.model.neutral, rotation, self.side, rng)
        clothing = clothes(rng, self.people.head, actor.model.neutral, view.rotation)
        return Cast(self.people, actor, view, clothing, sample_light(rng),
                    np.exp(rng.uniform(*np.log(EXPOSURE_RANGE))),
                    self.people.backdrops.sample(rng, self.side))

    def _truth(self, kind: str, frame_rate: float, cast: Cast, performance: Performance,
               shift: np.ndarray) -> Truth:
        views = [cast.view(performance, index) for index in range(len(performance))]
        points = [self.people.points(cast.face(performance, index), view)
                  for index, view in enumerate(views)]
        return Truth(
            kind, frame_rate, cast.actor.identity, performance.weights, performance.gaze,
            np.stack([view.rotation for view in views]),
            np.stack([view.translation for view in views]), cast.middle.intrinsics,
            np.stack(points) + shift[:, None], shift)

    def _drawn(self, kind: str, cast: Cast, performance: Performance) -> Iterator[np.ndarray]:
        """Clean frames; the exposure is the first one's. Of a held pose one picture serves all."""
        received, image = None, None
        for index in range(len(performance)):
            if image is None or kind != "still":
                scene = cast.at(performance, index)
                drawing = self.people.draw(scene, cast.backdrop, cast.white, received)
                received = drawing.received
                image = develop(drawing.linear, SUPERSAMPLING)
            yield image


@dataclass(frozen=True)
class Cast:
    """All that stays the same in a film. middle: the view of the pose around which the head moves;
    clothing: as it lies round the head in that pose; white: as PeopleRenderer.draw takes it;
    backdrop (side,side,3) uint8."""

    people: PeopleRenderer
    actor: Actor
    middle: View
    clothing: Mesh
    light: Light
    white: float
    backdrop: np.ndarray

    def face(self, performance: Performance, index: int) -> np.ndarray:
        """The head (V,3) of one frame in its own space, m."""
        return self.actor.face(performance.weights[index], performance.gaze[index])

    def view(self, performance: Performance, index: int) -> View:
        """Where the camera sees the head in one frame."""
        turn, step = performance.rotation[index], performance.translation[index]
        return replace(self.middle, rotation=self.middle.rotation @ turn,
                       translation=self.middle.rotation @ step + self.middle.translation)

    def at(self, performance: Performance, index: int) -> Scene:
        """The scene of one frame."""
        turn, step = performance.rotation[index], performance.translation[index]
        # Clothes stay where they are, so they move in head space; all else is worn on the head.
        clothing = replace(self.clothing, rest=self.clothing.vertices,
                           vertices=((self.clothing.vertices - step) @ turn).astype(np.float32))
        person = Person(self.actor.identity, performance.weights[index], performance.gaze[index])
        return self.people.scene(self.actor, person, self.face(performance, index),
                                 self.view(performance, index), [clothing], self.light)


def _middle_rotation(rng: np.random.Generator) -> np.ndarray:
    """A pose (3,3) near the camera's direction, as in `view.sample_rotation`."""
    angles = np.clip(rng.standard_normal(3), -2, 2) * (MIDDLE_ROLL, MIDDLE_YAW, MIDDLE_PITCH)
    return FACING @ Rotation.from_euler("ZYX", angles, degrees=True).as_matrix()


def film_paths(folder: Path, index: int) -> tuple[Path, Path]:
    """Where the film of this number and its truth lie; with the truth it is complete."""
    if not 0 <= index < 100_000:
        raise ValueError(f"the numbers of films have five digits, not {index}")
    return folder / f"{index:05d}.mp4", folder / f"{index:05d}.npz"


def save_film(film: Film, video: Path, truth: Path) -> None:
    """Render a film into its two files."""
    write_film(video, film.frames, film.truth.frame_rate)
    film.truth.save(truth)


def films_in(folder: Path) -> list[tuple[Path, Path]]:
    """Video and truth of the finished films of a folder, in order; ValueError without any."""
    truths = sorted(folder.glob("[0-9]" * 5 + ".npz"))
    if not truths:
        raise ValueError(f"there is no rendered sequence in {folder}")
    return [(truth.with_suffix(".mp4"), truth) for truth in truths]


def kind_of(index: int) -> str:
    """The kind of a folder's film of this number: all kinds take turns."""
    return KINDS[index % len(KINDS)]
