# SPDX-License-Identifier: GPL-3.0-or-later
"""Lids that lie on the eyeballs and meet, lips that seal: what linear shapes cannot promise.

Both are a slit between two margins, an upper and a lower, that share their corners. A correction
moves the margins and lets the skin around follow, less and less with its distance along the
surface. Poses are the vertices (…,N,3) m of a slit's region.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from .names import SURFACE, group_numbers
from .topology import Topology, arcs

if TYPE_CHECKING:
    from .head import Head

# iBUG points of each slit.
LEFT_EYE, RIGHT_EYE, MOUTH = range(42, 48), range(36, 42), range(60, 68)

LID_REACH, LIP_REACH = 0.011, 0.014  # m along the surface from a margin to where nothing follows
SHARPNESS = 0.0015  # m: how far to both sides along a margin skin looks for what it follows
SEAL_ROUNDS = 3
# Next to the corners margins are left as they are: gaps there are hairlines, and closing them
# would crush the mesh.
LID_TAPER, LIP_TAPER = 0.03, 0.08  # of a margin's length

# Skin of the lids stays so far off the eyeball: as on the mean person at rest, within these bounds.
THINNEST, THICKEST = 0.0003, 0.0008  # m
SUNK = -0.0002  # m
FRONT_OF_EYE = -0.002  # m from the eye's centre: lids lie in front of this plane
AHEAD = np.array([0.0, 0.0, 1.0])
PROFILE_ANGLES = np.linspace(0, np.pi, 181)  # rad from the eye's axis


@dataclass(frozen=True)
class Slit:
    """Two margins and the skin that follows them.

    region (N,) vertices of the head; upper (U,), lower (L,) positions in the region of the
    margins' vertices, corner to corner, both with the corners; meets_lower (U,2): segment of the
    lower margin and place on it where each upper vertex arrives; meets_upper (L,2) the other way
    round; follow_upper (N,U), follow_lower (N,L): how the region follows shifts of the margins.
    """

    region: np.ndarray
    upper: np.ndarray
    lower: np.ndarray
    meets_lower: np.ndarray
    meets_upper: np.ndarray
    follow_upper: np.ndarray
    follow_lower: np.ndarray

    @classmethod
    def of(cls, head: Head, points: range, reach: float, taper: float) -> Slit:
        """The slit whose inner edge carries the iBUG points; found on the mean person."""
        topology = Topology(head.quads[np.isin(head.group, group_numbers(*SURFACE))])
        marks = [int(head.points68[p]) for p in points]
        loop = next(loop for loop in topology.closed_loops(marks[0]) if set(marks) <= set(loop))
        corners = sorted(loop, key=lambda vertex: head.mean[vertex, 0])
        upper, lower = arcs(head.mean, np.array(loop), corners[0], corners[-1])
        distance = _along_surface(head.mean, topology, np.concatenate([upper, lower]), reach)
        region = np.flatnonzero((distance < reach).any(axis=0))
        place = np.full(len(head.mean), -1)
        place[region] = np.arange(len(region))
        to_upper, to_lower = np.split(distance[:, region], [len(upper)])
        return cls(
            region, place[upper], place[lower],
            _meeting(head.mean[upper], head.mean[lower]), _meeting(head.mean[lower], head.mean[upper]),
            *(follow * _away_from_corners(head.mean[margin], taper)
              for follow, margin in zip(_follow(to_upper, to_lower, reach), (upper, lower), strict=True)),
        )  # fmt: skip

    def gaps(self, pose: np.ndarray) -> np.ndarray:
        """(…,U,3) m from each vertex of the upper margin to where it meets the lower one."""
        return _on(pose[..., self.lower, :], self.meets_lower) - pose[..., self.upper, :]

    def close_from_above(self, pose: np.ndarray) -> np.ndarray:
        """The pose with the upper margin brought to the lower one."""
        return pose + self.follow_upper @ self.gaps(pose)

    def close(self, pose: np.ndarray) -> np.ndarray:
        """The pose with both margins brought half way."""
        for _ in range(SEAL_ROUNDS):
            down = self.gaps(pose)
            up = _on(pose[..., self.upper, :], self.meets_upper) - pose[..., self.lower, :]
            pose = pose + self.follow_upper @ (down / 2) + self.follow_lower @ (up / 2)
        return pose


class Lids:
    """One eye's slit and its ball.

    outer (N,): which vertices of the region are skin that can be seen.
    The ball's surface turns with the gaze: its radius is a profile over the angle from the eye's
    axis, which the cornea makes bulge.
    """

    def __init__(self, head: Head, points: range, bone: int, ball: np.ndarray):
        """bone: the eye's; ball: the vertices of its eyeball."""
        self.slit = Slit.of(head, points, LID_REACH, LID_TAPER)
        self.ball, self.bone = ball, bone
        self.rest = head.mean[ball] - head.bone_mean[0, bone]
        self._profile = _profile(self.rest)
        offset = head.mean[self.slit.region] - head.bone_mean[0, bone]
        clearance = self._clearance(offset, _length(offset), AHEAD, 1.0)
        self._thickness = np.clip(clearance, THINNEST, THICKEST)
        # What runs back round the ball, or is drawn inside it behind the lids' edges, shows nowhere.
        self.outer = (offset[:, 2] > FRONT_OF_EYE) & (clearance > SUNK)
        self._thickness[~self.outer] = -np.inf

    def scale(self, ball: np.ndarray, centre: np.ndarray) -> float:
        """Size of a person's eyeball (B,3) m about its centre (3,), the mean's being 1."""
        return float(np.linalg.norm(ball - centre) / np.linalg.norm(self.rest))

    def settle(self, pose: np.ndarray, centre: np.ndarray, axis: np.ndarray, scale: float):
        """The pose (…,N,3) with all skin outside the eyeball.

        centre (3,) m; axis (…,3) unit vectors of the gaze; scale: the eyeball's size.
        """
        offset = pose - np.asarray(centre, np.float32)
        radius = _length(offset)
        sunk = self._thickness - self._clearance(offset, radius, axis, scale)
        return pose + offset * (np.maximum(sunk, 0) / radius)[..., None]

    def _clearance(self, offset, radius, axis, scale):
        """(…,N) m by which points relative to the eye's centre, so far from it, lie outside its
        ball."""
        cosine = (offset @ np.asarray(axis, np.float32)[..., None])[..., 0] / radius
        angle = np.arccos(np.clip(cosine, -1, 1))
        return radius - np.float32(scale) * np.interp(angle, PROFILE_ANGLES, self._profile).astype(np.float32)


