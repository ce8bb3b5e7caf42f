# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

WriteVideo = Callable[..., Path]


@pytest.fixture
def write_video(tmp_path: Path) -> WriteVideo:
    """Writes frames (H, W, 3) uint8 RGB as a video; the index is at its beginning."""

    def write(
        frames: Sequence[np.ndarray],
        name: str = "clip.mp4",
        rate: Fraction = Fraction(30),
        ticks: Sequence[int] | None = None,
    ) -> Path:
        path = tmp_path / name
        height, width = frames[0].shape[:2]
        with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=rate, options={"crf": "12"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv444p"
            for index, image in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
                frame.pts = ticks[index] if ticks is not None else index
                frame.time_base = 1 / rate
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write
