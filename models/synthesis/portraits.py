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
import numba
import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from models.head import (
    GROUP_NAMES,
    SHAPE_NAMES,
    Head,
    Person,
    group_numbers,
    load_head,
    look_weights,
)

from . import pool, portraits_light
from .actor import sample_eyes_and_teeth
from .landmarks import project, project_points
from .light import ShadowMap, sample_light
from .people import limit_lids, sample_expression, sample_gaze
from .pixel_labels import Posed, label_pixels
from .portraits_light import FaceLight
from .raster import rasterize, vertex_normals
from .renderer import HeadMesh, blend
from .shading import EYE, NORMAL, REST, VERTEX_ATTRIBUTES, Look, Surface, develop, scene_linear, shade
from .skin import Skin
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
GRID_EVENNESS = 2.0  # cells over which the depth of the grid is smoothed away from the face
GRID_OVERLAP = 3  # cells of grid left under the border of the face
ANCHORS = 4  # places of the head that drag a point of the grid beside it
DRAG_REACH = 0.35  # of the face box: how far the face drags its surroundings
PLANE_DEPTH = 0.07  # m behind the eyes: where the surroundings run out to
PLANE_REACH = 0.30  # of the face box
STILL_FROM, STILL_AT = 0.25, 1.1  # of the face box: from here on the picture turns less, then not

LARGEST_TURN = np.deg2rad(50)  # away from the photographed pose
IDENTITY_CHANGE = 0.45  # standard deviations
KEEP_IDENTITY, KEEP_EXPRESSION = 0.3, 0.2
KEEP_EYES, KEEP_MOUTH = 0.65, 0.6
MOUTH_CHANGE = 0.25  # largest change of jawOpen at which the photographed teeth still fit
EXPRESSION_JITTER = 0.08
RELIGHT = 0.6
RELIGHT_LEVEL = (0.75, 1.3)  # of the light that the photograph has

MOUTH_LIGHT = (0.75, 1.15)
LASHES_PER_CLOSING = 1.4  # opacity of the lashes by how much further an eye is closed
LASH_LIGHT = 0.012  # linear
INNER_BLUR = 0.5  # of a photograph's pixel: what is drawn is no sharper than the picture around it
BACKDROP_SIDE = 72  # px of the blurred picture behind everything


