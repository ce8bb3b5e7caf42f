# SPDX-License-Identifier: GPL-3.0-or-later
"""One identity for the whole clip."""

from __future__ import annotations

import numpy as np

from inference.solve.evidence import Evidence
from inference.solve.expression import (
    basis_jacobian,
    frame_equations,
    frame_jacobian,
    solve_each,
)
from inference.solve.pose import Pose, normal_equations
from models.head import PersonPoints

IDENTITY_SIGMA = 0.35
"""Standard deviation of the network's identity over a clip, in units of the basis: how far the
points may pull it. Its errors are much the same in every frame, so many frames make it no surer."""

KEY_FRAMES = 32
"""Frames that refine the identity; more of the same clip say little new."""

ROUNDS = 2
"""How often identity and key frames take turns; a third changes no point by 0.1 mm."""

ROBUST_ROUNDS = 5
OUTLIER = 2.0
"""Rounds of the robust mean; the distance, over the median one, at which a frame counts half."""


def mean_identity(identities: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """(60,) robust weighted mean of the network's identities (T, 60), confidence (T,)."""
    identities = identities.astype(np.float64)
    weight = np.maximum(confidence.astype(np.float64), np.finfo(np.float32).eps)
    mean = np.average(identities, axis=0, weights=weight)
    for _ in range(ROBUST_ROUNDS):
        distance = np.linalg.norm(identities - mean, axis=1)
        scale = OUTLIER * max(float(np.median(distance)), np.finfo(np.float32).eps)
        mean = np.average(identities, axis=0, weights=weight / (1.0 + (distance / scale) ** 2))
    return mean


def key_frames(confidence: np.ndarray, count: int = KEY_FRAMES) -> np.ndarray:
    """Up to ``count`` indices: the surest frame of each of as many equal stretches."""
    stretches = np.array_split(np.arange(len(confidence)), min(count, len(confidence)))
    return np.array([part[np.argmax(confidence[part])] for part in stretches])


def solve_identity(
    evidence: Evidence,
    network_identity: np.ndarray,
    prior: np.ndarray,
    rotation: np.ndarray,
    rounds: int = ROUNDS,
) -> np.ndarray:
    """(60,): the network's identity (60,) refined by the points of some frames.

    The network's shape weights ``prior`` (T, 52) and head-to-camera ``rotation`` (T, 3, 3) belong
    to the frames of ``evidence``, which the identity takes turns with.
    """
    identity = network_identity
    for _ in range(rounds):
        pose, weights = solve_each(evidence, evidence.person(identity), prior, rotation)
        identity = refine_identity(evidence, identity, network_identity, weights, prior, pose)
    return identity


def refine_identity(
    evidence: Evidence,
    identity: np.ndarray,
    prior_identity: np.ndarray,
    weights: np.ndarray,
    prior_weights: np.ndarray,
    pose: Pose,
) -> np.ndarray:
    """One Gauss-Newton step of the identity (60,) on the points of some frames.

    Pose and expression of every frame are free in it: they are eliminated from the equations
    (Schur complement), so that a tilted head or a raised brow does not become a trait.

    Args:
        evidence: T frames.
        identity: (60,) where it stands.
        prior_identity: (60,) the network's.
        weights: (T, 52) shape weights; prior_weights (T, 52): the network's.
        pose: of the frames.
    """
    person = evidence.person(identity)
    frame_left, frame_right = frame_equations(evidence, person, weights, pose, prior_weights)
    of_frame, residual = frame_jacobian(evidence, person, weights, pose)
    of_identity = identity_jacobian(evidence, person, weights, pose)
    together = np.concatenate([of_identity, of_frame], axis=-1)
    all_left, all_right = normal_equations(together, evidence.weight(residual), residual)
    count = len(identity)
    cross = all_left[:, :count, count:].astype(np.float64)
    eliminated = np.linalg.solve(frame_left, np.swapaxes(cross, 1, 2))
    left = (all_left[:, :count, :count] - cross @ eliminated).sum(0)
    right = all_right[:, :count].sum(0) - np.einsum("tui,tu->i", eliminated, frame_right)
    curvature = 1.0 / IDENTITY_SIGMA**2
    left += np.eye(count) * (curvature + 1.0)  # the 1: coefficients are N(0, 1) in people
    right += curvature * (prior_identity - identity) - identity
    return identity + np.linalg.solve(left, right)


def identity_jacobian(
    evidence: Evidence, person: PersonPoints, weights: np.ndarray, pose: Pose
) -> np.ndarray:
    """(T, N, 2, 60) float32: how pixels move with the identity's coefficients.

    That the person's shapes change with the identity is left out: it is an effect of the second
    order, and the shapes are taken anew for every step.
    """
    in_camera = pose.apply(person.express(weights))
    return basis_jacobian(evidence, evidence.identity_basis, in_camera, pose)
