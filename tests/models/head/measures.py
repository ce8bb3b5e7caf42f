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

    Moeller and Trumbore's test (1997), written out by coordinates: small arrays are slow.
    """
    farthest = np.zeros(len(directions))
    for t in range(len(triangles)):
        a, b, c = triangles[t]
        ex, ey, ez = b[0] - a[0], b[1] - a[1], b[2] - a[2]
        fx, fy, fz = c[0] - a[0], c[1] - a[1], c[2] - a[2]
        ox, oy, oz = origin[0] - a[0], origin[1] - a[1], origin[2] - a[2]
        qx, qy, qz = oy * ez - oz * ey, oz * ex - ox * ez, ox * ey - oy * ex
        along = fx * qx + fy * qy + fz * qz
        for ray in range(len(directions)):
            dx, dy, dz = directions[ray]
            px, py, pz = dy * fz - dz * fy, dz * fx - dx * fz, dx * fy - dy * fx
            size = ex * px + ey * py + ez * pz
            if abs(size) < 1e-14:
                continue
            u = (ox * px + oy * py + oz * pz) / size
            v = (dx * qx + dy * qy + dz * qz) / size
            if u >= 0 and v >= 0 and u + v <= 1:
                farthest[ray] = max(farthest[ray], along / size)
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


@numba.njit(cache=True)
def inverted(quads, pose):
    """(F,) whether a quad crosses itself: two of its corners turn against the other two.

    One such corner makes a dart, which is still a face; Blender splits it along the right diagonal.
    """
    crosses = np.zeros(len(quads), np.bool_)
    for f in range(len(quads)):
        against = 0
        nx, ny, nz = _cross(pose, quads[f, 0], quads[f, 2], quads[f, 1], quads[f, 3])
        for corner in range(4):
            here, after, before = quads[f, corner], quads[f, (corner + 1) % 4], quads[f, corner - 1]
            x, y, z = _cross(pose, here, after, here, before)
            against += x * nx + y * ny + z * nz < 0
        crosses[f] = against >= 2
    return crosses


@numba.njit(cache=True)
def _cross(pose, a, b, c, d):
    """(b - a) x (d - c) of four vertices."""
    ux, uy, uz = pose[b, 0] - pose[a, 0], pose[b, 1] - pose[a, 1], pose[b, 2] - pose[a, 2]
    vx, vy, vz = pose[d, 0] - pose[c, 0], pose[d, 1] - pose[c, 1], pose[d, 2] - pose[c, 2]
    return uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
