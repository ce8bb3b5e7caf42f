# SPDX-License-Identifier: GPL-3.0-or-later
"""Performances with known truth: what a face and a head do over time.

All movements are functions of time that are sampled at the end, so that the same random numbers
give the same performance at any frame rate. Steps follow the minimum-jerk profile of unhurried
human movement (Flash and Hogan 1985, "The coordination of arm movements").
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial.transform import Rotation

from models.head import SHAPE_NAMES, look_weights

from .people import BROW_ACTIONS, GAZE_LIMIT, act, add_shapes, possible, sample_activity, sides

KINDS = ("speech", "expressions", "still", "face", "head")
AHEAD = np.array([0.0, 0.0, 1.0])

BLINKS_PER_MINUTE = (15.0, 22.0)
"""People at rest blink 17 times a minute, in conversation rather more (Bentivoglio et al. 1997)."""
BLINK_CLOSING, BLINK_CLOSED, BLINK_OPENING = (0.08, 0.10), (0.0, 0.03), (0.15, 0.25)
"""Seconds. The lid comes down about twice as fast as it goes up (Evinger, Manning, Sibony 1991)."""
FIRST_BLINK = (0.1, 1.2)
DOUBLE_BLINK_PROBABILITY, DOUBLE_BLINK_GAP = 0.12, (0.05, 0.2)
PARTIAL_BLINK_PROBABILITY, PARTIAL_BLINK = 0.15, (0.5, 0.9)
REFRACTORY = 0.5
"""Least time (s) from the end of a blink to the next one that is not its double."""
OPENING_WARP = 0.75
"""A lid opens quickly first and settles slowly: its time runs with this power."""

SACCADE_BASE, SACCADE_PER_RADIAN = 0.021, 0.0022 * 180 / np.pi
"""Seconds a saccade lasts: 21 ms and 2.2 ms a degree (Carpenter 1988, "Movements of the eyes")."""
FIXATION = (0.3, 1.6)
"""Seconds between the saccades of somebody who talks with somebody."""
NEAR_GLANCE, FAR_GLANCE = np.deg2rad((2.0, 1.5)), np.deg2rad((14.0, 8.0))
"""Spread of glances about the other's face, and of looks away (yaw, pitch)."""
LOOK_AWAY_PROBABILITY = 0.3
HALF_EYE_DISTANCE = 0.0315
"""Metres, with the distance of what is looked at it gives the eyes' vergence."""
VIEWING_DISTANCE = (0.5, 3.0)

NECK_PIVOT = np.array([0.0, -0.09, -0.085])
"""About where the head turns (m, head space): between skull and shoulders."""
SWAY_BAND, SWAY_ANGLE, SWAY_PLACE = (0.1, 0.8), np.deg2rad(0.6), 0.0015
"""Nobody sits quite still: band (Hz) and root mean square (rad, m) of slow swaying."""
TALKING_BAND, TALKING_ANGLE = (0.5, 2.5), np.deg2rad(1.1)
"""Head movements that go with speech (Hadar et al. 1983: mostly below 3 Hz)."""
TURN_ANGLE = np.deg2rad(((6.0, 24.0), (2.0, 10.0), (0.0, 6.0)))
TURN_BASE, TURN_PER_RADIAN = 0.35, 1.2
"""Yaw, pitch and roll of a turn of the head, and the seconds it takes."""
NOD_ANGLE, NOD_RATE, NOD_CYCLES = np.deg2rad((2.0, 6.0)), (1.5, 3.0), (1, 3)
"""Nods: amplitude (rad), Hz."""
HEAD_PAUSE = (0.5, 2.0)
TURN_PROBABILITY = 0.55
SINUSOIDS = 8