def _length(vectors: np.ndarray) -> np.ndarray:
    """Norms (…) of vectors (…,3); quicker than np.linalg.norm."""
    return np.sqrt(np.einsum("...c,...c->...", vectors, vectors))


def _profile(rest: np.ndarray) -> np.ndarray:
    """Radius (m) of the eyeball's vertices (B,3) at PROFILE_ANGLES."""
    radius = np.linalg.norm(rest, axis=1)
    angle = np.arccos(rest[:, 2] / radius)
    order = np.argsort(angle)
    return np.interp(PROFILE_ANGLES, angle[order], radius[order])


def _along_surface(positions, topology: Topology, sources: np.ndarray, reach: float) -> np.ndarray:
    """(S,V) m along the edges from each source, inf beyond the reach."""
    pairs = np.array([(a, b) for a, others in topology.neighbours.items() for b in others])
    length = np.linalg.norm(positions[pairs[:, 0]] - positions[pairs[:, 1]], axis=1)
    graph = csr_array((length, pairs.T), (len(positions), len(positions)))
    # Paths may overshoot what counts, so that softly weighted neighbours are all known.
    return dijkstra(graph, indices=sources, limit=2 * reach)


def _follow(to_upper: np.ndarray, to_lower: np.ndarray, reach: float):
    """(N,U) and (N,L) weights from distances (U,N), (L,N) m along the surface.

    A vertex follows the margin vertices nearest to it, those of the margin it is nearer to above
    all; a margin vertex follows itself alone.
    """
    both = np.concatenate([to_upper, to_lower]).T
    nearest = both.min(axis=1, keepdims=True)
    weight = np.exp(-np.minimum((both - nearest) / (SHARPNESS + nearest), 50.0))
    weight[np.isinf(both)] = 0.0
    weight[nearest[:, 0] == 0] = (both == 0)[nearest[:, 0] == 0]
    weight /= weight.sum(axis=1, keepdims=True)
    weight *= _ease(1 - nearest / reach)
    return np.split(weight, [len(to_upper)], axis=1)


def _away_from_corners(margin: np.ndarray, taper: float) -> np.ndarray:
    """(L,) from 0 at both ends of a margin (L,3) to 1 beyond the taper."""
    share = _shares(margin)
    return _ease(np.minimum(share, 1 - share) / taper)


def _ease(ramp: np.ndarray) -> np.ndarray:
    """From 0 to 1 with level ends (smoothstep), for a ramp that is clipped to 0 to 1."""
    ramp = np.clip(ramp, 0, 1)
    return ramp * ramp * (3 - 2 * ramp)


def _meeting(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """(N,2) where each point of one margin meets the other, a line (L,3): segment, place on it.

    They meet at the same share of the two margins' lengths, corners with corners.
    """
    share = _shares(points)
    along = _shares(line)
    segment = np.clip(np.searchsorted(along, share, side="right") - 1, 0, len(line) - 2)
    place = (share - along[segment]) / (along[segment + 1] - along[segment])
    return np.stack([segment, np.clip(place, 0, 1)], axis=1)


def _shares(line: np.ndarray) -> np.ndarray:
    """(L,) from 0 to 1: how much of its width each vertex of a margin (L,3) has passed."""
    along = np.append(0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1)))
    return along / along[-1]


def _on(line: np.ndarray, meeting: np.ndarray) -> np.ndarray:
    """Values (…,N,C) at places (N,2) of lines (…,L,C)."""
    segment, place = meeting[:, 0].astype(int), meeting[:, 1:]
    return line[..., segment, :] * (1 - place) + line[..., segment + 1, :] * place