@dataclass(frozen=True)
class Portrait:
    """One photograph, cut out and tied to the head. V vertices, G grid points.

    image (S,S,3) uint8 RGB; vertex_uv (V,2) px in image: where each vertex takes its colour; face
    (N,) triangles of the head that wear the photograph; fitted (V,3): the head in head space as
    photographed; grid (G,3) m in head space, grid_uv (G,2) px, grid_anchor (G,A) vertices and
    grid_drag (G,A) weights of their movement, grid_still (G,): how far 0…1 the point stays turned as
    photographed, as shoulders and walls do when a head turns, grid_triangles; rotation (3,3),
    identity, weights and gaze of the fit; light: of the photograph, in head space, and received
    (V,): what of it falls on each vertex; sharpness: px of image that a pixel of the photograph
    covers; backdrop (B,B,3) uint8: the picture blurred.
    """

    image: np.ndarray
    vertex_uv: np.ndarray
    face: np.ndarray
    fitted: np.ndarray
    grid: np.ndarray
    grid_uv: np.ndarray
    grid_anchor: np.ndarray
    grid_drag: np.ndarray
    grid_still: np.ndarray
    grid_triangles: np.ndarray
    rotation: np.ndarray
    identity: np.ndarray
    weights: np.ndarray
    gaze: np.ndarray
    light: FaceLight
    received: np.ndarray
    sharpness: float
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
        self.inside = _Inside.of(self.head, self.inner_triangles)
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
        closing = weights[_BLINKS] - portrait.weights[_BLINKS]
        image = picture.image(own_eyes, own_mouth, closing, rng)
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
        light, received = self._light(cut, screen, fitted, face)
        return Portrait(
            cut, screen[:, :2].astype(np.float32), face, fitted.astype(np.float32), *grid,
            rotation=fit["rotation"], identity=fit["identity"], weights=fit["weights"], gaze=fit["gaze"],
            light=light, received=received, sharpness=max(scale, 1.0),
            backdrop=cv2.GaussianBlur(
                cv2.resize(cut, (BACKDROP_SIDE, BACKDROP_SIDE), interpolation=cv2.INTER_AREA),
                (0, 0), BACKDROP_SIDE / 12),
        )  # fmt: skip

    def _light(self, cut, screen, fitted, face) -> tuple[FaceLight, np.ndarray]:
        """The photograph's light in head space, and how much of it each vertex receives (V,)."""
        normals = vertex_normals(fitted, self.head.triangles)
        skin = face[self.head.triangle_group[face] == GROUP_NAMES.index("skin")]
        skin = np.unique(self.head.triangles[skin])
        column, row = np.round(screen[skin, :2]).astype(int).clip(0, CUT_SIDE - 1).T
        light = portraits_light.estimate(scene_linear(cut[row, column]), normals[skin])
        return light, light.received(normals)

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
        """The rest of the picture: grid, grid_uv, grid_anchor, grid_drag, grid_still, grid_triangles."""
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

        still = np.zeros(len(uv))
        share_out = np.clip((distance[:, 0] / box - STILL_FROM) / (STILL_AT - STILL_FROM), 0, 1)
        still[~on_head] = share_out**2 * (3 - 2 * share_out)

        z = np.empty(len(uv))
        z[on_head] = depth[row, column][on_head] + GRID_SINK
        plane = translation[2] + PLANE_DEPTH
        beside = (depth[row, column][on_head][nearest] * share).sum(axis=1)
        near = np.exp(-distance[:, 0] / (PLANE_REACH * box))
        z[~on_head] = beside * near + plane * (1 - near)
        covered = np.isin(triangle, np.append(face, self.inner_triangles)).astype(np.uint8)
        z = _evened(z, covered[row, column])
        centre = intrinsics[:2, 2]
        camera = np.column_stack([(uv - centre) / intrinsics[0, 0] * z[:, None], z])
        grid = (camera - translation) @ rotation

        reach = int(GRID_OVERLAP * CUT_SIDE / GRID_CELLS)
        deep = cv2.erode(covered, np.ones((reach, reach)))[row, column].astype(bool)
        triangles = _grid_triangles(GRID_CELLS)
        kept = triangles[~deep[triangles].all(axis=1)]
        return (grid.astype(np.float32), uv.astype(np.float32), anchors, drag.astype(np.float32),
                still.astype(np.float32), kept)  # fmt: skip


@dataclass(frozen=True)
class _Inside:
    """Eyes and mouth of the head: triangles (N,3) with material (N,); rest (V,3) as Surface has it;
    lashes (L,3): triangles, with lash_opacity (V,) and lash_side (V,), 0 left and 1 right."""

    triangles: np.ndarray
    material: np.ndarray
    rest: np.ndarray
    lashes: np.ndarray
    lash_opacity: np.ndarray
    lash_side: np.ndarray

    @staticmethod
    def of(head: Head, triangles: np.ndarray) -> _Inside:
        mesh = HeadMesh.of(head, np.zeros((len(head.triangles), 3, 2), np.float32))
        corners = head.triangles[triangles]
        place = {tuple(corner): row for row, corner in enumerate(mesh.triangles.tolist())}
        rows = [place[tuple(corner)] for corner in corners.tolist()]
        return _Inside(corners, mesh.material[rows], mesh.rest, mesh.lash_triangles,
                       mesh.lash_opacity, (head.mean[:, 0] < 0).astype(int))  # fmt: skip


