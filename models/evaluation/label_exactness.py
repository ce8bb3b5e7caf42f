# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a training picture's labels say the same thing.

Each measure takes two labels that reached the sample on different ways and compares them: points
with parameters, segmentation with points, the labels of the surface with the parameters.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from models.head import GROUP_NAMES
from models.synthesis import pool
from models.synthesis.landmarks import JAW_COUNT, project_points
from models.synthesis.pixel_labels import COVERING

POINT_LIMIT = 0.01  # px: worst point against its parameters
BORDER_LIMIT, BORDER_SHARE = 1.0, 0.95  # cells of the segmentation; share of points within
CLASS_SHARE = 0.995  # of the points, whose class must be found within BORDER_LIMIT
PLACE_LIMIT = 0.3  # px: worst cell of the surface against its own centre
DEPTH_LIMIT = 0.5  # mm: worst cell against the depth of the place it names
POINT_DEPTH_LIMIT = 1.0  # mm: median over points, against the cells around them
NORMAL_LIMIT = 10.0  # degrees: median between a cell's normal and its triangle's

# Points on the border of a class, with the pairs across whose distance says that there is a border.
# Without the eyes' inner corners: people mark the tear duct's, and the eyeball ends before it.
BORDERS = {
    "lips": (pool.LIPS, tuple(range(48, 60)), ((51, 57),)),
    "inside_mouth": (pool.INSIDE_MOUTH, (61, 62, 63, 65, 66, 67), ((61, 67), (62, 66), (63, 65))),
    "right_eye": (pool.EYES, (36, 37, 38, 40, 41), ((37, 41), (38, 40))),
    "left_eye": (pool.EYES, (43, 44, 45, 46, 47), ((43, 47), (44, 46))),
}
LEAST_OPENING = 5.0  # px between the pairs: two and a half cells
UNSURE = (*COVERING, pool.UNKNOWN)
CLEAR_OF_COVER = 3.0  # cells from a point to the nearest covered one, for the point to count

CANDIDATES = (24, 240)  # triangles looked at around a place on the mean head, and if in vain
PLACE_SLACK = 1.5e-4  # m that a rounded place may lie beside its triangle
CELL_SIDE = pool.IMAGE_SIDE // pool.SURFACE_SIDE
SMOOTH_STEP = 0.004  # m between neighbouring cells' depths across which depth is interpolated


@dataclass(frozen=True)
class Posed:
    """A sample's head as its parameters put it: camera (V,3) m, translation (3,) m, intrinsics
    (3,3) px."""

    camera: np.ndarray
    translation: np.ndarray
    intrinsics: np.ndarray

    @staticmethod
    def of(sample, head):
        """From the labels alone.

        The translation is not stored: the points that are plain vertices determine it linearly,
        since (X + tx) = ray_x (Z + tz), and the same for y.
        """
        vertices = head.evaluate(sample.identity, sample.expression, sample.gaze).astype(np.float64)
        turned = vertices @ sample.rotation.T.astype(np.float64)
        middle = (pool.IMAGE_SIDE - 1) / 2
        seen = turned[head.point_vertices[JAW_COUNT:]]
        ray = (sample.points[JAW_COUNT:].astype(np.float64) - middle) / sample.focal
        rows, right = np.zeros((2, len(ray), 3)), np.empty((2, len(ray)))
        for axis in range(2):
            rows[axis, :, axis], rows[axis, :, 2] = 1.0, -ray[:, axis]
            right[axis] = ray[:, axis] * seen[:, 2] - seen[:, axis]
        translation, *_ = np.linalg.lstsq(rows.reshape(-1, 3), right.ravel(), rcond=None)
        focal = sample.focal
        intrinsics = np.array([[focal, 0, middle], [0, focal, middle], [0, 0, 1.0]])
        return Posed(turned + translation, translation, intrinsics)


