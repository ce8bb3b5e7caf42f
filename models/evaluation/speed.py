# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the network takes a face."""

import time

import numpy as np

from models.reconstruction.config import CROP_SIZE

from .predictor import onnx_session, run_sessions

WARM_UP = 10
ROUNDS = 60
BATCHES = (1, 8)


def measure_speed(path, threads=1):
    """Median and best milliseconds a face of an ONNX file, for batches of 1 and 8."""
    session = onnx_session(path, threads)
    figures = {"threads": threads}
    for size in BATCHES:
        image = np.random.default_rng(0).integers(
            0, 256, (size, CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8
        )
        times = []
        for _ in range(WARM_UP + ROUNDS):
            start = time.perf_counter()
            run_sessions([session], image)
            times.append(time.perf_counter() - start)
        times = np.array(times[WARM_UP:]) * 1e3 / size
        figures[f"batch_{size}"] = {
            "median_ms": float(np.median(times)), "best_ms": float(times.min()),
        }  # fmt: skip
    return figures
