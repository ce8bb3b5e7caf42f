# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity basis: what people sampled from the targets have in common, and how they differ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .crop import Crop
from .identity import People
from .names import BONE_NAMES, EYE_BONES
from .rigid import rigid
from .source import METRES_PER_UNIT, AnnyData

IDENTITY_COMPONENTS = 60
PEOPLE = 2000  # sampled; each is also taken mirrored, which makes every component even or odd
SEED = 20210919
# The face decides what a picture of it shows; ears, back of the head and neck count less.
FACE_WEIGHT, REST_WEIGHT = 1.0, 0.25
FACE_FRONT = 0.0  # m: skin in front of this plane is the front face (the eyes are at 0)
FACE_BOTTOM = -0.125
FRONT_GROUPS = ("skin", "lips", "eyelids")
EYES = ("eye_left", "eye_right")
EYE_BONE_LENGTH = 0.03  # m
JAW_TIP = 991  # the chin, where the rig's jaw bone ends


@dataclass(frozen=True)
class Identity:
    """Mean (V+10,3) m, basis (60,V+10,3) and its mirror signs (60,), eye_radius_mean (2,) m and
    eye_radius_basis (60,2).

    The last ten rows of points are the heads, then the tails of the bones.
    """

    mean: np.ndarray
    basis: np.ndarray
    signs: np.ndarray
    eye_radius_mean: np.ndarray
    eye_radius_basis: np.ndarray


def learn_identity(data: AnnyData, crop: Crop, people: type[People] = People,
                   components: int = IDENTITY_COMPONENTS) -> Identity:  # fmt: skip
    """Components come from a PCA weighted towards the front face; samples and their mirror images
    together make each component either symmetric or antisymmetric.

    people: makes the generator of samples from data and the vertices to keep.
    """
    vertices, mirror = crop.vertices, crop.mirror
    rng = np.random.default_rng(SEED)
    joints = {name: data.joint(name) for name in ("neck", "head", "head-2", "mouth")}
    extra = np.concatenate([*joints.values(), [JAW_TIP]])
    samples = people(data, np.concatenate([vertices, extra])).sample(PEOPLE, rng)
    samples *= METRES_PER_UNIT
    faces, rest = samples[:, : len(vertices)], samples[:, len(vertices) :]
    bones = _bones(faces, rest, [len(v) for v in joints.values()], crop)
    samples = np.concatenate([faces, bones], axis=1)

    eyes = [len(vertices) + bone for bone in EYE_BONES]
    samples -= samples[:, eyes].mean(axis=(0, 1))
    front = front_face(samples.mean(axis=0)[: len(vertices)], crop.of_groups(*FRONT_GROUPS))
    samples = align(samples, front, samples[:, front].mean(axis=0))
    samples -= samples[:, eyes].mean(axis=(0, 1))
    both = np.concatenate([samples, mirrored(samples, np.append(mirror, _bone_mirror(len(vertices))))])
    mean = both.mean(axis=0)

    weight = np.full(len(mean), REST_WEIGHT)
    weight[front] = FACE_WEIGHT
    centred = (both - mean).reshape(len(both), -1)
    weighted = (centred.reshape(len(both), -1, 3) * weight[:, None]).reshape(len(both), -1)
    values, vectors = np.linalg.eigh(weighted @ weighted.T)
    order = np.argsort(values)[::-1][:components]
    scores = vectors[:, order] * np.sqrt(len(both))  # each of unit variance
    basis = (scores.T @ centred / len(both)).reshape(components, -1, 3)

    reflected = mirrored(basis, np.append(mirror, _bone_mirror(len(vertices))))
    signs = np.sign((reflected * basis).sum(axis=(1, 2)))
    basis = (basis + signs[:, None, None] * reflected) / 2
    # An eigenvector's sign is arbitrary; fix it so that the asset does not depend on the library.
    peak = np.abs(basis.reshape(len(basis), -1)).argmax(axis=1)
    way = np.sign(basis.reshape(len(basis), -1)[np.arange(len(basis)), peak])
    basis *= way[:, None, None]

    radius = _eye_radii(samples, crop)
    radius = np.concatenate([radius, radius[:, ::-1]])
    radius_basis = way[:, None] * (scores.T @ (radius - radius.mean(axis=0))) / len(both)
    radius_basis = (radius_basis + signs[:, None] * radius_basis[:, ::-1]) / 2
    return Identity(mean, basis, signs, radius.mean(axis=0), radius_basis)


def _eye_radii(samples: np.ndarray, crop: Crop) -> np.ndarray:
    """(S,2) m: mean distance of each eye's helper from its bone's head, in samples (S,V+10,3)."""
    bones = samples[:, -2 * len(BONE_NAMES) :]
    radii = []
    for bone, name in zip(EYE_BONES, EYES, strict=True):
        ball = samples[:, crop.of_groups(name)]
        radii.append(np.linalg.norm(ball - bones[:, bone, None], axis=2).mean(axis=1))
    return np.stack(radii, axis=1)


def _bone_mirror(offset: int) -> np.ndarray:
    """Where the rows of the mirrored bone ends stand: heads, then tails."""
    order = np.array([0, 1, 2, 4, 3])
    return offset + np.concatenate([order, order + len(order)])


def _bones(faces, rest, sizes, crop) -> np.ndarray:
    """(S,10,3): heads then tails, order BONE_NAMES."""
    parts = np.split(rest, np.cumsum(sizes), axis=1)
    neck, head, head_top, mouth, jaw_tip = (part.mean(axis=1) for part in parts)
    eyes = [_sphere_centres(faces[:, crop.of_groups(name)]) for name in EYES]
    ahead = np.array([0, 0, EYE_BONE_LENGTH])
    heads = [neck, head, mouth, *eyes]
    tails = [head, head_top, jaw_tip, *(eye + ahead for eye in eyes)]
    return np.stack(heads + tails, axis=1)


def _sphere_centres(points: np.ndarray) -> np.ndarray:
    """Least-squares centres (S,3) of spheres through points (S,N,3): |p|^2 = 2 p.c + d."""
    offset = points.mean(axis=1, keepdims=True)
    local = points - offset
    system = np.concatenate([2 * local, np.ones_like(local[..., :1])], axis=-1)
    right = (local**2).sum(axis=-1)
    solution = np.einsum("snk,sn->sk", np.linalg.pinv(system).transpose(0, 2, 1), right)
    return solution[:, :3] + offset[:, 0]


def front_face(mean: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Those of the vertices skin (S,), of FRONT_GROUPS, that a frontal picture shows; mean (V,3)."""
    return skin[(mean[skin, 2] > FACE_FRONT) & (mean[skin, 1] > FACE_BOTTOM)]


def align(samples: np.ndarray, front: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Samples (S,V,3), each moved rigidly to bring its vertices front (N,) closest to target (N,3)."""
    aligned = np.empty_like(samples)
    for index, sample in enumerate(samples):
        rotation, shift = rigid(sample[front], target)
        aligned[index] = rotation.apply(sample) + shift
    return aligned


def mirrored(points: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Points (S,V,3) as a mirror shows them; table (V,): the vertex on the other side."""
    return points[:, table] * np.array([-1.0, 1.0, 1.0])