SYLLABLE = (0.15, 0.27)
"""Seconds: 4 to 6 syllables a second; mouths open and close at 2 to 7 Hz (Chandrasekaran et al.
2009, "The natural statistics of audiovisual speech")."""
PHRASE, PAUSE = (1.0, 3.0), (0.25, 0.8)
CODA_PROBABILITY = 0.3
"""Of a syllable that ends with a consonant."""
ARTICULATION = (0.75, 1.3)
"""How large people speak."""
VOWEL_WIDTH, CONSONANT_WIDTH, CLOSURE_WIDTH = 0.055, 0.038, 0.025
"""Standard deviation (s) of a sound's pull on the mouth. In a plosive the lips are shut for some
60 to 100 ms (Byrd 1993 measured 64 to 69 ms in running American English)."""
STRONG, WEAK, CLOSING = 1.5, 0.2, 4.0
"""Pull of what a sound needs, of what it leaves to its neighbours, and of lips that must meet."""
REST_PULL = 0.02
CLOSURE_BEGINS, CLOSURE_FULL = 0.05, 0.7
"""Share of the closing pull at which lips begin to meet and at which they touch."""
CLOSURE_PRESS = 0.25
ACCENTS_PER_SECOND = 0.4
ACCENT_RISE, ACCENT_HOLD, ACCENT_FALL = (0.15, 0.35), (0.05, 0.5), (0.25, 0.6)
ACCENT_STRENGTH = (0.3, 1.0)
"""Brow movements that stress words."""
SMILE_PROBABILITY, SMILE_STRENGTH = 0.6, (0.2, 0.55)

ONSET, APEX, OFFSET = (0.25, 0.7), (0.4, 1.6), (0.4, 1.0)
"""Seconds of an expression; spontaneous smiles take half a second to come up and longer to go
(Schmidt, Cohn, Tian 2003)."""
STAGGER = 0.12
"""Seconds by which one region may follow another."""
TO_REST_PROBABILITY = 0.6
STILL_REST_PROBABILITY = 0.3

_INDEX = {name: position for position, name in enumerate(SHAPE_NAMES)}
_LOOKS = [i for name, i in _INDEX.items() if name.startswith("eyeLook")]
_BLINKS = [_INDEX["eyeBlinkLeft"], _INDEX["eyeBlinkRight"]]
_WIDES = [_INDEX["eyeWideLeft"], _INDEX["eyeWideRight"]]
_REGIONS = [
    [i for name, i in _INDEX.items() if name.startswith(starts)]
    for starts in (("eye",), ("brow",), ("jaw", "mouth", "tongue"), ("cheek", "nose"))
]


@dataclass(frozen=True)
class Performance:
    """What a head does in T frames.

    weights (T,52) 0…1; gaze (T,2,2) rad; rotation (T,3,3), translation (T,3) m: a vertex v of the
    head stands at rotation v + translation in the head space of its middle pose.
    """

    weights: np.ndarray
    gaze: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def __len__(self) -> int:
        return len(self.weights)


def perform(kind: str, count: int, frame_rate: float, rng: np.random.Generator,
            towards: np.ndarray = AHEAD) -> Performance:
    """A performance of `count` frames.

    kind: one of KINDS; "still" holds one face, of "face" nothing but that and the lids moves, of
    "head" nothing but the head. towards (3,): from the head to whom it talks with,
    as a rule the camera, in head space of the middle pose.
    """
    time = np.arange(count) / frame_rate
    duration = count / frame_rate
    if kind not in KINDS:
        raise ValueError(f"a performance is one of {', '.join(KINDS)}, not {kind}")
    if kind in ("still", "face", "head"):
        held = _held_still(count, rng, towards)
        if kind == "head":
            rotation, translation = head_motion(time, duration, rng, talking=True)
            return replace(held, rotation=rotation, translation=translation)
        if kind == "face":
            weights = expressions(time, duration, rng)
            return replace(held, weights=_with_lids(weights, blinks(time, duration, rng), held.gaze))
        return held
    weights = speech(time, duration, rng) if kind == "speech" else expressions(time, duration, rng)
    rotation, translation = head_motion(time, duration, rng, talking=kind == "speech")
    gaze = gaze_over_time(time, duration, rng, towards, rotation)
    return Performance(_with_lids(weights, blinks(time, duration, rng), gaze), gaze, rotation,
                       translation)


def ease(time: np.ndarray, start: float, duration: float) -> np.ndarray:
    """Minimum-jerk step (T,) from 0 to 1 that begins at `start`."""
    u = np.clip((time - start) / duration, 0.0, 1.0)
    return u ** 3 * (10 - 15 * u + 6 * u * u)


