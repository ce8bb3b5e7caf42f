# SPDX-License-Identifier: GPL-3.0-or-later
"""The self-check: one capture from end to end of a face that is drawn for it, and what there is.

It needs no file but those installed.
"""

from __future__ import annotations

import platform
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scipy.spatial.transform import Rotation

from inference import __version__
from inference.crop import Crop
from inference.drawn import draw_head
from inference.errors import FootageError, InstallationError
from inference.face import look
from inference.footage import open_footage
from inference.head import FACING_THE_LENS
from inference.network import Network, present_devices
from inference.packages import versions
from inference.solve import Camera, solve_clip
from inference.track import observe
from models.head import SHAPE_NAMES, load_head

WIDTH, HEIGHT = 320, 240
FRAMES = 8
RATE = Fraction(30)
CODEC = "mpeg4"
"""One that every build of FFmpeg can write."""

POSITION = np.array([0.0, 0.01, 0.7])  # m, camera space
FOCAL = 1.9  # over the picture's longer side: the head fills half of it
MOST_YAW = 12.0  # degrees
MOST_OPEN = 0.6
JAW_OPEN = SHAPE_NAMES.index("jawOpen")

CLOSE_ENOUGH = 0.03
"""Mean distance of points, in face sizes, up to which a capture is right; usual is 0.013. A device
that computes wrongly is off by more than this, or finds no face at all."""

LEAST_LIKE = 0.8
"""Correlation of the jaw's captured motion with the drawn one; usual is above 0.95."""

PASSES = 9
"""Over which the network's time is taken, a median."""


def check(device: str = "auto") -> dict[str, object]:
    """Capture a drawn face, and say what this machine has; JSON types.

    Raises:
        InstallationError: something is missing, or does not do what it should.
    """
    start = time.perf_counter()
    packages = versions()
    network = Network(device=device)
    pictures, truth, opening = drawn_clip()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "check.mp4"
        try:
            write_clip(clip, pictures)
            observations = observe(network, open_footage(clip))
        except (av.FFmpegError, FootageError) as error:
            raise InstallationError(f"The package av cannot write and read a video: {error}") from (
                error
            )
    _require(observations.found.all(), network, "sees no face where one is")
    performance = solve_clip(observations)
    size = np.sqrt(np.prod(np.ptp(truth, axis=1), axis=-1))
    error = np.linalg.norm(performance.points68 - truth, axis=-1).mean() / size.mean()
    likeness = np.corrcoef(performance.weights_raw[:, JAW_OPEN], opening)[0, 1]
    _require(error < CLOSE_ENOUGH, network, f"misses a face's points by {error:.0%} of its size")
    _require(likeness > LEAST_LIKE, network, "does not see a mouth open")
    return {
        "mien": __version__,
        "python": platform.python_version(),
        "packages": packages,
        "devices": present_devices(),
        "device": network.device,
        "network_ms": round(network_time(network, pictures[0], truth[0]), 2),
        "seconds": round(time.perf_counter() - start, 2),
    }


def in_a_line(found: dict) -> str:
    """The answer for a person."""
    return (
        f"Mien {found['mien']} works: Python {found['python']}, {found['device']}"
        f" ({found['network_ms']:.1f} ms a face), checked in {found['seconds']:.1f} s"
    )


def drawn_clip() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Pictures (H, W, 3) of the mean head, its 68 points (T, 68, 2) px, and jawOpen (T,)."""
    head, camera = load_head(), Camera.of_picture(WIDTH, HEIGHT, FOCAL)
    person = head.person(np.zeros(len(head.identity_basis)))
    swing = np.sin(np.linspace(0.0, np.pi, FRAMES))
    pictures, points = [], []
    for share in swing:
        weights = np.zeros(len(SHAPE_NAMES))
        weights[JAW_OPEN] = MOST_OPEN * share
        turn = Rotation.from_euler("Y", MOST_YAW * share, degrees=True).as_matrix()
        vertices = person.express(weights) @ (FACING_THE_LENS @ turn).T + POSITION
        pictures.append(draw_head(vertices, camera, WIDTH, HEIGHT))
        points.append(camera.project(vertices[head.points68]))
    return pictures, np.array(points), MOST_OPEN * swing


def write_clip(path: Path, pictures: list[np.ndarray]) -> None:
    """Write pictures (H, W, 3) uint8 RGB as a video. Raises av.FFmpegError."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CODEC, rate=RATE, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def network_time(network: Network, picture: np.ndarray, points: np.ndarray) -> float:
    """Milliseconds of one look at a face at points (68, 2) px."""
    crop, times = Crop.from_points(points), []
    for _ in range(PASSES):
        start = time.perf_counter()
        look(network, picture, [crop])
        times.append(time.perf_counter() - start)
    return 1000.0 * float(np.median(times))


def _require(holds: bool, network: Network, what: str) -> None:
    if not holds:
        advice = "install Mien again" if network.device == "cpu" else "choose the device cpu"
        raise InstallationError(f"The network {what} when it runs on {network.device}; {advice}.")
