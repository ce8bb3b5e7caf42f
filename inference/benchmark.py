# SPDX-License-Identifier: GPL-3.0-or-later
"""The speed of a whole capture, and of its stages, on a clip enlarged to a usual size."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from inference.capture import capture_to_take
from inference.crop import Crop
from inference.errors import NoFaceError
from inference.events import Events
from inference.face import look
from inference.footage import FrameRange, open_footage
from inference.network import Network
from inference.observations import Observations
from inference.solve import Settings, solve_clip
from inference.track import observe

SIDE = 512
"""Pixels of the enlarged clip's sides."""

OTHER_SMOOTHING = 0.3
"""With which the solve is timed again."""

NETWORK_PASSES = 60
"""Single crops to time the network alone."""


def measure(
    network: Network, clip: Path, events: Events, lengths: Sequence[int] = ()
) -> dict[str, float]:
    """Frames a second of ``clip`` at 512x512: of each stage alone, and of the whole capture.

    lengths: frames for which the solve alone is timed too, and once more as a take is solved again
    with other smoothing; the clip is played to and fro until it is so long.

    Raises:
        FootageError: the clip cannot be read.
        NoFaceError: it shows no face, so that there is nothing to time.
    """
    with tempfile.TemporaryDirectory() as folder:
        enlarged = Path(folder) / "clip.mp4"
        frames = enlarge(clip, enlarged)
        footage = open_footage(enlarged)
        rates = {}

        start = time.perf_counter()
        pictures = [frame.image for frame in footage]
        rates["decode"] = frames / (time.perf_counter() - start)

        start = time.perf_counter()
        observations = observe(network, footage)
        rates["decode and track"] = frames / (time.perf_counter() - start)
        if not observations.found.any():
            raise NoFaceError(f"No face was found in {clip}.")

        start = time.perf_counter()
        solve_clip(observations)
        rates["solve"] = frames / (time.perf_counter() - start)

        start = time.perf_counter()
        take = Path(folder) / "clip.mien.npz"
        capture_to_take(network, open_footage(enlarged), take, events, None, Settings())
        rates["whole capture"] = frames / (time.perf_counter() - start)
        rates["network alone"] = _network_rate(network, pictures, observations)
    for length in lengths:
        longer = to_and_fro(observations, length)
        start = time.perf_counter()
        solved = solve_clip(longer)
        rates[f"solve {length}"] = length / (time.perf_counter() - start)

        start = time.perf_counter()
        solve_clip(longer, Settings(smoothing=OTHER_SMOOTHING), solved.camera, solved.identity)
        rates[f"again {length}"] = length / (time.perf_counter() - start)
    return rates


def to_and_fro(observations: Observations, length: int) -> Observations:
    """The same face in ``length`` frames of one shot, going back whenever the clip is over."""
    count = len(observations)
    place = np.arange(length) % (2 * count)
    place = np.minimum(place, 2 * count - 1 - place)
    step = float(np.median(np.diff(observations.time)))
    return replace(
        observations[place],
        time=np.arange(length) * step,
        frame=np.arange(length, dtype=np.int32),
        shot=np.zeros(length, np.int32),
    )


def peak_memory() -> float | None:
    """Megabytes that this process held at most; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def enlarge(clip: Path, output: Path) -> int:
    """Write ``clip`` at 512x512 (its frame fitted in, the rest black) and return its frames."""
    footage = open_footage(clip, FrameRange())
    scale = SIDE / max(footage.width, footage.height)
    size = (round(footage.width * scale), round(footage.height * scale))
    count = 0
    with av.open(str(output), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(footage.frame_rate))
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for frame in footage:
            canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
            picture = cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC)
            top, left = (SIDE - size[1]) // 2, (SIDE - size[0]) // 2
            canvas[top : top + size[1], left : left + size[0]] = picture
            container.mux(stream.encode(av.VideoFrame.from_ndarray(canvas, format="rgb24")))
            count += 1
        container.mux(stream.encode())
    return count


def _network_rate(network: Network, pictures: list[np.ndarray], observations) -> float:
    """Passes a second of one crop: cut and network."""
    first = int(np.argmax(observations.found))
    crop = Crop.from_points(observations.points[first, :68])
    start = time.perf_counter()
    for _ in range(NETWORK_PASSES):
        look(network, pictures[first], [crop])
    return NETWORK_PASSES / (time.perf_counter() - start)
