# SPDX-License-Identifier: GPL-3.0-or-later
"""What a camera adds to a film frame by frame, and the film's file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from .motion import band_noise

SHAKE_BAND = (0.5, 8.0)
"""Hz: drifting of the arm up to the tremor of the hand."""
READ_NOISE, SHOT_NOISE = (0.4, 1.5), (0.5, 3.0)
"""Standard deviation, in 8-bit steps, of a sensor's noise in the dark and, on top of it, in white;
log-uniform: daylight to a room at night, after the camera's own denoising."""
STILL_READ_NOISE, STILL_SHOT_NOISE = 1.0, 2.0
"""The same for the still photograph: a phone in a lit room."""
QUALITY = 20
"""H.264's constant rate factor: what phones and video sites keep."""
GROUP = 30
"""Frames between pictures that are coded by themselves."""


def hand_shake(rng: np.random.Generator, count: int, frame_rate: float,
               strength: float) -> np.ndarray:
    """Displacements (T,2) px of a picture from a hand-held camera, root mean square `strength`."""
    time = np.arange(count) / frame_rate
    # Both axes together make up the strength.
    return band_noise(time, rng, SHAKE_BAND, strength / np.sqrt(2.0), 2)


def sample_noise(rng: np.random.Generator) -> tuple[float, float]:
    """Noise in the dark and what white has on top, in 8-bit steps."""
    read, shot = (np.exp(rng.uniform(*np.log(bounds))) for bounds in (READ_NOISE, SHOT_NOISE))
    return float(read), float(shot)


def shaken(image: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The picture (H,W,3) uint8 moved by shift (2,) px to the right and down."""
    if not shift.any():
        return image
    matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    return cv2.warpAffine(image, matrix, image.shape[1::-1], flags=cv2.INTER_CUBIC,
                          borderMode=cv2.BORDER_REPLICATE)


def with_sensor_noise(image: np.ndarray, noise: tuple[float, float],
                      rng: np.random.Generator) -> np.ndarray:
    """A copy of the picture (H,W,3) uint8 with noise (as `sample_noise`) that grows with the light.

    Shot noise goes with the root of the light; seen through the display's gamma it is nearly the
    same everywhere but in the dark, where the gamma is cut off: hence the root of the value.
    """
    read, shot = noise
    level = np.sqrt(np.arange(256, dtype=np.float32) / 255.0)
    deviation = np.hypot(read, shot * np.sqrt(level)).astype(np.float32)
    grain = rng.standard_normal(image.shape, dtype=np.float32) * deviation[image]
    return np.clip(np.rint(image + grain), 0, 255).astype(np.uint8)


def still_film(picture: np.ndarray, count: int, frame_rate: float, shake: float,
               rng: np.random.Generator) -> tuple[Iterator[np.ndarray], np.ndarray]:
    """A photograph (H,W,3) uint8 as if filmed from a hand: frames, and the shake (T,2) px."""
    shift = hand_shake(rng, count, frame_rate, shake)
    noise = STILL_READ_NOISE, STILL_SHOT_NOISE
    return (with_sensor_noise(shaken(picture, offset), noise, rng) for offset in shift), shift


def write_film(path: Path, frames: Iterable[np.ndarray], frame_rate: float) -> None:
    """Write frames (H,W,3) uint8 RGB, of even sides, as H.264; whole or not at all."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with av.open(str(beside), "w", format="mp4") as container:
            stream = None
            for image in frames:
                stream = stream or _stream(container, image.shape, frame_rate)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _stream(container, shape: tuple[int, ...], frame_rate: float) -> av.VideoStream:
    rate = Fraction(frame_rate).limit_denominator(1001)
    stream = container.add_stream("libx264", rate=rate)
    stream.height, stream.width = shape[:2]
    stream.pix_fmt = "yuv420p"
    # One thread, so that the file is the same each time (but for 3 times in 24 thousand, measured).
    stream.options = {"crf": str(QUALITY), "preset": "medium", "g": str(GROUP), "threads": "1"}
    return stream