class _Picture:
    """One portrait rendered in one view: the geometry buffers and what is read off them."""

    def __init__(self, renderer: PortraitRenderer, portrait: Portrait, vertices, view: View):
        self.renderer, self.portrait, self.view = renderer, portrait, view
        head = renderer.head
        movement = (vertices - portrait.fitted).astype(np.float32)
        around = portrait.grid + _dragged(movement, portrait.grid_anchor, portrait.grid_drag)
        unturned = (portrait.rotation.T @ view.rotation).astype(np.float32)
        around += portrait.grid_still[:, None] * (around @ unturned - around)
        camera = view.to_camera(np.concatenate([vertices, around]).astype(np.float32))
        self.normals = vertex_normals(camera[: len(vertices)], head.triangles)
        self.drawn = np.concatenate([portrait.face, renderer.inner_triangles])
        self.triangles = np.concatenate(
            [head.triangles[self.drawn], portrait.grid_triangles + len(vertices)], dtype=np.int32
        )
        self.screen = view.to_screen(camera)
        self.triangle, self.bary, self.depth = rasterize(
            self.screen, self.triangles, view.side, view.side, cull=len(self.drawn)
        )

    def image(self, own_eyes: bool, own_mouth: bool, closing: np.ndarray, rng) -> np.ndarray:
        """(192,192,3) uint8 RGB. own_…: what stays as photographed; closing (2,): by how much more
        the left and the right eye are closed than in the photograph."""
        portrait = self.portrait
        light = portrait.light.turned(self.view.rotation)
        factor = np.ones(len(self.screen), np.float32)
        if rng.random() < RELIGHT:
            level = portrait.received[self.renderer.head.points68].mean()
            other = portraits_light.of_scene(sample_light(rng), level * rng.uniform(*RELIGHT_LEVEL))
            light = light.mixed(other, rng.random())
            factor = self._relit(light)
        uv = np.concatenate([portrait.vertex_uv, portrait.grid_uv])
        colour = _wear(portrait.image, uv, factor, self.triangle, self.bary, self.triangles,
                       portrait.backdrop, _LINEAR)  # fmt: skip
        if not (own_eyes and own_mouth):
            self._draw_inside(colour, light, not own_eyes, not own_mouth, rng)
        if closing.max() > 0:
            self._draw_lashes(colour, closing)
        side = (pool.IMAGE_SIDE, pool.IMAGE_SIDE)
        return develop(cv2.resize(colour, side, interpolation=cv2.INTER_AREA), 1)

    def _relit(self, light: FaceLight) -> np.ndarray:
        """Factor (V+G,) on the photograph's light, dragged along by the face around it."""
        portrait = self.portrait
        factor = portraits_light.change(portrait.received, light.received(self.normals))
        around = _dragged(np.log(factor)[:, None], portrait.grid_anchor, portrait.grid_drag)
        return np.concatenate([factor, np.exp(around[:, 0])])

    def _draw_inside(self, colour, light: FaceLight, eyes: bool, mouth: bool, rng) -> None:
        """Eyes and mouth as the head has them, in the light of the photograph, in place.

        colour (H,W,3): the picture, linear."""
        inside, first = self.renderer.inside, len(self.portrait.face)
        colours = sample_eyes_and_teeth(rng) | {"mouth_light": rng.uniform(*MOUTH_LIGHT)}
        look = Look(**colours, cloth=_NO_CLOTH, hat=np.zeros(3), frame=np.zeros(3))
        wanted = np.where(inside.material == EYE, eyes, mouth)
        triangle = _chosen(self.triangle, first, wanted)
        rows, columns = (np.flatnonzero((triangle >= 0).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return
        vertex = np.zeros((len(self.normals), VERTEX_ATTRIBUTES), np.float32)
        vertex[:, NORMAL : NORMAL + 3] = self.normals
        vertex[:, REST : REST + 3] = inside.rest
        surface = Surface(
            triangle, self.bary, self.depth, inside.triangles, vertex,
            np.zeros((len(inside.triangles), 3, 2), np.float32), inside.material, inside.material,
        )  # fmt: skip
        drawn, _, _ = shade(surface, _NO_SKIN, look, light.with_lamp(), _NO_SHADOW, self.view.intrinsics)
        mask = triangle >= 0
        colour[mask] = drawn[mask]
        sigma = INNER_BLUR * self.portrait.sharpness
        reach = int(np.ceil(3 * sigma))
        box = np.s_[max(rows[0] - reach, 0) : rows[-1] + reach + 1,
                    max(columns[0] - reach, 0) : columns[-1] + reach + 1]  # fmt: skip
        soft = cv2.GaussianBlur(colour[box], (0, 0), sigma)
        near = cv2.dilate(mask[box].astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        colour[box][near] = soft[near]

    def _draw_lashes(self, colour, closing: np.ndarray) -> None:
        """Lashes on lids that come down, in place: the photographed ones stay at the upper lid's
        margin, and little is left of them where a strip of skin is stretched into a lid."""
        inside = self.renderer.inside
        opacity = inside.lash_opacity * np.clip(closing * LASHES_PER_CLOSING, 0, 1)[inside.lash_side]
        blend(self.screen, inside.lashes, opacity.astype(np.float32),
              np.full(3, LASH_LIGHT, np.float32), colour, self.depth)  # fmt: skip

    def segmentation(self) -> np.ndarray:
        """(96,96) uint8 classes; unknown outside the head's own surfaces."""
        step = self.view.side // pool.SEGMENTATION_SIDE
        triangle = self.triangle[step // 2 :: step, step // 2 :: step]
        classes = np.append(self.renderer.triangle_class[self.drawn], pool.UNKNOWN)
        outside = (triangle < 0) | (triangle >= len(self.drawn))
        return classes[np.where(outside, len(self.drawn), triangle)].astype(np.uint8)

    def surface(self) -> np.ndarray:
        """(48,48) labels of the head's own surface, without the skin's relief, which is unknown."""
        posed = Posed(self.screen, self.triangles, self.normals, self.view.side, len(self.drawn),
                      self.view.translation[2])  # fmt: skip
        return label_pixels(posed, self.renderer.head.mean)

    def visible(self, points: np.ndarray, camera: np.ndarray) -> np.ndarray:
        """(P,) 1 where nothing of the head hides the point."""
        head = self.renderer.head
        place = points * SUPERSAMPLING + (SUPERSAMPLING - 1) / 2
        inside = ((place >= 0) & (place < self.view.side)).all(axis=1)
        column, row = np.round(place).astype(int).clip(1, self.view.side - 2).T
        around = [self.depth[row + y, column + x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
        depth = camera[head.point_vertices, 2]
        return (inside & (depth < np.max(around, axis=0) + DEPTH_TOLERANCE)).astype(np.uint8)


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


def _evened(depth: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """The grid's depth (G,) without the steps at ears, hair and outline, which would tear the picture
    into spikes as the head turns. covered (G,): where the face lies above it and nothing may move."""
    shape = (GRID_CELLS + 1, GRID_CELLS + 1)
    depth = depth.reshape(shape).astype(np.float32)
    even = cv2.GaussianBlur(depth, (0, 0), GRID_EVENNESS, borderType=cv2.BORDER_REPLICATE)
    kept = cv2.GaussianBlur(covered.reshape(shape).astype(np.float32), (0, 0), GRID_EVENNESS / 2)
    kept = np.clip(2 * kept, 0, 1)
    return (even + kept * (depth - even)).ravel().astype(float)


def _grid_triangles(cells: int) -> np.ndarray:
    corner = np.arange((cells + 1) ** 2).reshape(cells + 1, cells + 1)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]
    upper, lower = np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)
    return np.concatenate([upper.reshape(-1, 3), lower.reshape(-1, 3)])


@numba.njit(cache=True, nogil=True)
def _dragged(movement, anchor, drag):
    """(G,C): movement (V,C) of the anchors (G,A), weighed by drag (G,A)."""
    out = np.zeros((anchor.shape[0], movement.shape[1]), np.float32)
    for point in range(anchor.shape[0]):
        for index in range(anchor.shape[1]):
            share = drag[point, index]
            if share != 0:
                for k in range(movement.shape[1]):
                    out[point, k] += share * movement[anchor[point, index], k]
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _wear(photograph, uv, factor, triangle, bary, triangles, backdrop, linear):
    """The photograph (S,S,3) uint8 on triangles: linear light (H,W,3) float32, brighter by a factor
    (V,) a vertex; the enlarged backdrop where there is none. linear (256,): what a byte means."""
    height, width = triangle.shape
    zero, one = np.float32(0), np.float32(1)
    last_x, last_y = np.float32(photograph.shape[1] - 1.001), np.float32(photograph.shape[0] - 1.001)
    out = np.empty((height, width, 3), np.float32)
    for y in range(height):
        for x in range(width):
            index = triangle[y, x]
            if index < 0:
                row, column = y * backdrop.shape[0] // height, x * backdrop.shape[1] // width
                for k in range(3):
                    out[y, x, k] = linear[backdrop[row, column, k]]
                continue
            u, v, light = zero, zero, zero
            for corner in range(3):
                vertex, share = triangles[index, corner], bary[y, x, corner]
                u += share * uv[vertex, 0]
                v += share * uv[vertex, 1]
                light += share * factor[vertex]
            u, v = min(max(u, zero), last_x), min(max(v, zero), last_y)
            column, row = np.int32(u), np.int32(v)
            right, down = u - np.float32(column), v - np.float32(row)
            upper, lower = light * (one - down), light * down
            a, b = upper * (one - right), upper * right
            c, d = lower * (one - right), lower * right
            for k in range(3):
                out[y, x, k] = (a * linear[photograph[row, column, k]]
                                + b * linear[photograph[row, column + 1, k]]
                                + c * linear[photograph[row + 1, column, k]]
                                + d * linear[photograph[row + 1, column + 1, k]])  # fmt: skip
    return out


@numba.njit(cache=True, nogil=True)
def _chosen(triangle, first, wanted):
    """(H,W) int32: which of the triangles numbered from `first` on is seen, -1 where none of those
    that are wanted (N,)."""
    out = np.full(triangle.shape, -1, np.int32)
    for y in range(triangle.shape[0]):
        for x in range(triangle.shape[1]):
            index = triangle[y, x] - first
            if 0 <= index < len(wanted) and wanted[index]:
                out[y, x] = index
    return out


_LINEAR = scene_linear(np.arange(256))
_NO_CLOTH = np.zeros((1, 1, 4), np.float32)
_NO_SKIN = Skin(np.zeros((1, 1, 4), np.float32), np.ones(3), 0.5, 0.0, {})
_NO_SHADOW = ShadowMap(np.full((1, 1), np.inf, np.float32), np.zeros((3, 4), np.float32))

_CLASSES = {
    "skin": pool.SKIN, "lips": pool.LIPS, "eyelids": pool.SKIN, "ears": pool.SKIN,
    "inside_mouth": pool.INSIDE_MOUTH, "eye_left": pool.EYES, "eye_right": pool.EYES,
    "teeth_upper": pool.INSIDE_MOUTH, "teeth_lower": pool.INSIDE_MOUTH,
    "tongue": pool.INSIDE_MOUTH, "gums": pool.INSIDE_MOUTH, "lashes": pool.UNKNOWN,
    "brows": pool.UNKNOWN,
}  # fmt: skip
_CLASS_OF_GROUP = np.array([_CLASSES[name] for name in GROUP_NAMES], np.uint8)
_BLINKS = [SHAPE_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
_LOOK_SHAPES = np.array([name.startswith("eyeLook") for name in SHAPE_NAMES])
