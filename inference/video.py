# SPDX-License-Identifier: GPL-3.0-or-later
"""Video files, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
import cv2
import numpy as np

from inference.errors import FootageError
from inference.rotation import turned

DEFAULT_FRAME_RATE = Fraction(30)
"""Frames a second where nothing and nobody says otherwise."""

USUAL_RATES = tuple(
    Fraction(rate) * slower
    for rate in (12, 15, 24, 25, 30, 48, 50, 60, 120, 240)
    for slower in (1, Fraction(1000, 1001))
)
USUALLY = 1e-3
"""How far from a usual rate, in parts of it, a video's mean rate may be to be its rate."""

LARGEST_STEP_BACK = 1.0
"""Seconds. A time stamp that goes back by more begins to count anew, as where two recordings were
joined; one that goes back by less is wrong."""

LEAST_STEP = 1e-3
"""Seconds that a frame with a wrong time stamp is put after the one before it."""

WORTH_SEEKING = 150
"""Frames before the first wanted one from which on they are jumped over, not decoded."""

REORDERED = 64
"""Packets in which a frame's comes at most after those of frames shown later."""

RUN_UP = 1.0
"""Seconds before the wanted frame that a jump leads to, so that what it needs has been decoded."""

TEXT_FORMATS = frozenset({"tty"})
"""FFmpeg "plays" any text file as a terminal session; nobody means that."""

DecodedFrame = tuple[int, float, np.ndarray]
"""Index, the first frame's being 0; seconds since that; (H, W, 3) uint8 RGB, upright."""


@dataclass(frozen=True)
class Video:
    """What a video file says of itself.

    Attributes:
        width, height: of the stored pictures, pixels, which are taken for square.
        rotation: degrees clockwise by which they are to be turned.
        rate: nominal, frames a second.
        frame_count: None where the file does not say.
    """

    width: int
    height: int
    rotation: int
    rate: Fraction
    frame_count: int | None


def look_at(path: Path) -> Video:
    """Open a video and decode its first picture.

    Raises:
        FootageError: it is not a video, or holds no picture.
    """
    with _open_container(path) as container:
        stream = _video_stream(container, path)
        count = stream.frames or _count_from_duration(container, stream, _mean_rate(stream))
        try:
            first = next(container.decode(stream))
        except (StopIteration, av.FFmpegError) as error:
            raise FootageError(f"{path} holds no picture that can be decoded.") from error
        return Video(first.width, first.height, _rotation(first), _nominal_rate(stream), count)


def decode(path: Path, first: int = 0) -> Iterator[DecodedFrame]:
    """The frames of a video, from ``first`` or an earlier one on, in order of presentation.

    Times increase strictly, whatever the file says.

    Raises:
        FootageError: the video is damaged or cut short.
    """
    with _open_container(path) as container:
        stream = _video_stream(container, path)
        stream.thread_type = "AUTO"
        rate = _mean_rate(stream)
        index, origin, pictures = _from_frame(path, container, stream, first)
        promised, clock, size = stream.frames, Clock(rate, origin), None
        try:
            for picture in pictures:
                seconds = None if picture.pts is None else float(picture.pts * stream.time_base)
                size = size or (picture.width, picture.height)
                yield index, clock.after(index, seconds), _upright(picture, size)
                index += 1
        except av.FFmpegError as error:
            raise FootageError(_damaged(path, index)) from error
        if promised and index < promised and _is_cut_short(container, path):
            raise FootageError(_damaged(path, index))


class Clock:
    """Times of frames, from time stamps that may be missing or wrong.

    Args:
        rate: frames a second, where there are no stamps.
        origin: time stamp of the first frame of the video, s; that of the first that comes if None.
    """

    def __init__(self, rate: Fraction, origin: float | None = None) -> None:
        self._step = float(1 / rate)
        self._origin = origin
        self._last: float | None = None

    def after(self, index: int, stamp: float | None) -> float:
        """Seconds of frame ``index``, which has a time stamp, s, or None."""
        if stamp is None:
            time = index * self._step
        else:
            self._origin = stamp if self._origin is None else self._origin
            time = stamp - self._origin
        if self._last is not None and time <= self._last:
            back = self._last - time > LARGEST_STEP_BACK and stamp is not None
            time = self._last + (self._step if back else LEAST_STEP)
            if back:
                self._origin = stamp - time
        self._last = time
        return time


def _from_frame(
    path: Path, container: av.container.InputContainer, stream: av.VideoStream, first: int
) -> tuple[int, float | None, Iterator[av.VideoFrame]]:
    """Index of the frame that comes next, the first frame's time stamp (s), and the frames.

    Jumps near to frame ``first`` where that is far and the file allows it.
    """
    stamps = _stamps(path, first) if first >= WORTH_SEEKING else []
    if len(stamps) > first:
        origin, wanted = stamps[0], stamps[first]
        run_up = round(RUN_UP / stream.time_base)
        try:
            container.seek(max(wanted - run_up, origin), stream=stream)
            pictures = container.decode(stream)
            for picture in pictures:
                if picture.pts is None or picture.pts > wanted:
                    break
                if picture.pts == wanted:
                    return first, float(origin * stream.time_base), chain([picture], pictures)
        except av.FFmpegError:
            pass
        container.seek(origin, stream=stream)
    return 0, None, container.decode(stream)


def _stamps(path: Path, first: int) -> list[int]:
    """Time stamps of the frames up to ``first`` and some more, in order; none if one lacks."""
    try:
        with _open_container(path) as container:
            start = next(container.decode(_video_stream(container, path))).pts
        with _open_container(path) as container:  # anew: not all formats can be wound back
            packets = container.demux(_video_stream(container, path))
            pictures = (packet.pts for packet in packets if packet.size)
            stamps = list(islice(pictures, first + REORDERED))
    except (StopIteration, av.FFmpegError):
        return []
    if start is None or None in stamps or len(set(stamps)) < len(stamps):
        return []
    return sorted(stamp for stamp in stamps if stamp >= start)


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


def _mean_rate(stream: av.VideoStream) -> Fraction:
    """Frames a second over the whole video."""
    return Fraction(stream.average_rate or stream.guessed_rate or DEFAULT_FRAME_RATE)


def _nominal_rate(stream: av.VideoStream) -> Fraction:
    """Frames a second as a person would say it: where they come unevenly, those of usual steps."""
    mean, base = _mean_rate(stream), stream.base_rate
    if base is None or any(abs(mean - rate) <= USUALLY * rate for rate in USUAL_RATES):
        return mean
    return Fraction(base) if base in USUAL_RATES and base >= mean else mean


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
    return any(entry.pos + entry.size > end for entry in container.streams.video[0].index_entries)


def _damaged(path: Path, index: int) -> str:
    if index == 0:
        return f"{path} is damaged or cut short: no picture can be decoded."
    return (
        f"{path} is damaged or cut short after frame {index - 1};"
        f" --frames 0:{index} captures what comes before."
    )


def _upright(picture: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 RGB, turned as the container's display matrix says.

    size: width and height that it is given before; joined recordings may change theirs.
    """
    image = picture.to_ndarray(format="rgb24")
    if image.shape[1::-1] != size:
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return turned(image, _rotation(picture))


def _rotation(picture: av.VideoFrame) -> int:
    """Degrees clockwise, in quarter turns, that the container's display matrix asks for."""
    return -90 * round(picture.rotation / 90) % 360
