# SPDX-License-Identifier: GPL-3.0-or-later
"""From a take's axes to Blender's, and the algebra of rotations that this needs.

Head space (x the character's left, y up, z out of the face) becomes Blender's z up with the face
along -y. Camera space (x right, y down, z forward) becomes a world in which the camera stands at
the origin, looks along +y, and z is up. A face that looks into the lens is then unrotated.

Rotations are matrices of shape (..., 3, 3) or quaternions (w, x, y, z) of shape (..., 4), float64.
"""

from __future__ import annotations

import numpy as np

# Rows: where Blender's x, y, z come from.
BLENDER_FROM_HEAD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
WORLD_FROM_CAMERA = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])


def points_to_blender(points: np.ndarray) -> np.ndarray:
    """Points or offsets in head space (..., 3) to Blender's axes, same shape and float32."""
    return (points @ BLENDER_FROM_HEAD.T).astype(np.float32)


def rotation_to_blender(rotation: np.ndarray) -> np.ndarray:
    """A rotation within head space (..., 3, 3) as seen in Blender's axes."""
    return BLENDER_FROM_HEAD @ rotation @ BLENDER_FROM_HEAD.T


def pose_to_world(rotation: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A head-to-camera pose, (..., 3, 3) and (..., 3), as a pose of Blender's head in the world."""
    return (
        WORLD_FROM_CAMERA @ rotation @ BLENDER_FROM_HEAD.T,
        position @ WORLD_FROM_CAMERA.T,
    )


def matrix_from_quaternion(quaternion: np.ndarray) -> np.ndarray:
    """Unit quaternions (..., 4) to matrices (..., 3, 3)."""
    w, x, y, z = np.moveaxis(np.asarray(quaternion, np.float64), -1, 0)
    entries = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(entries), (0, 1), (-2, -1))


def quaternion_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Rotation matrices (..., 3, 3) to unit quaternions (..., 4) with w >= 0.

    Builds the four candidates that divide by w, x, y or z and takes, for each rotation, the one
    with the largest divisor (Shepperd, "Quaternion from rotation matrix", 1978).
    """
    m = np.asarray(matrix, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    xy, yx = m[..., 0, 1], m[..., 1, 0]
    xz, zx = m[..., 0, 2], m[..., 2, 0]
    yz, zy = m[..., 1, 2], m[..., 2, 1]
    # Row i is the quaternion times 4 times its own component i.
    candidates = np.stack(
        [
            np.stack([1 + xx + yy + zz, zy - yz, xz - zx, yx - xy], axis=-1),
            np.stack([zy - yz, 1 + xx - yy - zz, xy + yx, zx + xz], axis=-1),
            np.stack([xz - zx, xy + yx, 1 - xx + yy - zz, yz + zy], axis=-1),
            np.stack([yx - xy, zx + xz, yz + zy, 1 - xx - yy + zz], axis=-1),
        ],
        axis=-2,
    )
    largest = np.argmax(np.diagonal(candidates, axis1=-2, axis2=-1), axis=-1)
    chosen = np.take_along_axis(candidates, largest[..., None, None], axis=-2)[..., 0, :]
    chosen = chosen / np.linalg.norm(chosen, axis=-1, keepdims=True)
    return np.where(chosen[..., :1] < 0, -chosen, chosen)


def euler_from_matrix(matrix: np.ndarray) -> np.ndarray:
    """Rotations (..., 3, 3) as angles (..., 3) about x, then y, then z: R = Rz Ry Rx."""
    x = np.arctan2(matrix[..., 2, 1], matrix[..., 2, 2])
    y = np.arcsin(np.clip(-matrix[..., 2, 0], -1.0, 1.0))
    z = np.arctan2(matrix[..., 1, 0], matrix[..., 0, 0])
    return np.stack([x, y, z], axis=-1)


def unrolled(quaternions: np.ndarray) -> np.ndarray:
    """Signs flipped along the first axis (T, ..., 4) so that neighbours lie in one hemisphere.

    q and -q are the same rotation, but curves between them would swing the long way round.
    """
    steps = np.sum(quaternions[1:] * quaternions[:-1], axis=-1)
    flips = np.cumprod(np.where(steps < 0, -1.0, 1.0), axis=0)
    signs = np.concatenate([np.ones_like(flips[:1]), flips]) if len(flips) else 1.0
    return quaternions * np.asarray(signs)[..., None] if len(flips) else quaternions


def slerp(start: np.ndarray, end: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Between unit quaternions (..., 4) along the shorter arc; share (...) runs from 0 to 1."""
    share = np.asarray(share, np.float64)[..., None]
    cosine = np.sum(start * end, axis=-1, keepdims=True)
    end = np.where(cosine < 0, -end, end)
    angle = np.arccos(np.clip(np.abs(cosine), 0.0, 1.0))
    sine = np.sin(angle)
    # For equal rotations the weights become those of a straight line, their limit.
    near = sine < 1e-6
    safe = np.where(near, 1.0, sine)
    first = np.where(near, 1.0 - share, np.sin((1.0 - share) * angle) / safe)
    second = np.where(near, share, np.sin(share * angle) / safe)
    mixed = first * start + second * end
    return mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)


def mean_rotation(quaternions: np.ndarray) -> np.ndarray:
    """The rotation (4,) nearest to all quaternions (T, 4), whatever their signs.

    The eigenvector of the summed outer products (Markley et al., "Averaging quaternions", 2007).
    """
    _, vectors = np.linalg.eigh(quaternions.T @ quaternions)
    mean = vectors[:, -1]
    return -mean if mean[0] < 0 else mean
