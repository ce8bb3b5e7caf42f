# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose and expression together, per frame: what the points add to the network's own answer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from inference.solve.evidence import Evidence
from inference.solve.pose import (
    POSE_UNKNOWNS,
    Pose,
    fit_pose,
    initial_pose,
    normal_equations,
    pose_jacobian,
    solve_normal_equations,
)
from inference.solve.sparsity import add_cost
from inference.solve.work import Work
from models.head import CORRECTIVE_NAMES, SHAPE_NAMES, PersonPoints, corrective_slopes, factors

EXPRESSION_SIGMA = 0.12
"""Standard deviation of the network's shape weights: how far the points may pull them."""

LOOK_SIGMA = 0.01
"""The same for the lids' following of the gaze: given with the gaze, and hardly open to doubt."""

SHAPE_SIGMA = np.where(
    [name.startswith("eyeLook") for name in SHAPE_NAMES], LOOK_SIGMA, EXPRESSION_SIGMA
)

ITERATIONS = 2
"""Gauss-Newton steps; bounds that a step runs into are held in the next. A third changes no figure
of `evaluate stability` by more than a hundredth."""

FRAMES_AT_ONCE = 64
"""Frames whose equations are set up together: 20 MB, which stays in the processor's cache."""

HELD = 1e12
"""Curvature that pins a weight to its bound: beyond all evidence."""


def portions(count: int) -> Iterator[slice]:
    """The frames of a clip in portions of FRAMES_AT_ONCE."""
    for start in range(0, count, FRAMES_AT_ONCE):
        yield slice(start, start + FRAMES_AT_ONCE)


def fit_expression(
    evidence: Evidence,
    person: PersonPoints,
    prior: np.ndarray,
    pose: Pose,
    near: np.ndarray | None = None,
    work: Work | None = None,
) -> tuple[Pose, np.ndarray]:
    """Poses and shape weights (T, 52) in [0, 1] of a clip.

    Minimises, frame by frame, half the weighted squared distance of the points plus half the
    squared distance of the weights from the network's, in standard deviations, plus their
    :func:`inference.solve.sparsity.cost`.

    Args:
        evidence: T frames.
        person: the points at rest, and how they move.
        prior: (T, 52) the network's weights, in [0, 1].
        pose: a near guess.
        near: (T, 52) weights so near that a single step from them is enough.
        work: told of the steps.
    """
    weights = np.empty_like(prior, dtype=np.float64)
    rotation, position = np.empty((len(prior), 3, 3)), np.empty((len(prior), 3))
    for part in portions(len(prior)):
        guess = (prior if near is None else near)[part]
        steps = ITERATIONS if near is None else 1
        fitted, weights[part] = _fit_frames(
            evidence[part], person, prior[part], pose[part], guess, steps
        )
        rotation[part], position[part] = fitted.rotation, fitted.position
        if work:
            work.fitted(len(guess), steps)
    return Pose(rotation, position), weights


def solve_each(
    evidence: Evidence,
    person: PersonPoints,
    prior: np.ndarray,
    rotation: np.ndarray,
    work: Work | None = None,
) -> tuple[Pose, np.ndarray]:
    """Pose and shape weights (T, 52) of every frame by itself.

    As :func:`fit_expression`, but for the pose, of which only the rotation (T, 3, 3) from head to
    camera is roughly known.
    """
    parts = []
    for rows in portions(len(prior)):
        seen, face = evidence[rows], person.express(prior[rows])
        parts.append(fit_pose(seen, face, initial_pose(seen, face, rotation[rows])))
    return fit_expression(evidence, person, prior, Pose.joined(parts), work=work)


def _fit_frames(
    evidence: Evidence,
    person: PersonPoints,
    prior: np.ndarray,
    pose: Pose,
    weights: np.ndarray,
    steps: int,
) -> tuple[Pose, np.ndarray]:
    for _ in range(steps):
        left, right = frame_equations(evidence, person, weights, pose, prior)
        step = _bounded_step(left, right, weights)
        pose = pose.moved(step[:, :POSE_UNKNOWNS])
        weights = np.clip(weights + step[:, POSE_UNKNOWNS:], 0.0, 1.0)
    return pose, weights


