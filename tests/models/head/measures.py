# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist would see wrong with a head: gaping lids and lips, eyes and teeth poking out,
faces of the mesh turned inside out. All in metres and head space."""

import numba
import numpy as np

from models.head import group_numbers

FRONT_OF_EYE = np.deg2rad(65.0)  # from the eye's axis: what a slit can show or a lid must cover


def gap(pose, slit):
    """The widest distance of the upper margin's vertices from the line of the lower one."""
    upper, lower = pose[slit.region[slit.upper]], pose[slit.region[slit.lower]]
    start, along = lower[:-1], np.diff(lower, axis=0)
    place = np.einsum("ulc,lc->ul", upper[:, None] - start, along) / (along**2).sum(axis=1)
    foot = start + np.clip(place, 0, 1)[..., None] * along
    return np.linalg.norm(upper[:, None] - foot, axis=2).min(axis=1).max()


def eye_poke(pose, ball, centre, axis, skin):
    """How far the foremost vertex of an eyeball lies in front of the lid that should cover it.

    ball: the eyeball's vertices; axis (3,): where it looks; skin (N,3): triangles around the eye.
    """
    offset = pose[ball] - centre
    radius = np.linalg.norm(offset, axis=1)
    front = offset @ axis > np.cos(FRONT_OF_EYE) * radius
    covered = farthest_hit(centre, offset[front] / radius[front, None], pose[skin])
    poke = np.where(covered > 0, radius[front] - covered, -np.inf)
    return poke.max()


@numba.njit(cache=True)
def farthest_hit(origin, directions, triangles):
    """(N,) distance to the outermost of triangles (T,3,3) that each ray meets, 0 where none is.

    Moeller and Trumbore's test (1997).
    """
    farthest = np.zeros(len(directions))
    for ray in range(len(directions)):
        direction = directions[ray]
        for t in range(len(triangles)):
            a, b, c = triangles[t]
            one, two = b - a, c - a
            across = np.cross(direction, two)
            size = np.dot(one, across)
            if abs(size) < 1e-14:
                continue
            away = origin - a
            u = np.dot(away, across) / size
            if u < 0 or u > 1:
                continue
            turned = np.cross(away, one)
            v = np.dot(direction, turned) / size
            if v < 0 or u + v > 1:
                continue
            farthest[ray] = max(farthest[ray], np.dot(two, turned) / size)
    return farthest


def skin_around_eye(head, lids):
    """Triangles (N,3) of the skin that can be seen around an eye."""
    skin = head.triangles[np.isin(head.triangle_group, group_numbers("skin", "eyelids"))]
    return skin[np.isin(skin, lids.slit.region[lids.outer]).all(axis=1)]


def tooth_poke(pose, teeth, lips):
    """How far the foremost tooth vertex lies in front of the closed lips (N,3 triangles).

    Along head space's z; a tooth beside the lips does not count.
    """
    forward = np.array([0.0, 0.0, 1.0])
    worst = -np.inf
    for tooth in teeth:
        origin = pose[tooth] - forward
        hit = farthest_hit(origin, forward[None], pose[lips])[0]
        if hit > 0:
            worst = max(worst, 1.0 - hit)
    return worst


def quad_normals(quads, pose):
    """(F,3) unit normals by the diagonals."""
    a, b, c, d = np.moveaxis(pose[quads], 1, 0)
    normal = np.cross(c - a, d - b)
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


def inverted(quads, pose):
    """(F,) whether a quad crosses itself: two of its corners turn against the other two.

    One such corner makes a dart, which is still a face; Blender splits it along the right diagonal.
    """
    normal = quad_normals(quads, pose)
    corners = pose[quads]
    before, after = np.roll(corners, 1, axis=1), np.roll(corners, -1, axis=1)
    turn = np.cross(after - corners, before - corners)
    return (np.einsum("fkc,fc->fk", turn, normal) < 0).sum(axis=1) >= 2