def point_errors(sample, posed, head):
    """(P,) px between the stored points and those that the parameters give."""
    again = project_points(head, posed.camera, posed.intrinsics)
    return np.linalg.norm(again - sample.points, axis=1)


def border_distances(sample):
    """Name of a border -> distances (n,), in cells of the segmentation, of its visible points from
    the border of their class. Left out where the slit is shut or something covers the place."""
    answer = {}
    cells = (sample.points[:68].astype(np.float64) + 0.5) / 2 - 0.5
    covered = np.isin(sample.segmentation, UNSURE)
    for name, (value, points, pairs) in BORDERS.items():
        opening = np.mean([np.linalg.norm(sample.points[a] - sample.points[b]) for a, b in pairs])
        chosen = [p for p in points if sample.visible[p]] if opening >= LEAST_OPENING else []
        place = cells[chosen].reshape(-1, 2)
        place = place[_reach(covered, place) >= CLEAR_OF_COVER]
        inside = sample.segmentation == value
        answer[name] = np.maximum(_reach(inside, place), _reach(~inside, place))
    return answer


def class_distances(sample, classes):
    """(n,) cells from each visible point that nothing covers to the nearest cell of a class that
    its own triangles have; classes (P,8) bool: those classes."""
    cells = (sample.points.astype(np.float64) + 0.5) / 2 - 0.5
    seen = sample.visible > 0
    seen &= _reach(np.isin(sample.segmentation, UNSURE), cells) >= CLEAR_OF_COVER
    distance = np.full(len(cells), np.inf)
    for value in np.flatnonzero(classes.any(axis=0)):
        own = classes[:, value] & seen
        distance[own] = np.minimum(distance[own], _reach(sample.segmentation == value, cells[own]))
    return distance[seen]


def point_classes(head):
    """(P,8) bool: the classes of the triangles around each tracked vertex."""
    group = np.array(GROUP_NAMES)[head.triangle_group]
    answer = np.zeros((len(head.point_vertices), len(pool.SEGMENTATION_CLASSES)), bool)
    for names, value in (
        (("skin", "eyelids", "ears"), pool.SKIN), (("lips",), pool.LIPS),
        (("eye_left", "eye_right"), pool.EYES),
        (("inside_mouth", "teeth_upper", "teeth_lower", "tongue", "gums"), pool.INSIDE_MOUTH),
    ):  # fmt: skip
        vertices = np.unique(head.triangles[np.isin(group, names)])
        answer[np.isin(head.point_vertices, vertices), value] = True
    return answer


def _reach(mask, places):
    """Cells (n,) from places (n,2) to the nearest cell of a mask; inf without any."""
    row, column = np.nonzero(mask)
    if len(row) == 0 or len(places) == 0:
        return np.full(len(places), np.inf)
    beside = np.abs(np.stack([column, row], axis=1)[None] - places[:, None]) - 0.5
    return np.linalg.norm(np.maximum(beside, 0), axis=2).min(axis=1)


class SurfaceProbe:
    """Finds places of the mean head on its triangles."""

    def __init__(self, head):
        hidden = np.isin(np.array(GROUP_NAMES)[head.triangle_group], ("lashes", "brows"))
        self.triangles = head.triangles[~hidden]
        self.corners = head.mean[self.triangles].astype(np.float64)
        self.tree = cKDTree(self.corners.mean(axis=1))

    def find(self, places, candidates):
        """Triangles (n,K), weights (n,K,3) of the nearest points on their planes, and whether
        those are the places (n,3) m within PLACE_SLACK."""
        _, near = self.tree.query(places, k=candidates)
        a, b, c = np.moveaxis(self.corners[near], 2, 0)
        u, v, w = b - a, c - a, places[:, None] - a
        uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
        uw, vw = (u * w).sum(-1), (v * w).sum(-1)
        area = np.maximum(uu * vv - uv * uv, 1e-24)
        second, third = (vv * uw - uv * vw) / area, (uu * vw - uv * uw) / area
        weights = np.clip(np.stack([1 - second - third, second, third], axis=-1), 0, 1)
        weights /= weights.sum(axis=-1, keepdims=True)
        found = np.einsum("nkc,nkcx->nkx", weights, self.corners[near])
        return near, weights, np.linalg.norm(found - places[:, None], axis=-1) < PLACE_SLACK


