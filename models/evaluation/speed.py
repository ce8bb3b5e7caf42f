# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the network takes a face."""

import time

import numpy as np

from models.reconstruction.config import CROP_SIZE

from .predictor import onnx_session, run_sessions

WARM_UP = 3
ROUNDS = {1: 60, 8: 30, 32: 12}  # by batch


def measure_speed(paths, threads=1):
    """Milliseconds a face of ONNX files -> {path: {"batch_8": {"median_ms", "best_ms"}, …}}.

    The files take turns, round by round, so that other work on the machine slows all alike.
    """
    sessions = {path: onnx_session(path, threads) for path in paths}
    figures = {path: {} for path in paths}
    for size, rounds in ROUNDS.items():
        image = np.random.default_rng(0).integers(
            0, 256, (size, CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8
        )
        times = {path: [] for path in paths}
        for _ in range(WARM_UP + rounds):
            for path, session in sessions.items():
                start = time.perf_counter()
                run_sessions([session], image)
                times[path].append(time.perf_counter() - start)
        for path, seconds in times.items():
            a_face = np.array(seconds[WARM_UP:]) * 1e3 / size
            figures[path][f"batch_{size}"] = {
                "median_ms": float(np.median(a_face)), "best_ms": float(a_face.min()),
            }  # fmt: skip
    return figures


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