def frame_equations(
    evidence: Evidence, person: PersonPoints, weights: np.ndarray, pose: Pose, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations (T, 58, 58), (T, 58) for the step in pose (6), then shape weights (52)."""
    jacobian, residual = frame_jacobian(evidence, person, weights, pose)
    left, right = normal_equations(jacobian, evidence.weight(residual), residual)
    left = left.astype(np.float64)
    curvature = 1.0 / SHAPE_SIGMA**2
    shapes = np.arange(POSE_UNKNOWNS, left.shape[-1])
    left[:, shapes, shapes] += curvature
    right[:, POSE_UNKNOWNS:] += curvature * (prior - weights)
    add_cost(left[:, POSE_UNKNOWNS:, POSE_UNKNOWNS:], right[:, POSE_UNKNOWNS:], weights)
    return left, right


def frame_jacobian(
    evidence: Evidence, person: PersonPoints, weights: np.ndarray, pose: Pose
) -> tuple[np.ndarray, np.ndarray]:
    """How pixels move with pose and weights (T, N, 2, 58), and what they still miss (T, N, 2).

    The first is float32, as it only says where to step; the second float64, as it says where to
    stop.
    """
    in_camera = pose.apply(person.express(weights))
    residual = evidence.pixels - evidence.camera.project(in_camera)
    jacobian = np.empty((*residual.shape, POSE_UNKNOWNS + len(person.shapes)), np.float32)
    jacobian[..., :POSE_UNKNOWNS] = pose_jacobian(evidence.camera, in_camera, pose)
    jacobian[..., POSE_UNKNOWNS:] = basis_jacobian(evidence, person.shapes, in_camera, pose)
    of_correctives = basis_jacobian(evidence, person.correctives, in_camera, pose)
    slopes = corrective_slopes(weights).astype(np.float32)
    for corrective, name in enumerate(CORRECTIVE_NAMES):
        for shape in set(factors(name)):
            slope = slopes[:, corrective, shape, None, None]
            jacobian[..., POSE_UNKNOWNS + shape] += slope * of_correctives[..., corrective]
    return jacobian, residual


def basis_jacobian(
    evidence: Evidence, basis: np.ndarray, in_camera: np.ndarray, pose: Pose
) -> np.ndarray:
    """(T, N, 2, K) float32: how pixels move with the coefficients of a basis (K, N, 3)."""
    directions = basis.transpose(2, 1, 0).astype(np.float32)  # (3, N, K)
    rotation = pose.rotation.astype(np.float32)
    turned = rotation.reshape(-1, 3) @ directions.reshape(3, -1)
    turned = turned.reshape(-1, 3, *directions.shape[1:])  # (T, 3, N, K) in camera space
    slope = (in_camera[..., :2] / in_camera[..., 2:]).astype(np.float32)
    scale = (evidence.camera.focal / in_camera[..., 2]).astype(np.float32)
    jacobian = np.empty((*slope.shape, len(basis)), np.float32)
    for axis in range(2):
        along = turned[:, axis] - slope[..., axis, None] * turned[:, 2]
        np.multiply(along, scale[..., None], out=jacobian[:, :, axis])
    return jacobian


def _bounded_step(left: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The step, with the weights held that lie on a bound and would be pushed beyond it.

    Projected Newton (Bertsekas 1982): a variable is held where it is at its bound and the
    gradient, here -right, points outside.
    """
    push = right[:, POSE_UNKNOWNS:]
    held = ((weights <= 0.0) & (push < 0.0)) | ((weights >= 1.0) & (push > 0.0))
    left, right = left.copy(), right.copy()
    shapes = np.arange(POSE_UNKNOWNS, left.shape[-1])
    left[:, shapes, shapes] += np.where(held, HELD, 0.0)
    right[:, POSE_UNKNOWNS:][held] = 0.0
    return solve_normal_equations(left, right)