def surface_errors(sample, posed, probe):
    """Of the n cells that show the head: px (n,) from the centre to where the place that the cell
    names appears, inf if there is no such place; mm (n,) between its depth and the cell's; degrees
    (n,) between the cell's normal and its triangle's."""
    row, column = np.nonzero(sample.surface["depth"] != pool.NOWHERE)
    cells = sample.surface[row, column]
    centres = np.stack([column, row], axis=1) * CELL_SIDE + (CELL_SIDE - 1) / 2
    errors = np.stack(_cell_errors(cells, centres, posed, probe, CANDIDATES[0]), axis=1)
    # Long triangles have their centres far away.
    lost = np.isinf(errors[:, 0])
    if lost.any():
        errors[lost] = np.stack(
            _cell_errors(cells[lost], centres[lost], posed, probe, CANDIDATES[1]), axis=1
        )
    return errors.T


def _cell_errors(cell, centre, posed, probe, candidates):
    """The three errors (n,) of cells (n,) of the surface whose centres (n,2) px are given."""
    near, weights, on_it = probe.find(cell["canonical"] * pool.SURFACE_UNIT, candidates)
    corners = posed.camera[probe.triangles[near]]
    place = np.einsum("nkc,nkcx->nkx", weights, corners)
    pixel = place[..., :2] / place[..., 2:] * posed.intrinsics[0, 0] + posed.intrinsics[:2, 2]
    away = np.where(on_it, np.linalg.norm(pixel - centre[:, None], axis=-1), np.inf)
    # Surfaces that touch on the mean head, as closed lips do, are told apart by what fits.
    best = away.argmin(axis=1)[:, None]
    depth = np.take_along_axis(place[..., 2], best, 1)[:, 0] - posed.translation[2]
    facing = np.cross(corners[:, :, 1] - corners[:, :, 0], corners[:, :, 2] - corners[:, :, 0])
    facing = np.take_along_axis(facing, best[..., None], 1)[:, 0]
    normal = cell["normal"].astype(np.float64)
    cosine = (facing * normal).sum(axis=1) / np.maximum(
        np.linalg.norm(facing, axis=1) * np.linalg.norm(normal, axis=1), 1e-12
    )
    return (
        np.take_along_axis(away, best, 1)[:, 0],
        1e3 * np.abs(depth - cell["depth"] * pool.SURFACE_UNIT),
        np.degrees(np.arccos(np.clip(cosine, -1, 1))),
    )


def point_depth_errors(sample, posed, head):
    """mm (n,) between the depths of the visible points and of the surface where they are drawn,
    wherever the four cells around lie on one smooth surface."""
    depth = sample.surface["depth"].astype(np.float64)
    place = (sample.points + 0.5) / CELL_SIDE - 0.5
    corner = np.floor(place).astype(int)
    usable = (sample.visible > 0) & ((corner >= 0) & (corner < pool.SURFACE_SIDE - 1)).all(axis=1)
    usable[:JAW_COUNT] = False
    x, y = corner[usable].T
    around = np.stack([depth[y, x], depth[y, x + 1], depth[y + 1, x], depth[y + 1, x + 1]], axis=1)
    smooth = (around.min(axis=1) != pool.NOWHERE) & (
        np.ptp(around, axis=1) * pool.SURFACE_UNIT < SMOOTH_STEP
    )
    right, down = (place[usable] - corner[usable])[smooth].T
    share = np.stack([(1 - right) * (1 - down), right * (1 - down), (1 - right) * down,
                      right * down], axis=1)  # fmt: skip
    found = (around[smooth] * share).sum(axis=1) * pool.SURFACE_UNIT
    true = posed.camera[head.point_vertices[usable][smooth], 2] - posed.translation[2]
    return 1e3 * np.abs(found - true)


