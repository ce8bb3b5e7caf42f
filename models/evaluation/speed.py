# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the network takes a face, also beside MediaPipe's in the same run."""

import os
import subprocess
import time
from contextlib import contextmanager
from functools import partial

import numpy as np

from models.reconstruction.config import CROP_SIZE

from .predictor import onnx_session, run_sessions

WARM_UP = 3
PEER = "MediaPipe Face Mesh"
ROUNDS = {1: 60, 8: 30, 32: 12}  # by batch


def measure_speed(paths, threads=1, peer=None):
    """Milliseconds a face of ONNX files -> {path: {"batch_8": {"median_ms", "best_ms"}, …}}.

    The files take turns, round by round, so that other work on the machine slows all alike. peer:
    seconds of one face of another program when called; it takes its turns with single faces and
    stands under PEER.
    """
    sessions = {path: onnx_session(path, threads) for path in paths}
    figures = {path: {} for path in (*paths, *([PEER] if peer else []))}
    for size, rounds in ROUNDS.items():
        image = np.random.default_rng(0).integers(
            0, 256, (size, CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8
        )
        takers = {path: partial(seconds_of, session, image) for path, session in sessions.items()}
        if peer and size == 1:
            takers[PEER] = peer
        times = {path: [] for path in takers}
        for _ in range(WARM_UP + rounds):
            for path, take in takers.items():
                times[path].append(take())
        for path, seconds in times.items():
            a_face = np.array(seconds[WARM_UP:]) * 1e3 / size
            figures[path][f"batch_{size}"] = {
                "median_ms": float(np.median(a_face)), "best_ms": float(a_face.min()),
            }  # fmt: skip
    return figures


def seconds_of(session, image):
    """How long a session takes for a batch."""
    start = time.perf_counter()
    run_sessions([session], image)
    return time.perf_counter() - start


@contextmanager
def mediapipe_peer(python, picture):
    """A function for `measure_speed`: the seconds of MediaPipe's network for the face of a picture.

    python: an interpreter that has MediaPipe, see peer_speed.py. Both programs are held on one core
    meanwhile, for MediaPipe cannot be told to use one thread. Raises ValueError where it does not
    run, OSError where this system cannot hold programs on a core.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise OSError("comparing with MediaPipe needs a system that can hold programs on one core")
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    script = os.path.join(os.path.dirname(__file__), "peer_speed.py")
    process = subprocess.Popen(
        [python, script, picture], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip

    def seconds():
        try:
            process.stdin.write("\n")
            process.stdin.flush()
            return float(process.stdout.readline())
        except (OSError, ValueError) as error:
            raise ValueError(f"{python} does not run MediaPipe on a face in {picture}") from error

    try:
        yield seconds
    finally:
        process.kill()
        process.wait()
        os.sched_setaffinity(0, cores)


def table(figures):
    """Lines for a reader: each file's times, and how many times as fast as the first it is."""
    first, lines = next(iter(figures.values())), []
    for path, batches in figures.items():
        if len(figures) > 1:
            lines.append(f"{path}:")
        for batch, row in batches.items():
            text = f"median {row['median_ms']:.2f} ms a face, best {row['best_ms']:.2f}"
            if batches is not first:
                text += " (median {:.2f}, best {:.2f} times as fast as the first)".format(
                    *(first[batch][name] / row[name] for name in ("median_ms", "best_ms"))
                )
            lines.append(f"batch of {batch.removeprefix('batch_')}: {text}")
    return "\n".join(lines)
