# SPDX-License-Identifier: GPL-3.0-or-later
"""One person's head: the face at rest, and the shapes and correctives as that face makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    """What contact adds to some vertices of a person: region (N,); shapes (R,N,3) m, those of
    shape_rows (R,); correctives (Q,N,3) m, those of corrective_rows (Q,). The others are left alone.
    """

    region: np.ndarray
    shape_rows: np.ndarray
    shapes: np.ndarray
    corrective_rows: np.ndarray
    correctives: np.ndarray

    def change(self, weights: np.ndarray, extra: np.ndarray) -> np.ndarray:
        """(N,3) m with weights of the shapes (52,) and of the correctives (K,)."""
        return _mixed(weights[self.shape_rows], self.shapes) + _mixed(
            extra[self.corrective_rows], self.correctives
        )


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
            shapes[np.ix_(patch.shape_rows, patch.region)] += patch.shapes
        for shape in shapes:
            shape[:] = self.head.articulation.mender.mend(self.neutral + shape) - self.neutral
        return shapes

    @cached_property
    def correctives(self) -> np.ndarray:
        """(K,V,3) m, order CORRECTIVE_NAMES."""
        correctives = _stretched(self.head.articulation.correctives, self.stretch)
        for patch in self.patches:
            correctives[np.ix_(patch.corrective_rows, patch.region)] += patch.correctives
        return correctives

    def express(self, weights: np.ndarray) -> np.ndarray:
        """The face (V,3) m with shape weights (52,), the eyes looking ahead.

        Quicker than summing `shapes`, and without their mended faces in the corners of eyes and
        mouth (some tenths of a millimetre).
        """
        weights = np.asarray(weights, np.float32)
        extra = corrective_weights(weights).astype(np.float32)
        drawn = _mixed(weights, self.head.shapes)
        drawn += _mixed(extra, self.head.articulation.correctives)
        face = self.neutral + np.matmul(self.stretch, drawn[..., None])[..., 0]
        for patch in self.patches:
            face[patch.region] += patch.change(weights, extra)
        return face

    def at(self, vertices: np.ndarray) -> PersonPoints:
        """The person at some vertices (N,); float64, for solvers; faces are not mended."""
        shapes = _stretched(self.head.shapes[:, vertices], self.stretch[vertices])
        drawn = self.head.articulation.correctives[:, vertices]
        correctives = _stretched(drawn, self.stretch[vertices])
        for patch in self.patches:
            _, here, there = np.intersect1d(vertices, patch.region, return_indices=True)
            shapes[np.ix_(patch.shape_rows, here)] += patch.shapes[:, there]
            correctives[np.ix_(patch.corrective_rows, here)] += patch.correctives[:, there]
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
        self._lid_motions = tuple(_LidMotion.of(head, lids.slit.region, blink)
                                  for lids, blink in zip(self.lids, BLINKS, strict=True))  # fmt: skip
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
            _lid_patch(lids, motion, neutral, stretch, bone_head[lids.bone], scale)
            for lids, motion, scale in zip(self.lids, self._lid_motions, scales, strict=True)
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
        return replace(
            patch, region=region, shapes=patch.shapes[:, rows], correctives=patch.correctives[:, rows]
        )

    def _put_teeth_behind(self, neutral: np.ndarray) -> None:
        """Moves the teeth of each jaw back, in place, until the closed lips cover them."""
        skin = neutral[self._lip_skin]
        for jaw in self._jaws:
            _, near = cKDTree(skin[:, :2]).query(neutral[jaw, :2], k=SKIN_BESIDE_TEETH)
            outside = neutral[jaw, 2] + TEETH_BEHIND_LIPS - skin[near, 2].max(axis=1)
            neutral[jaw, 2] -= max(float(outside.max()), 0.0)

    def _lip_patch(self, neutral, stretch) -> Patch:
        """What contact adds to the mouth: the lips that mouthClose seals over the open jaw, and a
        funnel that rounds the open mouth without parting its lips a second time."""
        region, rest = self.lips.region, neutral[self.lips.region]
        drawn = self.head.shapes[np.ix_([OPEN, CLOSE, FUNNEL], region)]
        opening, closing, funnel = _stretched(drawn, stretch[region])
        sealed, parted = rest + opening + closing, rest + funnel
        poses = np.stack([sealed, parted])
        closed = self.lips.close(poses).astype(np.float32) - poses
        rounded = CORRECTIVE_NAMES.index("jawOpen+mouthFunnel")
        return Patch(region, np.array([CLOSE]), closed[:1], np.array([rounded]), closed[1:])


@dataclass(frozen=True)
class _LidMotion:
    """What moves one eye's lids, on the mean head: drawn (R,N,3) m, the shapes `rows` (R,) in the
    lids' region; blink: its place in rows; looks: places in rows of the shapes with which the eye
    turns. Of the correctives: half, the one half way through the blink; pairs (Q,), those of the
    blink with another shape, and partners (Q,), the places of these in rows."""

    rows: np.ndarray
    drawn: np.ndarray
    blink: int
    looks: np.ndarray
    half: int
    pairs: np.ndarray
    partners: np.ndarray

    @classmethod
    def of(cls, head: Head, region: np.ndarray, blink: int) -> _LidMotion:
        drawn = head.shapes[:, region]
        rows = np.flatnonzero(np.abs(drawn).max(axis=(1, 2)) > MOVES)
        place = {int(row): position for position, row in enumerate(rows)}
        half, pairs = None, []
        for index, name in enumerate(CORRECTIVE_NAMES):
            first, second = factors(name)
            if first == blink and name.endswith(HALF_WAY):
                half = index
            elif first == blink:
                pairs.append((index, place[second]))
        looks = [position for row, position in place.items() if SHAPE_NAMES[row] in FULL_LOOKS]
        pairs, partners = np.array(pairs).T
        return cls(rows, drawn[rows], place[blink], np.array(looks), half, pairs, partners)


def _lid_patch(lids: Lids, motion: _LidMotion, neutral, stretch, centre, scale) -> Patch:
    """What contact adds to the shapes and correctives of an eye: skin settles off the ball that
    looks along the shape's axis, and off the one that was left at rest."""
    region, rest = lids.slit.region, neutral[lids.slit.region]
    drawn = _stretched(motion.drawn, stretch[region])
    axes = _LOOKS_ALONG[motion.rows]

    def settle(poses, axis=AHEAD):
        return lids.settle(poses, centre, axis, scale)

    poses = rest + drawn
    poses[motion.blink] = lids.slit.close_from_above(poses[motion.blink])
    poses = settle(poses)
    poses[motion.looks] = settle(poses[motion.looks], axes[motion.looks])
    poses[motion.blink] = lids.slit.close_from_above(poses[motion.blink])
    shapes = poses - rest
    blink = shapes[motion.blink]

    half = rest + blink / 2
    both = rest + blink + shapes[motion.partners]
    along = axes[motion.partners]
    closed = lids.slit.close_from_above(settle(settle(both), along))
    closed = lids.slit.close_from_above(settle(settle(closed), along))
    correctives = np.concatenate([(settle(half) - half)[None], closed - both])
    return Patch(
        region, motion.rows, (shapes - drawn).astype(np.float32),
        np.append(motion.half, motion.pairs), correctives.astype(np.float32),
    )  # fmt: skip


def _mixed(weights: np.ndarray, movements: np.ndarray) -> np.ndarray:
    """(N,3): the sum of movements (K,N,3) times weights (K,), of which most are zero as a rule."""
    active = np.flatnonzero(weights)
    flat = movements.reshape(len(movements), -1)
    out = np.zeros(flat.shape[1], np.float32)
    for index in active:
        out += weights[index] * flat[index]
    return out.reshape(movements.shape[1:])


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
