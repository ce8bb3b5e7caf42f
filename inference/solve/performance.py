# SPDX-License-Identifier: GPL-3.0-or-later
"""What the solve answers: one person's performance over a clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from inference.solve.camera import Camera
from inference.solve.pose import Pose


@dataclass(frozen=True)
class Performance:
    """T frames of one person.

    Attributes:
        identity: (60,) float64 standard deviations.
        camera: the clip's.
        time: (T,) float64 seconds on the footage's clock.
        frame: (T,) int32 index in the footage.
        found: (T,) bool; False: the frame's values were bridged, held or faded.
        confidence: (T,) float32.
        pose: head to camera, T frames.
        weights: (T, 52) float64, smoothed, 0 to 1.
        weights_raw: (T, 52) float64 before smoothing, NaN where no face was found.
        gaze: (T, 2, 2) float64 radians, rows left and right eye, columns yaw and pitch.
        points68: (T, 68, 2) float64 frame pixels, smoothed, NaN where no face was found.
    """

    identity: np.ndarray
    camera: Camera
    time: np.ndarray
    frame: np.ndarray
    found: np.ndarray
    confidence: np.ndarray
    pose: Pose
    weights: np.ndarray
    weights_raw: np.ndarray
    gaze: np.ndarray
    points68: np.ndarray
