# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures with their times, from a video, a picture, or a folder of numbered pictures."""

from __future__ import annotations

import os
import queue
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from inference.errors import FootageError
from inference.rotation import QUARTER_TURNS, turned
from inference.video import DEFAULT_FRAME_RATE, decode, look_at

OPENCV_SUFFIXES = {".avif", ".bmp", ".exr", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
FFMPEG_SUFFIXES = {".tga"}
PICTURE_SUFFIXES = frozenset(OPENCV_SUFFIXES | FFMPEG_SUFFIXES)

TILED_SUFFIXES = frozenset({".heic", ".heif"})
"""Phones' photos, of which neither library reads more than one tile."""

os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # asked for when the first EXR is read
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # what it warns of, we say

SINGLE_PICTURE_RATE = Fraction(1)
"""Of a single picture, which has none: takes carry this."""

PREFETCH_BYTES = 64 << 20
PREFETCH_FRAMES = 8
"""Decoded frames held ready at most, to ride over a slow one; of large pictures, as many as these
bytes hold, but one at least."""

QUEUE_POLL = 0.1
"""Seconds between two looks at whether the other side is still there."""


@dataclass(frozen=True)
class Frame:
    """One picture of the footage.

    Attributes:
        index: number in the footage, the first being 0.
        time: seconds since the footage's first picture.
        image: (H, W, 3) uint8 RGB, turned as the footage says and as was asked for.
    """

    index: int
    time: float
    image: np.ndarray


@dataclass(frozen=True)
class FrameRange:
    """Frames ``first`` up to, but not including, ``stop`` (None: to the end)."""

    first: int = 0
    stop: int | None = None

    @classmethod
    def parse(cls, text: str) -> FrameRange:
        """Read ``A:B``, ``A:``, ``:B``. Raises ValueError on anything else or an empty range."""
        match = re.fullmatch(r"(\d*):(\d*)", text)
        if match is None:
            raise ValueError(f"a frame range is written A:B, not {text!r}")
        first = int(match[1] or 0)
        stop = int(match[2]) if match[2] else None
        if stop is not None and stop <= first:
            raise ValueError(f"the frame range {text} is empty")
        return cls(first, stop)

    def length_of(self, frame_count: int | None) -> int | None:
        """How many frames of ``frame_count`` the range holds; None where that is not known."""
        if frame_count is None:
            return None if self.stop is None else self.stop - self.first
        return max(0, min(frame_count, self.stop or frame_count) - self.first)


@dataclass(frozen=True)
class Footage:
    """An opened piece of footage; iterating decodes its frames in order.

    Attributes:
        path: the file or folder; None of a take that no footage was captured for.
        width, height: of the turned picture, in pixels.
        frame_rate: nominal, frames a second.
        frame_count: frames in the range, None where the container does not say.
        range: the part that is read.
        pictures: the files of a picture or a folder of pictures; empty for a video.
        rotation: degrees clockwise by which pictures are turned because somebody asked for it.
        container_rotation: the same because the file says so; comes before the other.
    """

    path: Path | None
    width: int
    height: int
    frame_rate: Fraction
    frame_count: int | None
    range: FrameRange
    pictures: tuple[Path, ...] = ()
    rotation: int = 0
    container_rotation: int = 0

    def __iter__(self) -> Iterator[Frame]:
        """Decode. Raises FootageError where the footage is damaged or ends before the range."""
        if self.pictures:
            frames = self._pictures()
        else:
            frames = (Frame(*frame) for frame in decode(self.path, self.range.first))
        empty = True
        for frame in frames:
            if self.range.stop is not None and frame.index >= self.range.stop:
                break
            if frame.index >= self.range.first:
                empty = False
                yield replace(frame, image=turned(frame.image, self.rotation))
        if empty:
            raise FootageError(f"{self.path} ends before frame {self.range.first}.")

    def _pictures(self) -> Iterator[Frame]:
        for index, path in enumerate(self.pictures):
            if index < self.range.first:
                continue
            if self.range.stop is not None and index >= self.range.stop:
                return
            image = read_picture(path)
            size = _size(*image.shape[1::-1], self.rotation)
            if size != (self.width, self.height):
                raise FootageError(
                    f"{path} is {size[0]}x{size[1]} pixels, but the pictures before it are"
                    f" {self.width}x{self.height}."
                )
            yield Frame(index, float(index / self.frame_rate), image)


def open_footage(
    path: str | Path,
    frames: FrameRange = FrameRange(),
    frame_rate: Fraction | None = None,
    rotation: int = 0,
) -> Footage:
    """Look at a video, a picture, or a folder of numbered pictures.

    Args:
        path: the file or folder.
        frames: the part to read.
        frame_rate: of a folder of pictures (default DEFAULT_FRAME_RATE); a video knows its own.
        rotation: degrees clockwise by which to turn the pictures, of QUARTER_TURNS.

    Raises:
        FootageError: there is no such file, or it is not footage.
    """
    path = Path(path)
    if not path.exists():
        raise FootageError(f"There is no file or folder {path}.")
    if path.is_dir():
        pictures = numbered_pictures(path)
        if not pictures:
            raise FootageError(f"The folder {path} holds no numbered pictures.")
        rate = frame_rate or DEFAULT_FRAME_RATE
        return _open_pictures(path, pictures, frames, rate, rotation)
    if path.suffix.lower() in TILED_SUFFIXES:
        raise FootageError(f"{path} is a HEIC picture; save it as JPEG or PNG and take that.")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return _open_pictures(path, (path,), frames, SINGLE_PICTURE_RATE, rotation)
    return _open_video(path, frames, rotation)


def numbered_pictures(folder: Path) -> tuple[Path, ...]:
    """The pictures in ``folder`` whose names end in a number, in the order of the numbers."""
    numbered = []
    for path in folder.iterdir():
        number = re.search(r"(\d+)$", path.stem)
        if number and path.suffix.lower() in PICTURE_SUFFIXES and path.is_file():
            numbered.append((path.stem[: number.start()], int(number[1]), path))
    return tuple(path for _, _, path in sorted(numbered))


def read_picture(path: Path) -> np.ndarray:
    """A picture file as (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    Raises:
        FootageError: the file is not there, or not a picture.
    """
    return _decode(path)


def _decode(path: Path, flags: int = 0) -> np.ndarray:
    """A picture file as (H, W, 3) uint8 RGB; further flags of OpenCV's."""
    suffix = path.suffix.lower()
    if suffix in FFMPEG_SUFFIXES:
        return next(decode(path))[2]
    try:
        data = np.fromfile(path, np.uint8)  # OpenCV itself cannot open all paths on Windows
    except OSError as error:
        raise FootageError(f"{path} cannot be read: {error.strerror}.") from error
    image = None
    try:
        if data.size and suffix != ".exr":
            image = cv2.imdecode(data, flags | cv2.IMREAD_COLOR_RGB)
        if data.size and image is None:
            light = cv2.imdecode(data, flags | cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
            if light is not None and light.dtype.kind == "f":
                image = _encoded(light[..., ::-1])
    except cv2.error:  # such as a picture of more pixels than it wants to hold
        image = None
    if image is None:
        raise FootageError(f"{path} is not a picture that can be read.")
    return image


def _encoded(light: np.ndarray) -> np.ndarray:
    """Linear light of any floating point type as sRGB, uint8."""
    linear = np.clip(np.nan_to_num(light), 0.0, 1.0)
    encoded = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(255.0 * encoded).astype(np.uint8)


def prefetch(footage: Footage) -> Iterator[Frame]:
    """Iterate over ``footage`` while a thread decodes ahead; its errors are raised here."""
    ahead = PREFETCH_BYTES // (3 * footage.width * footage.height)
    frames: queue.Queue[Frame | BaseException | None] = queue.Queue(
        min(max(ahead, 1), PREFETCH_FRAMES)
    )
    abandoned = threading.Event()

    def put(item: Frame | BaseException | None) -> bool:
        while not abandoned.is_set():
            try:
                frames.put(item, timeout=QUEUE_POLL)
                return True
            except queue.Full:
                continue
        return False

    def fill() -> None:
        try:
            for frame in footage:
                if not put(frame):
                    return
            put(None)
        except BaseException as error:  # carried to the reader, who raises it
            put(error)

    thread = threading.Thread(target=fill, daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = frames.get(timeout=QUEUE_POLL)  # in short waits: signals come through
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        abandoned.set()
        thread.join()


def _open_pictures(
    path: Path, pictures: tuple[Path, ...], frames: FrameRange, frame_rate: Fraction, rotation: int
) -> Footage:
    image = read_picture(pictures[0])
    count = frames.length_of(len(pictures))
    own = _exif_rotation(pictures[0], image)
    size = _size(*image.shape[1::-1], rotation)
    return Footage(path, *size, frame_rate, count, frames, pictures, rotation, own)


def _exif_rotation(path: Path, image: np.ndarray) -> int:
    """Degrees clockwise by which reading has turned a picture file (0 of a mirrored one)."""
    stored = _decode(path, cv2.IMREAD_IGNORE_ORIENTATION)
    return next((own for own in QUARTER_TURNS if np.array_equal(turned(stored, own), image)), 0)


def _open_video(path: Path, frames: FrameRange, rotation: int) -> Footage:
    video = look_at(path)
    size = _size(video.width, video.height, video.rotation + rotation)
    count = frames.length_of(video.frame_count)
    return Footage(path, *size, video.rate, count, frames, (), rotation, video.rotation)


def _size(width: int, height: int, rotation: int) -> tuple[int, int]:
    """Width and height of a picture after a rotation in quarter turns, degrees."""
    return (height, width) if rotation % 180 else (width, height)
