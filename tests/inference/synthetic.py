# SPDX-License-Identifier: GPL-3.0-or-later
"""Clips with a known truth: the head moved by given curves, seen as the network would see it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from inference.crop import Crop
from inference.observations import Observations
from inference.solve.camera import Camera
from inference.solve.pose import Pose
from models.head import SHAPE_NAMES, load_head, look_weights

WIDTH, HEIGHT, RATE = 640, 480, 30.0
FOCAL = 1.2
"""Over the width: a camera between a phone's and one for portraits."""
FACING = np.diag([1.0, -1.0, -1.0])
"""Head to camera of an upright face that looks into the lens."""


@dataclass(frozen=True)
class Clip:
    """What happened, and what was seen of it."""

    camera: Camera
    identity: np.ndarray
    weights: np.ndarray
    gaze: np.ndarray
    pose: Pose
    observations: Observations


def make_clip(
    frames: int = 60,
    point_noise: float = 0.0,
    weight_noise: float = 0.0,
    identity_noise: float = 0.0,
    still: bool = False,
    seed: int = 0,
    focal: float = FOCAL,
) -> Clip:
    """A person who nods, talks and blinks (or keeps still) before the lens.

    Noise: of points in pixels, of the network's weights, of its identity (one error for the clip).
    focal: length over the picture's width.
    """
    rng = np.random.default_rng(seed)
    head = load_head()
    camera = Camera.of_picture(WIDTH, HEIGHT, focal)
    time = np.arange(frames) / RATE
    motion = np.zeros(frames) if still else np.sin(2 * np.pi * time)
    identity = rng.normal(0, 0.8, 60)
    weights = talking(time, still)
    gaze = np.stack([np.stack([0.3 * motion, 0.1 * motion], -1)] * 2, axis=1)
    weights = weights + look_weights(gaze)
    turn = Rotation.from_euler("yxz", np.column_stack([25 * motion, 8 * motion, 10 * motion]),
                               degrees=True)  # fmt: skip
    rotation = FACING @ turn.as_matrix()
    distance = 0.5 * focal  # the face fills the same part of the picture
    position = np.column_stack([0.05 * motion, -0.02 * motion, distance + 0.03 * motion])
    pose = Pose(rotation, position)
    vertices = head.person(identity).at(head.point_vertices).express(weights)
    points = camera.project(pose.apply(vertices))
    seen = points + rng.normal(0, point_noise, points.shape)
    crops = [Crop.from_points(frame[:68]) for frame in points]
    centres = np.array([crop.centre for crop in crops])
    view = np.swapaxes(camera.ray_rotation(centres), 1, 2) @ rotation
    observations = Observations(
        width=WIDTH,
        height=HEIGHT,
        time=time,
        frame=np.arange(frames, dtype=np.int32),
        found=np.ones(frames, bool),
        confidence=np.full(frames, 0.95, np.float32),
        points=seen.astype(np.float32),
        sigma=np.full(points.shape[:2], max(point_noise, 0.2), np.float32),
        identity=(identity + rng.normal(0, 1, 60) * identity_noise)[None].repeat(frames, 0)
        .astype(np.float32),
        expression=(weights + rng.normal(0, 1, weights.shape) * weight_noise).astype(np.float32),
        gaze=gaze.astype(np.float32),
        view_rotation=view.astype(np.float32),
        view_centre=centres.astype(np.float32),
        shot=np.zeros(frames, np.int32),
    )  # fmt: skip
    return Clip(camera, identity, weights, gaze, pose, observations)


def talking(time: np.ndarray, still: bool = False) -> np.ndarray:
    """(T, 52) weights: the jaw at four openings a second, two blinks a second of 0.15 s."""
    weights = np.zeros((len(time), len(SHAPE_NAMES)))
    if still:
        weights[:, SHAPE_NAMES.index("mouthSmileLeft")] = 0.3
        return weights
    blink = np.exp(-(((time + 0.25) % 0.5 - 0.25) ** 2) / (2 * 0.03**2))
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        weights[:, SHAPE_NAMES.index(name)] = 0.9 * blink
    weights[:, SHAPE_NAMES.index("jawOpen")] = 0.3 * (1 - np.cos(2 * np.pi * 4 * time))
    weights[:, SHAPE_NAMES.index("mouthSmileLeft")] = 0.4 * (1 - np.cos(2 * np.pi * time)) / 2
    return weights


def without_face(observations: Observations, missing: np.ndarray) -> Observations:
    """The same with some frames (a mask or indices) lost."""
    found = observations.found.copy()
    found[missing] = False
    fields = dict(vars(observations), found=found)
    for name in ("points", "sigma", "identity", "expression", "gaze", "view_rotation",
                 "view_centre"):  # fmt: skip
        fields[name] = fields[name].copy()
        fields[name][~found] = np.nan
    fields["confidence"] = np.where(found, observations.confidence, 0).astype(np.float32)
    return Observations(**fields)