def pulse(time: np.ndarray, start: float, rise: float, hold: float, fall: float) -> np.ndarray:
    """Up, held, and down again (T,)."""
    return ease(time, start, rise) - ease(time, start + rise + hold, fall)


def blinks(time: np.ndarray, duration: float, rng: np.random.Generator) -> np.ndarray:
    """How far the lids are closed (T,) by blinks, 1 where they touch."""
    closed = np.zeros_like(time)
    interval = 60.0 / rng.uniform(*BLINKS_PER_MINUTE)
    start = rng.uniform(*FIRST_BLINK)
    while start < duration:
        closing, hold = rng.uniform(*BLINK_CLOSING), rng.uniform(*BLINK_CLOSED)
        opening = rng.uniform(*BLINK_OPENING)
        partial = rng.random() < PARTIAL_BLINK_PROBABILITY
        depth = rng.uniform(*PARTIAL_BLINK) if partial else 1.0
        end = start + closing + hold + opening
        u = np.clip((time - start - closing - hold) / opening, 0.0, 1.0)
        lid = ease(time, start, closing) - ease(u ** OPENING_WARP, 0.0, 1.0)
        closed = np.maximum(closed, depth * lid)
        if rng.random() < DOUBLE_BLINK_PROBABILITY:
            start = end + rng.uniform(*DOUBLE_BLINK_GAP)
        else:
            start = end + REFRACTORY + rng.gamma(2.0, 0.5) * max(interval - REFRACTORY, 0.0)
    return closed


def _with_lids(weights: np.ndarray, blink: np.ndarray, gaze: np.ndarray) -> np.ndarray:
    """Weights (T,52) with blinks (T,) laid over them and lids that follow the gaze (T,2,2)."""
    weights = np.clip(weights, 0.0, 1.0)
    weights[:, _BLINKS] += (1.0 - weights[:, _BLINKS]) * blink[:, None]
    weights[:, _WIDES] *= 1.0 - weights[:, _BLINKS]
    weights[:, _LOOKS] = look_weights(gaze)[:, _LOOKS]
    return weights.astype(np.float32)


def band_noise(time: np.ndarray, rng: np.random.Generator, band: tuple[float, float],
               strength: float, channels: int = 1) -> np.ndarray:
    """Noise (T,channels) within a band (Hz) of this root mean square, weaker towards its top."""
    frequency = np.exp(rng.uniform(*np.log(band), (SINUSOIDS, channels)))
    phase = rng.uniform(0, 2 * np.pi, (SINUSOIDS, channels))
    amplitude = 1.0 / frequency
    amplitude *= strength * np.sqrt(2.0 / (amplitude ** 2).sum(axis=0))
    waves = np.sin(2 * np.pi * frequency * time[:, None, None] + phase)
    return (amplitude * waves).sum(axis=1)


