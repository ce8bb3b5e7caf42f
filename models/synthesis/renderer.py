# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of procedural people with exact labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numba
import numpy as np

from models.head import BONE_NAMES, GROUP_NAMES, Head

from . import pool
from .accessories import Glasses, Mesh, clothes
from .actor import Actor, ActorMaker
from .hair import Strands, draw_strands
from .landmarks import project_points
from .light import Light, ShadowMap, SkyOcclusion, sample_light
from .locks import Locks
from .people import Person, sample_expression, sample_gaze
from .pixel_labels import Detail, Posed, label_pixels
from .raster import rasterize, vertex_normals
from .shading import (
    CAVITY,
    EYE,
    NORMAL,
    OCCLUSION,
    REST,
    SKIN,
    TEETH,
    VERTEX_ATTRIBUTES,
    Look,
    Surface,
    commonest,
    develop,
    scene_linear,
    shade,
)
from .skin import Skin
from .view import View, frame_face, sample_rotation

SUPERSAMPLING = 2
"""Pixels per side of a picture's pixel, for smooth edges."""
SEGMENTATION_FACTOR = SUPERSAMPLING * pool.IMAGE_SIDE // pool.SEGMENTATION_SIDE

EXPOSURE_RANGE = (0.55, 1.1)
"""What white paper under the face's mean light would reach of display white, drawn log-uniformly,
beside skin of MIDDLE_TONE."""
MIDDLE_TONE, TONE_COMPENSATION = 0.35, 0.3
"""Cameras lighten dark faces and darken pale ones: by their albedo over this one, to this power."""
VISIBLE_SLACK = 0.004
"""Metres that a point may lie behind the nearest surface and still count as seen: the surface is
sampled at pixel centres, and slopes."""

LASH_OPACITY = 0.75


@dataclass(frozen=True)
class Scene:
    """A person before a camera: the head (V,3) in head space and camera space, and what is worn."""

    person: Person
    vertices: np.ndarray
    normals: np.ndarray
    view: View
    skin: Skin
    look: Look
    light: Light
    meshes: list[Mesh]
    strands: list[Strands]
    glasses: Glasses | None


@dataclass(frozen=True)
class Drawing:
    """A drawn scene, SUPERSAMPLING times as fine as its picture.

    linear (H,W,3) float32 light; classes (H,W) uint8; depth (H,W) float32 m; screen (V+,3): pixels
    and depth of all vertices, the head's first; received: mean light on the skin (over pi);
    surface: what was rasterised.
    """

    linear: np.ndarray
    classes: np.ndarray
    depth: np.ndarray
    screen: np.ndarray
    received: float
    surface: Surface


