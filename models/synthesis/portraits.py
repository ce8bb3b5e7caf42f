# SPDX-License-Identifier: GPL-3.0-or-later
"""Photographs rendered again: a portrait with another pose, expression and identity.

The idea is that of Wang, Shen, Yu (ICIP 2021): what is generated for training should look like a
photograph. The fitted head carries the photograph as its texture; the rest of the picture (hair,
ears, clothes, background) hangs on a grid that has the head's depth, runs out to a plane, and is
dragged along by the face, so that every pixel outside mouth and eyes is still photographed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from models.head import (
    EYE_BONES,
    GROUP_NAMES,
    SHAPE_NAMES,
    Head,
    Person,
    group_numbers,
    load_head,
    look_weights,
)

from . import pool
from .landmarks import project, project_points
from .people import limit_lids, sample_expression, sample_gaze
from .pixel_labels import Posed, label_pixels
from .raster import interpolate, rasterize, vertex_normals
from .view import View, frame_face, sample_rotation

WORST_RESIDUAL = 0.02  # of the eye distance: portraits that fit worse are left out
SUPERSAMPLING = 1.5  # the photograph is smooth; only outlines need it

# What of a photograph is kept around the face, in sides of the box around the 68 points.
CUT_MARGIN = 3.0
CUT_SIDE = 288  # px of the kept square
GRID_CELLS = 72

FACE_GROUPS = ("skin", "lips", "eyelids")
FACE_BACK, FACE_TOP = -0.045, 0.055  # m: skin behind or above is left to the grid
SEEN_COSINE = 0.15  # between normal and view: skin seen flatter is left to the grid
DEPTH_TOLERANCE = 0.006  # m
GRID_SINK = 0.006  # m by which the grid lies below the face that covers it
GRID_OVERLAP = 3  # cells of grid left under the border of the face
ANCHORS = 4  # places of the head that drag a point of the grid beside it
DRAG_REACH = 0.35  # of the face box: how far the face drags its surroundings
PLANE_DEPTH = 0.07  # m behind the eyes: where the surroundings run out to
PLANE_REACH = 0.30  # of the face box

LARGEST_TURN = np.deg2rad(50)  # away from the photographed pose
IDENTITY_CHANGE = 0.45  # standard deviations
KEEP_IDENTITY, KEEP_EXPRESSION = 0.3, 0.2
KEEP_EYES, KEEP_MOUTH = 0.65, 0.6
MOUTH_CHANGE = 0.25  # largest change of jawOpen at which the photographed teeth still fit
EXPRESSION_JITTER = 0.08
RELIGHT, RELIGHT_STRENGTH = 0.6, 0.45

IRIS_RADIUS, PUPIL_RADIUS = 0.0059, (0.0016, 0.0032)  # m
IRIS_COLOURS = ((58, 38, 24), (84, 58, 34), (96, 92, 60), (92, 112, 128), (104, 118, 108))
SCLERA, TEETH, TONGUE, MOUTH = (225, 215, 208), (222, 212, 196), (168, 92, 88), (60, 22, 20)


@dataclass(frozen=True)
class Portrait:
    """One photograph, cut out and tied to the head. V vertices, G grid points.

    image (S,S,3) uint8 RGB; vertex_uv (V,2) px in image: where each vertex takes its colour; face
    (N,) triangles of the head that wear the photograph; fitted (V,3): the head in head space as
    photographed; grid (G,3) m in head space, grid_uv (G,2) px, grid_anchor (G,A) vertices and
    grid_drag (G,A) weights of their movement, grid_triangles; rotation (3,3), identity, weights and
    gaze of the fit; brightness of the face 0…1; backdrop (S,S,3): the picture blurred.
    """

    image: np.ndarray
    vertex_uv: np.ndarray
    face: np.ndarray
    fitted: np.ndarray
    grid: np.ndarray
    grid_uv: np.ndarray
    grid_anchor: np.ndarray
    grid_drag: np.ndarray
    grid_triangles: np.ndarray
    rotation: np.ndarray
    identity: np.ndarray
    weights: np.ndarray
    gaze: np.ndarray
    brightness: float
    backdrop: np.ndarray


class PortraitRenderer:
    """Draws training samples from a folder of portraits and their fits."""

    def __init__(self, photos: Path, fits: Path, head: Head | None = None, surface: bool = False):
        """fits: written by portraits_registration; surface: samples shall have the labels of the
        head's surface. Raises FileNotFoundError without fits."""
        self.surface = surface
        self.head = head or load_head()
        self.photos = Path(photos)
        with np.load(fits, allow_pickle=False) as file:
            self.fits = {name: file[name] for name in file.files}
        self.usable = np.flatnonzero(self.fits["residual"] < WORST_RESIDUAL)
        group = self.head.triangle_group
        self.triangle_class = _CLASS_OF_GROUP[group]
        centre = self.head.mean[self.head.triangles].mean(axis=1)
        front = (centre[:, 2] > FACE_BACK) & (centre[:, 1] < FACE_TOP)
        face = np.isin(group, group_numbers(*FACE_GROUPS)) & front
        self.face_triangles = np.flatnonzero(face)
        inner = group_numbers("inside_mouth", "teeth_upper", "teeth_lower", "gums", "tongue",
                              "eye_left", "eye_right")  # fmt: skip
        self.inner_triangles = np.flatnonzero(np.isin(group, inner))
        self.solid = np.flatnonzero(~np.isin(group, group_numbers("lashes", "brows")))
        self.portrait = lru_cache(maxsize=None)(self._prepare)

    def samples(self, rng: np.random.Generator, count: int) -> list[pool.Sample]:
        """Pictures of one portrait's person, or of somebody alike; the same state of rng gives the
        same samples."""
        portrait = self.portrait(int(rng.choice(self.usable)))
        identity = portrait.identity
        if rng.random() >= KEEP_IDENTITY:
            identity = identity + rng.normal(0, IDENTITY_CHANGE, len(identity))
        person = self.head.person(identity)
        return [self._sample(portrait, identity, person, rng) for _ in range(count)]

    def _sample(self, portrait: Portrait, identity: np.ndarray, person: Person,
                rng: np.random.Generator) -> pool.Sample:
        rotation = _turned(portrait.rotation, sample_rotation(rng))
        weights, gaze, own_eyes = _act(portrait, rotation, rng)
        vertices = person.look(person.express(weights), gaze)
        jaw = SHAPE_NAMES.index("jawOpen")
        own_mouth = (
            rng.random() < KEEP_MOUTH and abs(weights[jaw] - portrait.weights[jaw]) < MOUTH_CHANGE
        )
        view = frame_face(self.head, vertices, rotation, pool.IMAGE_SIDE, rng)
        picture = _Picture(self, portrait, vertices, view.enlarged(SUPERSAMPLING))
        image = picture.image(own_eyes, own_mouth, rng)
        camera = view.to_camera(vertices)
        points = project_points(self.head, camera, view.intrinsics)
        return pool.Sample(
            image=image, points=points.astype(np.float32), visible=picture.visible(points, camera),
            identity=identity.astype(np.float32), expression=weights.astype(np.float32),
            gaze=gaze.astype(np.float32), rotation=rotation.astype(np.float32), face=1,
            segmentation=picture.segmentation(), source=pool.SOURCE_PORTRAIT, focal=view.focal,
            surface=picture.surface() if self.surface else None,
        )  # fmt: skip

    def _prepare(self, index: int) -> Portrait:
        fit = {name: values[index] for name, values in self.fits.items()}
        image = cv2.cvtColor(cv2.imread(str(self.photos / str(fit["name"]))), cv2.COLOR_BGR2RGB)
        height, width = image.shape[:2]
        intrinsics = np.array([[fit["focal"], 0, (width - 1) / 2],
                               [0, fit["focal"], (height - 1) / 2], [0, 0, 1.0]])  # fmt: skip
        fitted = self.head.evaluate(fit["identity"], fit["weights"], fit["gaze"])
        camera = fitted @ fit["rotation"].T + fit["translation"]
        marks = project(camera[self.head.points68], intrinsics)
        low, high = marks.min(axis=0), marks.max(axis=0)
        box = (high - low).max()
        scale = CUT_SIDE / (CUT_MARGIN * box)
        to_cut = np.array([[scale, 0, 0], [0, scale, 0]])
        to_cut[:, 2] = (CUT_SIDE - 1) / 2 - scale * (low + high) / 2
        cut = cv2.warpAffine(
            image, to_cut, (CUT_SIDE, CUT_SIDE),
            flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT,
        )  # fmt: skip
        to_cut = np.vstack([to_cut, [0, 0, 1]])
        intrinsics = to_cut @ intrinsics
        screen = np.concatenate([project(camera, intrinsics), camera[:, 2:]], axis=1)
        triangle, bary, depth = rasterize(
            screen, self.head.triangles[self.solid], CUT_SIDE, CUT_SIDE
        )
        triangle = np.where(triangle >= 0, self.solid[triangle], -1)
        face = self._well_seen(screen, camera, depth)
        pose = (fit["rotation"], fit["translation"])
        grid = self._grid(triangle, bary, depth, face, intrinsics, pose, scale * box)
        eyes = marks[36:48].mean(axis=0) * scale + to_cut[:2, 2]
        cheek = cut[int(eyes[1]) : int(eyes[1]) + CUT_SIDE // 12, :, :]
        middle = slice(int(eyes[0]) - CUT_SIDE // 12, int(eyes[0]) + CUT_SIDE // 12)
        return Portrait(
            cut, screen[:, :2].astype(np.float32), face, fitted.astype(np.float32), *grid,
            rotation=fit["rotation"], identity=fit["identity"], weights=fit["weights"], gaze=fit["gaze"],
            brightness=float(cheek[:, middle].mean() / 255),
            backdrop=cv2.GaussianBlur(cut, (0, 0), CUT_SIDE / 12),
        )  # fmt: skip

    def _well_seen(self, screen, camera, depth) -> np.ndarray:
        """Triangles of the face that the photograph shows, not too flat."""
        normals = vertex_normals(camera, self.head.triangles)
        toward = -camera / np.linalg.norm(camera, axis=1, keepdims=True)
        facing = (normals * toward).sum(axis=1)
        column, row = np.round(screen[:, :2]).astype(int).clip(0, CUT_SIDE - 1).T
        clear = screen[:, 2] < depth[row, column] + DEPTH_TOLERANCE
        seen = clear & (facing > SEEN_COSINE)
        # Lids and lips curl inwards: they come along wherever the skin around them is seen.
        group = self.head.triangle_group[self.face_triangles]
        curled = np.isin(group, group_numbers("lips", "eyelids"))
        return self.face_triangles[seen[self.head.triangles[self.face_triangles]].all(axis=1) | curled]

    def _grid(self, triangle, bary, depth, face, intrinsics, pose, box):
        """The rest of the picture: grid, grid_uv, grid_anchor, grid_drag, grid_triangles."""
        line = np.linspace(0, CUT_SIDE - 1, GRID_CELLS + 1)
        uv = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        column, row = np.round(uv).astype(int).T
        hit = triangle[row, column]
        on_head = hit >= 0
        rotation, translation = pose

        anchors = np.zeros((len(uv), 3 * ANCHORS), np.int32)
        drag = np.zeros((len(uv), 3 * ANCHORS))
        anchors[on_head, :3] = self.head.triangles[hit[on_head]]
        drag[on_head, :3] = bary[row, column][on_head]
        distance, nearest = cKDTree(uv[on_head]).query(uv[~on_head], k=ANCHORS)
        share = 1 / (distance + 1)
        share /= share.sum(axis=1, keepdims=True)
        anchors[~on_head] = anchors[on_head, :3][nearest].reshape(len(nearest), -1)
        weights = drag[on_head, :3][nearest] * share[..., None]
        fade = np.exp(-((distance[:, :1] / (DRAG_REACH * box)) ** 2))
        drag[~on_head] = weights.reshape(len(nearest), -1) * fade

        z = np.empty(len(uv))
        z[on_head] = depth[row, column][on_head] + GRID_SINK
        plane = translation[2] + PLANE_DEPTH
        beside = (depth[row, column][on_head][nearest] * share).sum(axis=1)
        near = np.exp(-distance[:, 0] / (PLANE_REACH * box))
        z[~on_head] = beside * near + plane * (1 - near)
        centre = intrinsics[:2, 2]
        camera = np.column_stack([(uv - centre) / intrinsics[0, 0] * z[:, None], z])
        grid = (camera - translation) @ rotation

        covered = np.isin(triangle, np.append(face, self.inner_triangles)).astype(np.uint8)
        reach = int(GRID_OVERLAP * CUT_SIDE / GRID_CELLS)
        deep = cv2.erode(covered, np.ones((reach, reach)))[row, column].astype(bool)
        triangles = _grid_triangles(GRID_CELLS)
        kept = triangles[~deep[triangles].all(axis=1)]
        return (grid.astype(np.float32), uv.astype(np.float32), anchors, drag.astype(np.float32),
                kept)  # fmt: skip


class _Picture:
    """One portrait rendered in one view: the geometry buffers and what is read off them."""

    def __init__(self, renderer: PortraitRenderer, portrait: Portrait, vertices, view: View):
        self.renderer, self.portrait, self.view = renderer, portrait, view
        head = renderer.head
        movement = vertices - portrait.fitted
        drag = np.einsum("gav,ga->gv", movement[portrait.grid_anchor], portrait.grid_drag)
        camera = view.to_camera(np.concatenate([vertices, portrait.grid + drag]))
        self.normals = vertex_normals(camera[: len(vertices)], head.triangles)
        drawn = np.concatenate([portrait.face, renderer.inner_triangles])
        self.triangles = np.concatenate(
            [head.triangles[drawn], portrait.grid_triangles + len(vertices)]
        ).astype(np.int32)
        self.source = np.append(drawn, np.full(len(portrait.grid_triangles), -1))
        self.screen = view.to_screen(camera)
        self.triangle, self.bary, self.depth = rasterize(
            self.screen, self.triangles, view.side, view.side
        )
        self.head_triangle = np.where(self.triangle >= 0, self.source[self.triangle], -1)

    def image(self, own_eyes, own_mouth, rng) -> np.ndarray:
        """(192,192,3) uint8 RGB."""
        portrait = self.portrait
        uv = np.concatenate([portrait.vertex_uv, portrait.grid_uv])
        place = interpolate(uv, self.triangle, self.bary, self.triangles)
        colour = cv2.remap(portrait.image, place[..., 0], place[..., 1], cv2.INTER_LINEAR,
                           borderMode=cv2.BORDER_REPLICATE).astype(np.float32)  # fmt: skip
        group = self._group()
        if not own_mouth:
            self._paint_mouth(colour, group, rng)
        if not own_eyes:
            self._paint_eyes(colour, group, rng)
        if rng.random() < RELIGHT:
            colour *= self._relight(rng)
        empty = self.triangle < 0
        if empty.any():
            backdrop = cv2.resize(portrait.backdrop, (self.view.side, self.view.side))
            colour[empty] = backdrop[empty]
        side = pool.IMAGE_SIDE
        small = cv2.resize(np.clip(colour, 0, 255), (side, side), interpolation=cv2.INTER_AREA)
        return np.round(small).astype(np.uint8)

    def _group(self) -> np.ndarray:
        head = self.renderer.head
        group = head.triangle_group[self.head_triangle].astype(int)
        return np.where(self.head_triangle >= 0, group, -1)

    def _paint_mouth(self, colour, group, rng) -> None:
        light = self.portrait.brightness * rng.uniform(0.5, 1.1)
        deep = rng.uniform(0.35, 1.0)
        for names, paint, shade in (
            (("inside_mouth",), MOUTH, deep),
            (("tongue", "gums"), TONGUE, rng.uniform(0.5, 1.0)),
            (("teeth_upper", "teeth_lower"), TEETH, rng.uniform(0.7, 1.15)),
        ):
            mask = np.isin(group, group_numbers(*names))
            if mask.any():
                colour[mask] = np.array(paint) * (light * shade * rng.uniform(0.9, 1.1, 3))

    def _paint_eyes(self, colour, group, rng) -> None:
        head = self.renderer.head
        mask = np.isin(group, group_numbers("eye_left", "eye_right"))
        if not mask.any():
            return
        # Coordinates that turn with the eye: those of the mean head at rest.
        rest = interpolate(head.mean, np.where(mask, self.triangle, -1).astype(np.int32), self.bary,
                           self._rest_triangles())[mask]  # fmt: skip
        centre = head.bone_mean[0, list(EYE_BONES)]
        centre = np.where(rest[:, :1] > 0, centre[0], centre[1])
        radius = np.linalg.norm(rest[:, :2] - centre[:, :2], axis=1)
        front = rest[:, 2] > centre[:, 2]
        iris = np.array(IRIS_COLOURS[rng.integers(len(IRIS_COLOURS))]) * rng.uniform(0.6, 1.4)
        pupil = rng.uniform(*PUPIL_RADIUS)
        paint = np.tile(np.array(SCLERA) * rng.uniform(0.8, 1.05), (len(rest), 1))
        in_iris = front & (radius < IRIS_RADIUS * rng.uniform(0.95, 1.05))
        paint[in_iris] = iris
        paint[in_iris & (radius > 0.85 * IRIS_RADIUS)] = iris * 0.55
        paint[front & (radius < pupil)] = 12
        # The upper lid shades the eye; a small reflection sits where the light is.
        paint *= (1 - 0.35 * np.clip((rest[:, 1] - centre[:, 1]) / 0.006, 0, 1))[:, None]
        glint = rng.uniform(-0.0025, 0.0025, 2)
        shine = np.linalg.norm(rest[:, :2] - centre[:, :2] - glint, axis=1) < 0.0011
        paint[front & shine] = 245
        colour[mask] = paint * np.clip(self.portrait.brightness * rng.uniform(0.9, 1.5), 0.1, 1.1)

    def _rest_triangles(self) -> np.ndarray:
        return np.where(self.source[:, None] >= 0, self.triangles, 0).astype(np.int32)

    def _relight(self, rng) -> np.ndarray:
        """A smooth factor (H,W,3) that brightens the side turned to a random direction."""
        direction = rng.normal(0, 1, 3) * (1, 0.7, 0.6)
        direction /= np.linalg.norm(direction)
        strength = rng.uniform(0, RELIGHT_STRENGTH)
        tint = 1 + rng.normal(0, 0.06, 3)
        on_head = self.normals @ direction
        dragged = np.einsum("ga,ga->g", on_head[self.portrait.grid_anchor], self.portrait.grid_drag)
        amount = np.concatenate([on_head, dragged])[:, None]
        factor = np.exp(amount * (strength * tint)).astype(np.float32)
        return interpolate(factor, self.triangle, self.bary, self.triangles)

    def segmentation(self) -> np.ndarray:
        """(96,96) uint8 classes; unknown outside the head's own surfaces."""
        step = self.view.side // pool.SEGMENTATION_SIDE
        triangle = self.head_triangle[step // 2 :: step, step // 2 :: step]
        known = self.renderer.triangle_class[triangle]
        return np.where(triangle >= 0, known, pool.UNKNOWN).astype(np.uint8)

    def surface(self) -> np.ndarray:
        """(48,48) labels of the head's own surface, without the skin's relief, which is unknown."""
        posed = Posed(self.screen, self.triangles, self.normals, self.view.side, False,
                      self.view.translation[2])  # fmt: skip
        return label_pixels(posed, self.renderer.head.mean)

    def visible(self, points: np.ndarray, camera: np.ndarray) -> np.ndarray:
        """(P,) 1 where nothing of the head hides the point."""
        head = self.renderer.head
        nearest = cv2.dilate(np.where(np.isfinite(self.depth), self.depth, 1e3), np.ones((3, 3)))
        place = points * SUPERSAMPLING + (SUPERSAMPLING - 1) / 2
        inside = ((place >= 0) & (place < self.view.side)).all(axis=1)
        column, row = np.round(place).astype(int).clip(0, self.view.side - 1).T
        depth = camera[head.point_vertices, 2]
        return (inside & (depth < nearest[row, column] + DEPTH_TOLERANCE)).astype(np.uint8)


def _act(portrait: Portrait, rotation: np.ndarray, rng: np.random.Generator):
    """Weights (52,) and gaze (2,2) of a picture, and whether the eyes stay as photographed."""
    own_eyes = rng.random() < KEEP_EYES
    to_camera = rotation.T @ np.array([0, 0, -1.0])
    gaze = portrait.gaze if own_eyes else sample_gaze(rng, to_camera)
    if rng.random() < KEEP_EXPRESSION:
        weights = portrait.weights + rng.normal(0, EXPRESSION_JITTER, len(SHAPE_NAMES)) * (
            portrait.weights > 0
        )
        weights = np.where(_LOOK_SHAPES, look_weights(gaze), np.clip(weights, 0, 1))
        limit_lids(weights)
    else:
        weights = sample_expression(rng, gaze)
    return weights.astype(float), gaze, own_eyes


def _turned(photographed: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The wanted pose (3,3), or as far towards it as the photograph allows."""
    change = Rotation.from_matrix(wanted @ photographed.T).as_rotvec()
    angle = np.linalg.norm(change)
    change *= min(1.0, LARGEST_TURN / max(angle, 1e-9))
    return Rotation.from_rotvec(change).as_matrix() @ photographed


def _grid_triangles(cells: int) -> np.ndarray:
    corner = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]
    upper, lower = np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)
    return np.concatenate([upper.reshape(-1, 3), lower.reshape(-1, 3)])


_CLASSES = {
    "skin": pool.SKIN, "lips": pool.LIPS, "eyelids": pool.SKIN, "ears": pool.SKIN,
    "inside_mouth": pool.INSIDE_MOUTH, "eye_left": pool.EYES, "eye_right": pool.EYES,
    "teeth_upper": pool.INSIDE_MOUTH, "teeth_lower": pool.INSIDE_MOUTH,
    "tongue": pool.INSIDE_MOUTH, "gums": pool.INSIDE_MOUTH, "lashes": pool.UNKNOWN,
    "brows": pool.UNKNOWN,
}  # fmt: skip
_CLASS_OF_GROUP = np.array([_CLASSES[name] for name in GROUP_NAMES], np.uint8)
_LOOK_SHAPES = np.array([name.startswith("eyeLook") for name in SHAPE_NAMES])
