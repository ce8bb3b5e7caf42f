# SPDX-License-Identifier: GPL-3.0-or-later
"""Head poses from points: all frames at once, Gauss-Newton on the reprojection error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from inference.solve.camera import Camera
from inference.solve.evidence import Evidence

POSE_UNKNOWNS = 6

ITERATIONS = 6
"""Steps from the network's rotation; the last one moves a point by less than 0.01 pixels."""

NEAREST = 0.05
"""Metres: no face is nearer to the lens; keeps a wild step in front of it."""

DAMPING = 1e-9
"""Added to the normal equations relative to their diagonal, so that they can always be solved."""


@dataclass(frozen=True)
class Pose:
    """Where the head is in T frames: a vertex v appears at rotation v + position.

    Attributes:
        rotation: (T, 3, 3) float64 head to camera.
        position: (T, 3) float64 metres, camera space.
    """

    rotation: np.ndarray
    position: np.ndarray

    def __getitem__(self, frames: slice | np.ndarray) -> Pose:
        return Pose(self.rotation[frames], self.position[frames])

    @classmethod
    def joined(cls, parts: Sequence[Pose]) -> Pose:
        """The poses of one stretch of frames after the other."""
        return cls(
            np.concatenate([part.rotation for part in parts]),
            np.concatenate([part.position for part in parts]),
        )

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Head space (T, N, 3) to camera space."""
        return points @ np.swapaxes(self.rotation, -1, -2) + self.position[:, None]

    def moved(self, step: np.ndarray) -> Pose:
        """The pose after steps (T, 6): a rotation vector in camera space, then a translation."""
        turn = Rotation.from_rotvec(step[:, :3]).as_matrix()
        position = self.position + step[:, 3:]
        position[:, 2] = np.maximum(position[:, 2], NEAREST)
        return Pose(turn @ self.rotation, position)


def initial_pose(evidence: Evidence, face: np.ndarray, rotation: np.ndarray) -> Pose:
    """Poses from rotations (T, 3, 3) and points (T, N, 3): the distance from the face's scale."""
    turned = face @ np.swapaxes(rotation, -1, -2)
    weight = (1.0 / evidence.sigma**2)[..., None]
    total = weight.sum(1, keepdims=True)
    model_centre = (weight * turned).sum(1, keepdims=True) / total
    pixel_centre = (weight * evidence.pixels).sum(1, keepdims=True) / total
    model = (turned - model_centre)[..., :2]
    seen = evidence.pixels - pixel_centre
    scale = (weight * model * seen).sum((1, 2)) / (weight * model * model).sum((1, 2))
    camera = evidence.camera
    depth = np.maximum(camera.focal / np.maximum(scale, 1e-6), NEAREST)
    ray = (pixel_centre[:, 0] - camera.principal) / camera.focal
    centre = np.column_stack([ray, np.ones(len(ray))]) * depth[:, None]
    return Pose(np.asarray(rotation, np.float64), centre - model_centre[:, 0])


def fit_pose(evidence: Evidence, face: np.ndarray, pose: Pose) -> Pose:
    """The poses that bring points (T, N, 3) of the face onto the seen ones, from a near guess."""
    for _ in range(ITERATIONS):
        in_camera = pose.apply(face)
        residual = evidence.pixels - evidence.camera.project(in_camera)
        weight = evidence.weight(residual)
        jacobian = pose_jacobian(evidence.camera, in_camera, pose)
        pose = pose.moved(solve_normal_equations(*normal_equations(jacobian, weight, residual)))
    return pose


def pose_jacobian(camera: Camera, in_camera: np.ndarray, pose: Pose) -> np.ndarray:
    """(T, N, 2, 6): how pixels move with the steps of :meth:`Pose.moved`."""
    x, y, z = np.moveaxis(in_camera, -1, 0)
    right, down, ahead = np.moveaxis(in_camera - pose.position[:, None], -1, 0)
    scale = camera.focal / z
    across, along = -scale * x / z, -scale * y / z
    jacobian = np.zeros((*in_camera.shape[:-1], 2, POSE_UNKNOWNS))
    # A step moves the point itself; a small turn moves it by the turn x its arm from the head's
    # origin. Both are written out: as products of matrices they took twice as long.
    jacobian[..., 0, 0], jacobian[..., 1, 0] = across * down, along * down - scale * ahead
    jacobian[..., 0, 1], jacobian[..., 1, 1] = scale * ahead - across * right, -along * right
    jacobian[..., 0, 2], jacobian[..., 1, 2] = -scale * down, scale * right
    jacobian[..., 0, 3], jacobian[..., 1, 4] = scale, scale
    jacobian[..., 0, 5], jacobian[..., 1, 5] = across, along
    return jacobian


def normal_equations(
    jacobian: np.ndarray, weight: np.ndarray, residual: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """J'WJ (T, U, U) and J'Wr (T, U) of a Jacobian (T, N, 2, U), weights (T, N), residuals."""
    frames, points, _, unknowns = jacobian.shape
    rows = jacobian.reshape(frames, points * 2, unknowns)
    weighted = rows * np.repeat(weight, 2, axis=1)[..., None].astype(rows.dtype)
    transposed = np.swapaxes(weighted, 1, 2)
    missing = residual.reshape(frames, points * 2, 1).astype(rows.dtype)
    right = (transposed @ missing)[..., 0]
    return transposed @ rows, right


def solve_normal_equations(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(T, U) solutions of left (T, U, U) x = right (T, U), a trace of damping added."""
    diagonal = np.einsum("tuu->tu", left)
    damped = left + np.eye(left.shape[-1]) * (DAMPING * diagonal + np.finfo(float).tiny)[:, None]
    return np.linalg.solve(damped, right[..., None])[..., 0]