class PeopleRenderer:
    """Renders procedural people.

    photos: a folder of photographs whose face-free parts may serve as backgrounds and cloth. bare:
    heads alone, without hair, clothes and anything worn. surface: samples shall have the labels of
    the head's surface. skins: a bank of photographed skins, see skin_bank.
    """

    def __init__(self, photos: str | Path | None = None, bare: bool = False,
                 surface: bool = False, skins: str | Path | None = None):
        self.actors = ActorMaker(photos, bare, skins)
        self.surface = surface
        self.head = self.actors.head
        self.painter = self.actors.painter
        self.backdrops = self.actors.backdrops
        self.occlusion = SkyOcclusion(self.head)
        self.mesh = HeadMesh.of(self.head, self.painter.chart.corners)

    def samples(self, rng: np.random.Generator, count: int) -> list[pool.Sample]:
        """Pictures of one person, who does something else in each of them, elsewhere and in another
        light; the same state of rng gives the same samples."""
        actor = self.actors.make(rng)
        return [self.render(self.compose(actor, rng), self.backdrops.sample(rng, pool.IMAGE_SIDE),
                            rng) for _ in range(count)]

    def compose(self, actor: Actor, rng: np.random.Generator) -> Scene:
        """Draw what an actor does, where and in what light."""
        rotation = sample_rotation(rng)
        gaze = sample_gaze(rng, -rotation[2])
        expression = sample_expression(rng, gaze)
        vertices = actor.face(expression, gaze)
        view = frame_face(self.head, vertices, rotation, pool.IMAGE_SIDE, rng)
        dressed = [] if self.actors.bare else [clothes(rng, self.head, vertices, view.rotation)]
        return self.scene(actor, Person(actor.identity, expression, gaze), vertices, view,
                          dressed, sample_light(rng))

    def scene(self, actor: Actor, person: Person, vertices: np.ndarray, view: View,
              clothing: list[Mesh], light: Light) -> Scene:
        """An actor whose vertices (V,3) are in head space, in given clothes and light."""
        return Scene(person, vertices, vertex_normals(vertices, self.mesh.smooth_triangles), view,
                     self.painter.creased(actor.skin, person.expression), actor.look, light,
                     clothing + actor.worn, actor.hair_on(vertices), actor.glasses)

    def render(self, scene: Scene, backdrop: np.ndarray, rng: np.random.Generator) -> pool.Sample:
        """Render a composed scene before a backdrop (side,side,3) uint8."""
        drawing = self.draw(scene, backdrop, np.exp(rng.uniform(*np.log(EXPOSURE_RANGE))))
        points = self.points(scene.vertices, scene.view)
        nearness = drawing.screen[self.head.point_vertices, 2]
        person = scene.person
        return pool.Sample(
            image=develop(drawing.linear, SUPERSAMPLING),
            points=points.astype(np.float32),
            visible=_visible(points, nearness, drawing.depth),
            identity=person.identity, expression=person.expression, gaze=person.gaze,
            rotation=scene.view.rotation.astype(np.float32), face=1,
            segmentation=commonest(drawing.classes, SEGMENTATION_FACTOR),
            source=pool.SOURCE_RENDERED, focal=scene.view.focal,
            surface=self._surface_labels(scene, drawing) if self.surface else None)

    def _surface_labels(self, scene: Scene, drawing: Drawing) -> np.ndarray:
        """What pixel_labels says of a drawn scene."""
        surface, count = drawing.surface, len(scene.vertices)
        detail = Detail(scene.skin.albedo, surface.corner_uv, surface.material == SKIN)
        posed = Posed(drawing.screen, surface.triangles,
                      surface.vertex[:count, NORMAL:NORMAL + 3], SUPERSAMPLING * scene.view.side,
                      len(self.mesh.triangles), scene.view.translation[2], detail)
        return label_pixels(posed, self.head.mean, drawing.classes)

    def points(self, vertices: np.ndarray, view: View) -> np.ndarray:
        """The tracked points (P,2) float64 px of a head (V,3) in head space."""
        camera = view.to_camera(vertices.astype(np.float32)).astype(np.float64)
        return project_points(self.head, camera, view.intrinsics)

    def draw(self, scene: Scene, backdrop: np.ndarray, white: float,
             received: float | None = None) -> Drawing:
        """Draw a scene before a backdrop (side,side,3) uint8.

        white: what white paper under the face's mean light would reach of display white, beside
        skin of MIDDLE_TONE. received: that mean light where the exposure shall not follow the
        face's own.
        """
        view = scene.view.enlarged(SUPERSAMPLING)
        surface, camera, screen = self._rasterize(scene, view)
        shadow = ShadowMap.of(*_with_hair(camera, surface.triangles, scene, view),
                              camera[:len(scene.vertices)].mean(axis=0), scene.light,
                              cull=len(self.mesh.triangles))
        linear, classes, brightness = shade(surface, scene.skin, scene.look, scene.light, shadow,
                                            view.intrinsics)
        received = brightness if received is None else received
        exposure = (white / max(received, 1e-3)
                    * (MIDDLE_TONE / scene.skin.tone.mean()) ** TONE_COMPENSATION)
        _expose(linear, surface.triangle, np.float32(exposure), scene_linear(backdrop),
                SUPERSAMPLING)
        depth = surface.depth
        self._blend_lashes(screen, linear, depth, exposure)
        lit = scene.light.scaled(exposure)
        for strands in scene.strands:
            draw_strands(strands, (view.rotation, view.translation), view.intrinsics, lit, linear,
                         classes, depth)
        if scene.glasses:
            _blend_lenses(scene.glasses, view, lit, linear, classes, depth)
        return Drawing(linear, classes, depth, screen, received, surface)

    def _rasterize(self, scene: Scene, view: View) -> tuple[Surface, np.ndarray, np.ndarray]:
        """Head and worn meshes as one surface; their vertices in camera space and on the screen."""
        mesh, count = self.mesh, len(scene.vertices)
        vertices = np.concatenate([scene.vertices, *(m.vertices for m in scene.meshes)])
        camera = view.to_camera(vertices.astype(np.float32))
        screen = view.to_screen(camera).astype(np.float32)
        triangles, material, label = [mesh.triangles], [mesh.material], [mesh.label]
        offset = count
        for worn in scene.meshes:
            triangles.append(worn.triangles + offset)
            material.append(np.full(len(worn.triangles), worn.material, np.uint8))
            label.append(np.full(len(worn.triangles), worn.label, np.uint8))
            offset += len(worn.vertices)
        triangles = np.concatenate(triangles)
        attributes = np.empty((len(vertices), VERTEX_ATTRIBUTES), np.float32)
        rotation = view.rotation.astype(np.float32)
        attributes[:count, NORMAL:NORMAL + 3] = scene.normals @ rotation.T
        attributes[:count, REST:REST + 3] = mesh.rest
        harmonics = scene.light.harmonics(view.rotation.T)
        attributes[:count, OCCLUSION] = self.occlusion.factors(harmonics)
        if offset > count:
            worn_triangles = triangles[len(mesh.triangles):]
            attributes[count:, NORMAL:NORMAL + 3] = vertex_normals(camera, worn_triangles)[count:]
            attributes[count:, REST:REST + 3] = np.concatenate(
                [m.vertices if m.rest is None else m.rest for m in scene.meshes])
            attributes[count:, OCCLUSION] = 1.0
        uv = np.zeros((len(triangles), 3, 2), np.float32)
        uv[:len(mesh.triangles)] = mesh.corner_uv
        triangle, bary, depth = rasterize(screen, triangles, view.side, view.side,
                                          cull=len(mesh.triangles))
        return (Surface(triangle, bary, depth, triangles, attributes, uv, np.concatenate(material),
                        np.concatenate(label)), camera, screen)

    def _blend_lashes(self, screen, linear, depth, exposure) -> None:
        """Lashes are a veil that thins out towards their tips."""
        colour = np.full(3, 0.012 * exposure, np.float32)
        blend(screen, self.mesh.lash_triangles, self.mesh.lash_opacity, colour, linear, depth)