def head_motion(time: np.ndarray, duration: float, rng: np.random.Generator,
                talking: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rotations (T,3,3) and translations (T,3) m of swaying, turns and nods about the neck."""
    angles = band_noise(time, rng, SWAY_BAND, SWAY_ANGLE, 3)
    if talking:
        angles += band_noise(time, rng, TALKING_BAND, TALKING_ANGLE, 3) * (0.6, 1.0, 0.5)
    start = rng.uniform(*HEAD_PAUSE)
    while start < duration:
        if rng.random() < TURN_PROBABILITY:
            goal = rng.uniform(*TURN_ANGLE.T) * rng.choice((-1.0, 1.0), 3)
            there = TURN_BASE + TURN_PER_RADIAN * np.abs(goal).max()
            hold, back = rng.uniform(*HEAD_PAUSE), there * rng.uniform(1.0, 1.4)
            angles += pulse(time, start, there, hold, back)[:, None] * goal
            start += there + hold + back
        else:
            rate = rng.uniform(*NOD_RATE)
            length = rng.integers(NOD_CYCLES[0], NOD_CYCLES[1] + 1) / rate
            window = pulse(time, start, length / 2, 0.0, length / 2)
            swing = np.sin(2 * np.pi * rate * (time - start)) * window
            angles[:, 1] += rng.uniform(*NOD_ANGLE) * swing
            start += length
        start += rng.uniform(*HEAD_PAUSE)
    # Positive yaw turns to the character's left, positive pitch down, as rotations about +y, +x.
    rotation = Rotation.from_euler("ZYX", angles[:, [2, 0, 1]]).as_matrix()
    translation = NECK_PIVOT - rotation @ NECK_PIVOT
    return rotation, translation + band_noise(time, rng, SWAY_BAND, SWAY_PLACE, 3)


def gaze_over_time(time: np.ndarray, duration: float, rng: np.random.Generator,
                   towards: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Gaze (T,2,2) rad of both eyes: fixations in space, held while the head (T,3,3) turns, and
    saccades between them. towards (3,): where the other's face is, head space of the middle pose.
    """
    x, y, z = towards / np.linalg.norm(towards)
    home = np.array([np.arctan2(x, z), np.arcsin(y)])
    aim = home + rng.normal(0, 1, 2) * NEAR_GLANCE
    path = np.tile(aim, (len(time), 1))
    start = rng.uniform(*FIXATION)
    while start < duration:
        away = rng.random() < LOOK_AWAY_PROBABILITY
        goal = home + rng.normal(0, 1, 2) * (FAR_GLANCE if away else NEAR_GLANCE)
        length = SACCADE_BASE + SACCADE_PER_RADIAN * np.linalg.norm(goal - aim)
        path += ease(time, start, length)[:, None] * (goal - aim)
        aim = goal
        start += length + rng.uniform(*FIXATION)
    yaw, pitch = path.T
    line = np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], 1)
    return _eyes(np.einsum("tji,tj->ti", rotation, line), rng)