def measure(samples, head):
    """Figures of samples with faces: a dictionary of plain numbers, see `table`."""
    probe, count = SurfaceProbe(head), 0
    points, borders, places = [], {name: [] for name in BORDERS}, []
    classes, class_parts = point_classes(head), []
    depths, normals, point_depths = [], [], []
    for sample in samples:
        if not sample.face:
            continue
        count += 1
        posed = Posed.of(sample, head)
        points.append(point_errors(sample, posed, head))
        for name, distances in border_distances(sample).items():
            borders[name].append(distances)
        class_parts.append(class_distances(sample, classes))
        if sample.surface is not None:
            place, depth, normal = surface_errors(sample, posed, probe)
            places.append(place)
            depths.append(depth)
            normals.append(normal)
            point_depths.append(point_depth_errors(sample, posed, head))
    if not count:
        raise ValueError("there are no faces to measure on")
    points = np.concatenate(points)
    figures = {"faces": count, "point_worst": points.max(), "point_mean": points.mean()}
    figures["class_share"] = (np.concatenate(class_parts) <= BORDER_LIMIT).mean()
    borders = {name: np.concatenate(parts) for name, parts in borders.items()}
    for name, distances in (*borders.items(), ("all", np.concatenate(list(borders.values())))):
        if len(distances):
            figures[f"border_{name}_share"] = (distances <= BORDER_LIMIT).mean()
            figures[f"border_{name}_median"] = np.median(distances)
            figures[f"border_{name}_points"] = len(distances)
    if places:
        place, depth = np.concatenate(places), np.concatenate(depths)
        figures |= {
            "cells": len(place), "place_worst": place.max(), "place_mean": place.mean(),
            "depth_worst": depth.max(), "normal_median": np.median(np.concatenate(normals)),
            "point_depth_median": np.median(np.concatenate(point_depths)),
        }  # fmt: skip
    figures = {k: v if isinstance(v, int) else float(v) for k, v in figures.items()}
    figures["exact"] = all(within for _, _, within in judged(figures))
    return figures


def judged(figures):
    """(line of text, limit, whether it is kept) of each figure that has a limit."""
    rows = [
        ("points against parameters, worst", "point_worst", "px", POINT_LIMIT, False),
        ("points in their class", "class_share", "", CLASS_SHARE, True),
        ("points on their class's border", "border_all_share", "", BORDER_SHARE, True),
        ("places against their cells' centres, worst", "place_worst", "px", PLACE_LIMIT, False),
        ("depth against the places' depth, worst", "depth_worst", "mm", DEPTH_LIMIT, False),
        ("depth against the points' depth, median", "point_depth_median", "mm", POINT_DEPTH_LIMIT,
         False),
        ("normals against the triangles', median", "normal_median", "deg", NORMAL_LIMIT, False),
    ]  # fmt: skip
    answer = []
    for text, name, unit, limit, at_least in rows:
        if name in figures:
            value = figures[name]
            sign = ">=" if at_least else "<="
            kept = value >= limit if at_least else value <= limit
            answer.append((f"{text:44s}{value:10.3g} {unit:3s} {sign} {limit:g}", limit, kept))
    return answer


def table(figures):
    """The figures as lines of text."""
    lines = [f"{figures['faces']} faces; labels against each other, with the limits:"]
    lines += [f"  {text}  {'kept' if kept else 'MISSED'}" for text, _, kept in judged(figures)]
    for name in (*BORDERS, "all"):
        if f"border_{name}_share" in figures:
            lines.append(
                f"  border of {name:14s}{figures[f'border_{name}_points']:6d} points, "
                f"{100 * figures[f'border_{name}_share']:.1f} % within a cell, median "
                f"{figures[f'border_{name}_median']:.2f} cells"
            )
    return "\n".join(lines)