@dataclass(frozen=True)
class HeadMesh:
    """What stays the same of the head's mesh from picture to picture.

    triangles (N,3) without the lashes, with corner_uv (N,3,2), material and label (N,); rest (V,3);
    smooth_triangles: those whose faces make up the normals; lash_triangles, lash_opacity (V,).
    """

    triangles: np.ndarray
    corner_uv: np.ndarray
    material: np.ndarray
    label: np.ndarray
    rest: np.ndarray
    smooth_triangles: np.ndarray
    lash_triangles: np.ndarray
    lash_opacity: np.ndarray

    @staticmethod
    def of(head: Head, corners: np.ndarray) -> HeadMesh:
        """Read the head's parts off its groups; corners (N,3,2): skin chart of all triangles."""
        group = np.array(GROUP_NAMES)[head.triangle_group]
        material = np.select(
            [np.isin(group, ("eye_left", "eye_right")),
             np.isin(group, ("teeth_upper", "teeth_lower")),
             np.isin(group, ("inside_mouth", "tongue", "gums"))],
            [EYE, TEETH, CAVITY], SKIN).astype(np.uint8)
        label = np.select(
            [material == EYE, (material == TEETH) | (material == CAVITY), group == "lips"],
            [pool.EYES, pool.INSIDE_MOUTH, pool.LIPS], pool.SKIN).astype(np.uint8)
        rest = head.mean.copy()
        for eye, bone in zip(head.eye_vertices, ("eye.L", "eye.R"), strict=True):
            offset = head.mean[eye] - head.bone_mean[0, BONE_NAMES.index(bone)]
            rest[eye] = offset / np.linalg.norm(offset, axis=1, keepdims=True)
        lashes = group == "lashes"
        solid = ~lashes & (group != "brows")  # the skin has its brows painted on
        return HeadMesh(head.triangles[solid], corners[solid], material[solid], label[solid], rest,
                        head.triangles, head.triangles[lashes], _lash_opacity(head, lashes))


def _with_hair(camera: np.ndarray, triangles: np.ndarray, scene: Scene,
               view: View) -> tuple[np.ndarray, np.ndarray]:
    """What casts shadows: vertices (V,3) in camera space with triangles (N,3), and the locks."""
    if not scene.light.sun_colour.any():
        return camera, triangles
    vertices, faces, offset = [camera], [triangles], len(camera)
    for strands in scene.strands:
        if isinstance(strands, Locks):
            more, its_triangles = strands.casting(view)
            vertices.append(more)
            faces.append(its_triangles + offset)
            offset += len(more)
    return np.concatenate(vertices), np.concatenate(faces)


