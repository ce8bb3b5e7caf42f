# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's head: the face at rest, and the shapes and correctives as that face makes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from .contact import AHEAD, LEFT_EYE, LIP_REACH, LIP_TAPER, MOUTH, RIGHT_EYE, Lids, Slit
from .gaze import FULL_LOOKS, gaze_matrix
from .mend import Mender
from .names import (
    BONE_NAMES,
    CORRECTIVE_NAMES,
    EYE_BONES,
    HALF_WAY,
    SHAPE_NAMES,
    SURFACE,
    corrective_weights,
    factors,
    group_numbers,
)
from .stretch import Stretch

if TYPE_CHECKING:
    from .head import Head

BLINKS = [SHAPE_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
OPEN, CLOSE, FUNNEL = map(SHAPE_NAMES.index, ("jawOpen", "mouthClose", "mouthFunnel"))
JAW_BONE = BONE_NAMES.index("jaw")
MOVES = 1e-5  # m: a shape that moves no vertex of a region by more leaves it alone
TEETH_BEHIND_LIPS = 0.0012  # m
SKIN_BESIDE_TEETH = 4  # vertices of the lips in front of a tooth that say how far forward it may be


@dataclass(frozen=True)
class Patch:
    """What contact adds to some vertices of a person: region (N,), shapes (52,N,3) m,
    correctives (K,N,3) m."""

    region: np.ndarray
    shapes: np.ndarray
    correctives: np.ndarray


@dataclass(frozen=True)
class PersonPoints:
    """Some vertices of a person: neutral (N,3), shapes (52,N,3), correctives (K,N,3), all m."""

    neutral: np.ndarray
    shapes: np.ndarray
    correctives: np.ndarray

    def express(self, weights: np.ndarray) -> np.ndarray:
        """(T,N,3) m with shape weights (T,52)."""
        bases = np.concatenate([self.shapes, self.correctives])
        both = np.concatenate([weights, corrective_weights(weights)], axis=1)
        return self.neutral + (both @ bases.reshape(len(bases), -1)).reshape(-1, *self.neutral.shape)


@dataclass(frozen=True)
class Person:
    """neutral (V,3) m; bone_head, bone_tail (5,3) m; stretch (V,3,3): the gradient that takes
    movements of the mean face to this one; patches: what contact changes."""

    head: Head
    neutral: np.ndarray
    bone_head: np.ndarray
    bone_tail: np.ndarray
    stretch: np.ndarray
    patches: tuple[Patch, ...]

    @cached_property
    def shapes(self) -> np.ndarray:
        """(52,V,3) m, order SHAPE_NAMES."""
        shapes = _stretched(self.head.shapes, self.stretch)
        for patch in self.patches:
            shapes[:, patch.region] += patch.shapes
        for shape in shapes:
            shape[:] = self.head.articulation.mender.mend(self.neutral + shape) - self.neutral
        return shapes

    @cached_property
    def correctives(self) -> np.ndarray:
        """(K,V,3) m, order CORRECTIVE_NAMES."""
        correctives = _stretched(self.head.articulation.correctives, self.stretch)
        for patch in self.patches:
            correctives[:, patch.region] += patch.correctives
        return correctives

    def express(self, weights: np.ndarray) -> np.ndarray:
        """The face (V,3) m with shape weights (52,), the eyes looking ahead.

        Quicker than summing `shapes`, and without their mended faces in the corners of eyes and
        mouth (some tenths of a millimetre).
        """
        weights = np.asarray(weights, np.float32)
        extra = corrective_weights(weights).astype(np.float32)
        drawn = np.tensordot(weights, self.head.shapes, 1)
        drawn += np.tensordot(extra, self.head.articulation.correctives, 1)
        face = self.neutral + np.einsum("vij,vj->vi", self.stretch, drawn)
        for patch in self.patches:
            face[patch.region] += np.tensordot(weights, patch.shapes, 1)
            face[patch.region] += np.tensordot(extra, patch.correctives, 1)
        return face

    def at(self, vertices: np.ndarray) -> PersonPoints:
        """The person at some vertices (N,); float64, for solvers; faces are not mended."""
        shapes = _stretched(self.head.shapes[:, vertices], self.stretch[vertices])
        drawn = self.head.articulation.correctives[:, vertices]
        correctives = _stretched(drawn, self.stretch[vertices])
        for patch in self.patches:
            _, here, there = np.intersect1d(vertices, patch.region, return_indices=True)
            shapes[:, here] += patch.shapes[:, there]
            correctives[:, here] += patch.correctives[:, there]
        return PersonPoints(
            *(a.astype(float) for a in (self.neutral[vertices], shapes, correctives))
        )

    def look(self, face: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """A face (V,3) of this person with the eyeballs turned by gaze (2,2) rad."""
        return self.head.rotate_eyes(face, self.bone_head[list(EYE_BONES)], gaze)


class Articulation:
    """What the head model needs to make a person; the same for all people.

    correctives (K,V,3) m of the mean person, without contact.
    """

    def __init__(self, head: Head):
        self.head = head
        self.lids = tuple(
            Lids(head, points, bone, ball)
            for points, bone, ball in zip((LEFT_EYE, RIGHT_EYE), EYE_BONES, head.eye_vertices, strict=True)
        )  # fmt: skip
        self.lips = Slit.of(head, MOUTH, LIP_REACH, LIP_TAPER)
        face = np.unique(head.quads[np.isin(head.group, group_numbers("skin", "lips", "eyelids"))])
        self._face_stretch = Stretch(head.mean, face, head.identity_basis)
        self.mender = Mender(head.quads[np.isin(head.group, group_numbers(*SURFACE))], len(head.mean))
        self.correctives = _in_the_jaw_frame(head)
        jaw_share = _share(head, JAW_BONE)
        gums = head.group_vertices("gums")
        lower = np.concatenate([head.group_vertices("teeth_lower"), gums[jaw_share[gums] > 0.5]])
        upper = np.concatenate([head.group_vertices("teeth_upper"), gums[jaw_share[gums] <= 0.5]])
        self._jaws = (upper, lower)
        self._hanging = np.flatnonzero(head.anchor != np.arange(len(head.mean)))
        self._lip_skin = np.intersect1d(face, self.lips.region)

    def person(self, identity: np.ndarray) -> Person:
        """The person of an identity (60,) in standard deviations."""
        head = self.head
        drawn = head.neutral(identity)
        neutral = drawn.copy()
        stretch = self._stretch(identity)
        bone_head, bone_tail = head.bones(identity)
        scales = []
        for lids in self.lids:
            centre = bone_head[lids.bone]
            scales.append(lids.scale(neutral[lids.ball], centre))
            neutral[lids.ball] = centre + scales[-1] * lids.rest
            skin = lids.slit.region
            neutral[skin] = lids.settle(neutral[skin], centre, AHEAD, scales[-1])
        neutral[self.lips.region] = self.lips.close(neutral[self.lips.region])
        self._put_teeth_behind(neutral)
        neutral = self.mender.mend(neutral)
        hooks = head.anchor[self._hanging]
        neutral[self._hanging] += neutral[hooks] - drawn[hooks]
        patches = [
            self._lid_patch(lids, neutral, stretch, bone_head[lids.bone], scale)
            for lids, scale in zip(self.lids, scales, strict=True)
        ]
        patches.append(self._lip_patch(neutral, stretch))
        patches = tuple(self._with_hanging(patch) for patch in patches)
        return Person(head, neutral, bone_head, bone_tail, stretch, patches)

    def _stretch(self, identity: np.ndarray) -> np.ndarray:
        """(V,3,3). Jaws are stiff: all their vertices take the mean of theirs. Hair takes that of
        the skin that it grows from."""
        stretch = self._face_stretch(identity)
        stretch[self._hanging] = stretch[self.head.anchor[self._hanging]]
        for jaw in self._jaws:
            stretch[jaw] = stretch[jaw].mean(axis=0)
        return stretch

    def _with_hanging(self, patch: Patch) -> Patch:
        """The patch with the hair that grows in its region."""
        place = np.full(len(self.head.mean), -1)
        place[patch.region] = np.arange(len(patch.region))
        hooks = place[self.head.anchor[self._hanging]]
        rows = np.concatenate([np.arange(len(patch.region)), hooks[hooks >= 0]])
        region = np.concatenate([patch.region, self._hanging[hooks >= 0]])
        return Patch(region, patch.shapes[:, rows], patch.correctives[:, rows])

    def _put_teeth_behind(self, neutral: np.ndarray) -> None:
        """Moves the teeth of each jaw back, in place, until the closed lips cover them."""
        skin = neutral[self._lip_skin]
        for jaw in self._jaws:
            _, near = cKDTree(skin[:, :2]).query(neutral[jaw, :2], k=SKIN_BESIDE_TEETH)
            outside = neutral[jaw, 2] + TEETH_BEHIND_LIPS - skin[near, 2].max(axis=1)
            neutral[jaw, 2] -= max(float(outside.max()), 0.0)

    def _lid_patch(self, lids: Lids, neutral, stretch, centre, scale) -> Patch:
        """What contact adds to the shapes and correctives of an eye."""
        region, rest = lids.slit.region, neutral[lids.slit.region]
        drawn = _stretched(self.head.shapes[:, region], stretch[region])

        def settle(pose, axis=AHEAD):
            """Off the ball that looks along the axis, and off the one that was left at rest."""
            pose = lids.settle(pose, centre, AHEAD, scale)
            return pose if axis is AHEAD else lids.settle(pose, centre, axis, scale)

        moving = np.abs(drawn).max(axis=(1, 2)) > MOVES
        poses = np.where(moving[:, None, None], settle(rest + drawn, _LOOKS_ALONG), rest)
        blink = BLINKS[self.lids.index(lids)]
        poses[blink] = lids.slit.close_from_above(settle(lids.slit.close_from_above(rest + drawn[blink])))
        shapes = poses - rest
        correctives = np.zeros((len(CORRECTIVE_NAMES), len(region), 3), np.float32)
        for index, name in enumerate(CORRECTIVE_NAMES):
            first, second = factors(name)
            if first != blink:
                continue
            if name.endswith(HALF_WAY):
                pose = rest + shapes[blink] / 2
                correctives[index] = settle(pose) - pose
            else:
                pose, axis = rest + shapes[blink] + shapes[second], _LOOKS_ALONG[second]
                closed = lids.slit.close_from_above(settle(pose, axis))
                correctives[index] = lids.slit.close_from_above(settle(closed, axis)) - pose
        return Patch(region, (shapes - np.where(moving[:, None, None], drawn, 0)).astype(np.float32), correctives)

    def _lip_patch(self, neutral, stretch) -> Patch:
        """What contact adds to the mouth: the lips that mouthClose seals over the open jaw, and a
        funnel that rounds the open mouth without parting its lips a second time."""
        region, rest = self.lips.region, neutral[self.lips.region]
        drawn = _stretched(self.head.shapes[:, region], stretch[region])
        shapes = np.zeros_like(drawn)
        sealed = rest + drawn[OPEN] + drawn[CLOSE]
        shapes[CLOSE] = self.lips.close(sealed) - sealed
        correctives = np.zeros((len(CORRECTIVE_NAMES), len(region), 3), np.float32)
        parted = rest + drawn[FUNNEL]
        rounded = CORRECTIVE_NAMES.index("jawOpen+mouthFunnel")
        correctives[rounded] = self.lips.close(parted) - parted
        return Patch(region, shapes, correctives)


def _stretched(movements: np.ndarray, stretch: np.ndarray) -> np.ndarray:
    """Movements (K,N,3) of the mean face on a person with stretch (N,3,3)."""
    return np.matmul(movements.swapaxes(0, 1), stretch.swapaxes(1, 2)).swapaxes(0, 1).copy()


def _share(head: Head, bone: int) -> np.ndarray:
    """(V,) weight of one bone."""
    return np.where(head.skin_index == bone, head.skin_weight, 0).sum(axis=1)


def _in_the_jaw_frame(head: Head) -> np.ndarray:
    """Correctives (K,V,3) m of the mouth with the open jaw: what hangs on the jaw turns with it.

    A shape's movement is drawn for the closed jaw. On skin that the jaw carries it must be turned
    as the opened jaw is, in proportion to the jaw's share of it.
    """
    teeth = head.group_vertices("teeth_lower")
    closed = head.mean[teeth] - head.mean[teeth].mean(axis=0)
    opened = head.mean[teeth] + head.shapes[OPEN, teeth]
    turn, _ = Rotation.align_vectors(opened - opened.mean(axis=0), closed)
    change = (turn.as_matrix() - np.eye(3)).T
    share = _share(head, JAW_BONE)[:, None]
    correctives = np.zeros((len(CORRECTIVE_NAMES), *head.mean.shape), np.float32)
    for index, name in enumerate(CORRECTIVE_NAMES):
        first, second = factors(name)
        if first == OPEN:
            correctives[index] = share * (head.shapes[second] @ change)
    return correctives


# (52,3): where an eye looks that wears a shape at full weight.
_LOOKS_ALONG = np.stack(
    [gaze_matrix(FULL_LOOKS[name])[:, 2] if name in FULL_LOOKS else AHEAD for name in SHAPE_NAMES]
)
