# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures with their times, from a video, a picture, or a folder of numbered pictures."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from inference.errors import FootageError

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})

DEFAULT_FRAME_RATE = Fraction(30)
"""Frames a second of a folder of pictures when nobody says otherwise."""

SINGLE_PICTURE_RATE = Fraction(1)
"""Of a single picture, which has none: takes carry this."""

TEXT_FORMATS = frozenset({"tty"})
"""FFmpeg "plays" any text file as a terminal session; nobody means that."""

TURNS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
QUARTER_TURNS = (0, *TURNS)
"""Degrees clockwise by which pictures can be turned."""

PREFETCH_FRAMES = 8
"""Decoded frames held ready: enough to ride over a slow frame, 50 MB at 1080p."""

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
        frames = self._pictures() if self.pictures else _video_frames(self.path)
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
        frame_rate: of a folder of pictures (default 30); a video knows its own.
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
    return _decode(path, cv2.IMREAD_COLOR_RGB)


def _decode(path: Path, flags: int) -> np.ndarray:
    try:
        data = np.fromfile(path, np.uint8)  # OpenCV itself cannot open all paths on Windows
    except OSError as error:
        raise FootageError(f"{path} cannot be read: {error.strerror}.") from error
    image = cv2.imdecode(data, flags) if data.size else None
    if image is None:
        raise FootageError(f"{path} is not a picture that can be read.")
    return image


def turned(image: np.ndarray, rotation: int) -> np.ndarray:
    """``image`` (H, W, C) turned clockwise by a rotation of QUARTER_TURNS, degrees."""
    return cv2.rotate(image, TURNS[rotation]) if rotation else image


def prefetch(footage: Footage) -> Iterator[Frame]:
    """Iterate over ``footage`` while a thread decodes ahead; its errors are raised here."""
    frames: queue.Queue[Frame | BaseException | None] = queue.Queue(PREFETCH_FRAMES)
    abandoned = threading.Event()

    def put(item: Frame | BaseException | None) -> bool:
        while not abandoned.is_set():
            try:
                frames.put(item, timeout=QUEUE_POLL)
                return True
            except queue.Full:
                continue
        return False

    def decode() -> None:
        try:
            for frame in footage:
                if not put(frame):
                    return
            put(None)
        except BaseException as error:  # carried to the reader, who raises it
            put(error)

    thread = threading.Thread(target=decode, daemon=True)
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
    stored = _decode(path, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return next((own for own in QUARTER_TURNS if np.array_equal(turned(stored, own), image)), 0)


def _open_video(path: Path, frames: FrameRange, rotation: int) -> Footage:
    with _open_container(path) as container:
        stream = _video_stream(container, path)
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_FRAME_RATE
        count = stream.frames or _count_from_duration(container, stream, rate)
        try:
            first = next(container.decode(stream))
        except (StopIteration, av.FFmpegError) as error:
            raise FootageError(f"{path} holds no picture that can be decoded.") from error
        own = _container_rotation(first)
        size = _size(first.width, first.height, own + rotation)
    count = frames.length_of(count)
    return Footage(path, *size, Fraction(rate), count, frames, (), rotation, own)


def _video_frames(path: Path) -> Iterator[Frame]:
    """All frames of a video, in order of presentation, without holding more than one."""
    with _open_container(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        rate = stream.average_rate or stream.guessed_rate or DEFAULT_FRAME_RATE
        promised = stream.frames
        start: float | None = None
        index = 0
        try:
            for picture in container.decode(stream):
                seconds = index / rate if picture.pts is None else picture.pts * stream.time_base
                start = seconds if start is None else start
                yield Frame(index, float(seconds - start), _upright(picture))
                index += 1
        except av.FFmpegError as error:
            raise FootageError(_damaged(path, index)) from error
        if promised and index < promised and _is_cut_short(container, path):
            raise FootageError(_damaged(path, index))


def _open_container(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise FootageError(
            f"{path} is not a video or picture that can be read; it may be damaged or cut short."
        ) from error
    if container.format.name in TEXT_FORMATS:
        container.close()
        raise FootageError(f"{path} is not a video or picture.")
    return container


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    if not container.streams.video:
        raise FootageError(f"{path} holds no video.")
    return container.streams.video[0]


def _count_from_duration(
    container: av.container.InputContainer, stream: av.VideoStream, rate: Fraction
) -> int | None:
    if stream.duration:
        return round(stream.duration * stream.time_base * rate)
    if container.duration:
        return round(container.duration / av.time_base * rate)
    return None


def _is_cut_short(container: av.container.InputContainer, path: Path) -> bool:
    """Whether the container's header describes more bytes than the file has.

    A container may list more frames than are shown (edit lists), which is no damage; a file that
    ends before its last listed packet is.
    """
    end = path.stat().st_size
    return any(
        entry.pos + entry.size > end
        for entry in container.streams.video[0].index_entries
    )


def _damaged(path: Path, index: int) -> str:
    if index == 0:
        return f"{path} is damaged or cut short: no picture can be decoded."
    return (
        f"{path} is damaged or cut short after frame {index - 1};"
        f" --frames 0:{index} captures what comes before."
    )


def _upright(picture: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as the container's display matrix says."""
    return turned(picture.to_ndarray(format="rgb24"), _container_rotation(picture))


def _container_rotation(picture: av.VideoFrame) -> int:
    """Degrees clockwise, in quarter turns, that the container's display matrix asks for."""
    return -90 * round(picture.rotation / 90) % 360


def _size(width: int, height: int, rotation: int) -> tuple[int, int]:
    """Width and height of a picture after a rotation in quarter turns, degrees."""
    return (height, width) if rotation % 180 else (width, height)