def _lash_opacity(head: Head, lashes: np.ndarray) -> np.ndarray:
    """Opacity (V,) float32: full at the lid, nothing at the tips; 0 for all other vertices."""
    used = np.unique(head.triangles[lashes])
    lids = head.group_vertices("eyelids")
    gap = np.linalg.norm(head.mean[used][:, None] - head.mean[lids][None], axis=2).min(axis=1)
    opacity = np.zeros(len(head.mean), np.float32)
    opacity[used] = LASH_OPACITY * np.clip(1.0 - gap / np.quantile(gap, 0.9), 0, 1)
    return opacity


@numba.njit(cache=True, nogil=True, fastmath=True)
def _expose(linear, triangle, exposure, backdrop, factor):
    """Scale the person's light, in place, and fill the other pixels from the enlarged backdrop."""
    height, width = triangle.shape
    last_y, last_x = backdrop.shape[0] - 1, backdrop.shape[1] - 1
    for y in range(height):
        for x in range(width):
            if triangle[y, x] >= 0:
                for k in range(3):
                    linear[y, x, k] *= exposure
            else:
                row, column = min(y // factor, last_y), min(x // factor, last_x)
                for k in range(3):
                    linear[y, x, k] = backdrop[row, column, k]


@numba.njit(cache=True, nogil=True, fastmath=True)
def blend(screen, triangles, opacity, colour, linear, depth):
    """Lay half-transparent triangles over the light, in place, where nothing is before them."""
    height, width = depth.shape
    for index in range(triangles.shape[0]):
        a, b, c = triangles[index, 0], triangles[index, 1], triangles[index, 2]
        ax, ay, az = screen[a, 0], screen[a, 1], screen[a, 2]
        bx, by, bz = screen[b, 0], screen[b, 1], screen[b, 2]
        cx, cy, cz = screen[c, 0], screen[c, 1], screen[c, 2]
        if az <= 0 or bz <= 0 or cz <= 0:
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-6:
            continue
        for y in range(max(0, int(np.ceil(min(ay, by, cy)))),
                       min(height - 1, int(np.floor(max(ay, by, cy)))) + 1):
            for x in range(max(0, int(np.ceil(min(ax, bx, cx)))),
                           min(width - 1, int(np.floor(max(ax, bx, cx)))) + 1):
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                wc = 1 - wa - wb
                if wa < 0 or wb < 0 or wc < 0:
                    continue
                if wa * az + wb * bz + wc * cz > depth[y, x] + 0.001:
                    continue
                alpha = wa * opacity[a] + wb * opacity[b] + wc * opacity[c]
                for k in range(3):
                    linear[y, x, k] += (colour[k] - linear[y, x, k]) * alpha


def _blend_lenses(worn: Glasses, view: View, light: Light, linear, classes, depth) -> None:
    """Tint and mirror image of the lenses; dark ones count as glasses and hide what is behind."""
    camera = view.to_camera(worn.lenses)
    screen = view.to_screen(camera).astype(np.float32)
    count = len(worn.lenses)
    before = depth.copy() if worn.opacity > 0.5 else depth
    blend(screen, worn.lens_triangles, np.full(count, worn.opacity, np.float32),
          worn.tint.astype(np.float32), linear, depth)
    # The sky as the lens mirrors it: brighter towards the upper rim.
    height = worn.lenses[:, 1]
    ramp = (height - height.min()) / max(float(np.ptp(height)), 1e-6)
    sky = (light.ambient + 0.5 * light.lobe_colours.sum(axis=0)).astype(np.float32)
    blend(screen, worn.lens_triangles, (worn.mirror * ramp ** 2).astype(np.float32), sky, linear,
          depth)
    if worn.opacity > 0.5:
        triangle, _, lens_depth = rasterize(screen, worn.lens_triangles, view.side, view.side)
        front = (triangle >= 0) & (lens_depth < before)
        classes[front] = pool.GLASSES
        depth[front] = lens_depth[front]


def _visible(points: np.ndarray, nearness: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Which points (P,2) px of the picture, at depth (P,), nothing nearer hides: (P,) uint8.

    depth (H,W) is that of the supersampled scene. A point is seen if it lies at most
    VISIBLE_SLACK behind the farthest surface of the 3x3 pixels around it; outside the picture it is
    not.
    """
    farthest = cv2.dilate(np.minimum(depth, 1e3), np.ones((3, 3), np.uint8))
    place = np.rint(points * SUPERSAMPLING + (SUPERSAMPLING - 1) / 2).astype(np.int64)
    x, y = place.T
    side = depth.shape[0]
    inside = (x >= 0) & (y >= 0) & (x < side) & (y < side)
    seen = np.zeros(len(points), np.uint8)
    seen[inside] = nearness[inside] < farthest[y[inside], x[inside]] + VISIBLE_SLACK
    return seen