def _eyes(line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaze (T,2,2) of two eyes that look along lines (T,3) in head space."""
    aim = np.stack([np.arctan2(line[:, 0], line[:, 2]), np.arcsin(np.clip(line[:, 1], -1, 1))], 1)
    aim = np.clip(aim, -np.array(GAZE_LIMIT), GAZE_LIMIT)
    distance = np.exp(rng.uniform(*np.log(VIEWING_DISTANCE)))
    # The left eye (+x) turns to the right, that is to negative yaw.
    vergence = np.array([[-1.0, 0.0], [1.0, 0.0]]) * np.arctan(HALF_EYE_DISTANCE / distance)
    return (aim[:, None] + vergence).astype(np.float32)


@dataclass(frozen=True)
class Sound:
    """One sound's wishes: how open the jaw and which shapes of the lips at full articulation; None
    or {} where it leaves them to its neighbours. width (s): of its pull. closed: the lips must
    meet."""

    jaw: float | None
    lips: dict[str, float]
    width: float = CONSONANT_WIDTH
    closed: bool = False


# A name without a side stands for both sides. Frequencies are roughly those of English.
VOWELS: tuple[tuple[float, Sound], ...] = (
    (0.20, Sound(0.42, {"mouthLowerDown": 0.20, "mouthUpperUp": 0.08}, VOWEL_WIDTH)),
    (0.20, Sound(0.26, {"mouthStretch": 0.12, "mouthLowerDown": 0.2, "mouthSmile": 0.1},
                 VOWEL_WIDTH)),
    (0.22, Sound(0.13, {"mouthStretch": 0.22, "mouthSmile": 0.15, "mouthLowerDown": 0.25,
                        "mouthUpperUp": 0.12}, VOWEL_WIDTH)),
    (0.12, Sound(0.30, {"mouthFunnel": 0.45, "mouthPucker": 0.2}, VOWEL_WIDTH)),
    (0.08, Sound(0.13, {"mouthPucker": 0.6, "mouthFunnel": 0.25}, VOWEL_WIDTH)),
    (0.18, Sound(0.18, {"mouthLowerDown": 0.1}, VOWEL_WIDTH)),
)
CONSONANTS: tuple[tuple[float, Sound], ...] = (
    (0.22, Sound(0.07, {}, closed=True)),
    (0.08, Sound(0.10, {"mouthRollLower": 0.4, "mouthUpperUp": 0.2})),
    (0.42, Sound(0.10, {})),
    (0.08, Sound(0.10, {"mouthFunnel": 0.5, "mouthLowerDown": 0.2, "mouthUpperUp": 0.15})),
    (0.11, Sound(None, {})),
    (0.09, Sound(0.10, {"mouthPucker": 0.55})),
)


def speech(time: np.ndarray, duration: float, rng: np.random.Generator) -> np.ndarray:
    """Weights (T,52) of talking: the mouth, brows that stress words, smiles."""
    weights = articulation(time, _utterance(duration, rng)) * _sided(rng)
    scale = rng.uniform(*ARTICULATION)
    closed = weights[:, _INDEX["mouthClose"]].copy()  # a share of jawOpen until here
    weights *= scale
    weights[:, _INDEX["mouthClose"]] = closed * weights[:, _INDEX["jawOpen"]]
    for _ in range(rng.poisson(ACCENTS_PER_SECOND * duration)):
        target = np.zeros(len(SHAPE_NAMES))
        act(target, BROW_ACTIONS, rng)
        shape = pulse(time, rng.uniform(0, duration), *(
            rng.uniform(*length) for length in (ACCENT_RISE, ACCENT_HOLD, ACCENT_FALL)))
        accent = np.clip(target, 0, 1) * rng.uniform(*ACCENT_STRENGTH)
        weights = np.maximum(weights, shape[:, None] * accent)
    if rng.random() < SMILE_PROBABILITY:
        smile = np.zeros(len(SHAPE_NAMES))
        add_shapes(smile, {"mouthSmile": 1.0, "cheekSquint": 0.5, "eyeSquint": 0.2}, *sides(rng))
        shape = rng.uniform(*SMILE_STRENGTH) * pulse(time, rng.uniform(0, duration), *(
            rng.uniform(*length) for length in (ONSET, APEX, OFFSET)))
        rounding = weights[:, _INDEX["mouthPucker"]] + weights[:, _INDEX["mouthFunnel"]]
        shape *= np.clip(1.0 - rounding, 0.0, 1.0)
        weights += (1.0 - np.clip(weights, 0, 1)) * shape[:, None] * np.clip(smile, 0, 1)
    return weights


def _sided(rng: np.random.Generator) -> np.ndarray:
    """Factors (52,) of a mouth that is a little stronger on one side."""
    left, right = sides(rng)
    factor = np.ones(len(SHAPE_NAMES))
    for name, index in _INDEX.items():
        if name.startswith("mouth") and name.endswith(("Left", "Right")) and len(name) > 10:
            factor[index] = np.clip(left if name.endswith("Left") else right, 0.6, 1.4)
    return factor


def _utterance(duration: float, rng: np.random.Generator) -> list[tuple[float, Sound]]:
    """Sounds and the times (s) at which the mouth comes nearest to them."""
    sounds, now = [], rng.uniform(-0.3, 0.3)
    while now < duration + 0.3:
        end = now + rng.uniform(*PHRASE)
        while now < end:
            length = rng.uniform(*SYLLABLE)
            sounds.append((now, _draw(CONSONANTS, rng)))
            sounds.append((now + 0.5 * length, _draw(VOWELS, rng)))
            if rng.random() < CODA_PROBABILITY:
                now += 0.35 * length
                sounds.append((now + 0.55 * length, _draw(CONSONANTS, rng)))
            now += length
        now += rng.uniform(*PAUSE)
    return sounds


def _draw(table: tuple[tuple[float, Sound], ...], rng: np.random.Generator) -> Sound:
    frequency = np.array([row[0] for row in table])
    return table[rng.choice(len(table), p=frequency / frequency.sum())][1]


def articulation(time: np.ndarray, sounds: list[tuple[float, Sound]]) -> np.ndarray:
    """Weights (T,52) of a mouth that speaks sounds at their times (s).

    Each sound pulls the mouth towards its targets, most at its own time, and the mouth stands at
    the mean by pull: the dominance functions of Cohen and Massaro 1993 ("Modeling coarticulation in
    synthetic visual speech"), here with smooth, bell-shaped pulls. The column of mouthClose holds
    the share (0…1) of the open jaw over which the lips are closed.
    """
    jaw, closure = _Blend(time, 1), _Blend(time, 1)
    lips = _Blend(time, len(SHAPE_NAMES))
    for moment, sound in sounds:
        strength = WEAK if sound.jaw is None else STRONG
        jaw.pull(moment, sound.width, strength, np.array([sound.jaw or 0.0]))
        target = np.zeros(len(SHAPE_NAMES))
        add_shapes(target, sound.lips)
        lips.pull(moment, sound.width, STRONG if sound.lips else WEAK, target)
        if sound.closed:
            closure.pull(moment, CLOSURE_WIDTH, CLOSING, np.ones(1))
        else:
            closure.pull(moment, sound.width, 1.0, np.zeros(1))
    share = (closure.mean()[:, 0] - CLOSURE_BEGINS) / (CLOSURE_FULL - CLOSURE_BEGINS)
    closed = ease(share, 0.0, 1.0)
    weights = lips.mean() * (1.0 - closed[:, None])
    weights[:, _INDEX["jawOpen"]] = jaw.mean()[:, 0]
    for side in ("Left", "Right"):
        weights[:, _INDEX["mouthPress" + side]] = CLOSURE_PRESS * closed
    weights[:, _INDEX["mouthClose"]] = closed
    return weights


class _Blend:
    """A mean (T,C) of targets, weighted by bell-shaped pulls; far from all of them rest, which is
    zero, has its way."""

    def __init__(self, time: np.ndarray, channels: int):
        self._time = time
        self._total = np.full(len(time), REST_PULL)
        self._sum = np.zeros((len(time), channels))

    def pull(self, moment: float, width: float, strength: float, target: np.ndarray) -> None:
        """Add one target (C,)."""
        share = strength * np.exp(-0.5 * ((self._time - moment) / width) ** 2)
        self._total += share
        self._sum += share[:, None] * target

    def mean(self) -> np.ndarray:
        """(T,C)."""
        return self._sum / self._total[:, None]


def expressions(time: np.ndarray, duration: float, rng: np.random.Generator) -> np.ndarray:
    """Weights (T,52) of expressions that come, stay and go, region by region."""
    face = np.zeros(len(SHAPE_NAMES))
    weights = np.tile(face, (len(time), 1))

    def go(target: np.ndarray, start: float, length: float) -> None:
        for region in _REGIONS:
            step = ease(time, start + rng.uniform(0, STAGGER), length * rng.uniform(0.85, 1.15))
            weights[:, region] += step[:, None] * (target - face)[region]

    start = rng.uniform(0.0, 0.5)
    while start < duration:
        target, onset = sample_held_face(rng), rng.uniform(*ONSET)
        go(target, start, onset)
        face = target
        start += onset + STAGGER + rng.uniform(*APEX)
        if rng.random() < TO_REST_PROBABILITY:
            offset = rng.uniform(*OFFSET)
            go(np.zeros_like(face), start, offset)
            face = np.zeros_like(face)
            start += offset + STAGGER + rng.uniform(*APEX)
    return weights


def sample_held_face(rng: np.random.Generator) -> np.ndarray:
    """Weights (52,) of a face somebody makes, the eyes looking ahead."""
    weights = sample_activity(rng)
    weights[_LOOKS] = 0.0
    return possible(np.clip(weights, 0.0, 1.0))


def _held_still(count: int, rng: np.random.Generator, towards: np.ndarray) -> Performance:
    """One face, held."""
    rest = rng.random() < STILL_REST_PROBABILITY
    weights = np.zeros(len(SHAPE_NAMES)) if rest else sample_held_face(rng)
    gaze = gaze_over_time(np.zeros(1), 0.0, rng, towards, np.eye(3)[None])
    weights = _with_lids(weights[None], np.zeros(1), gaze)
    return Performance(np.repeat(weights, count, axis=0), np.repeat(gaze, count, axis=0),
                       np.tile(np.eye(3), (count, 1, 1)), np.zeros((count, 3)))
