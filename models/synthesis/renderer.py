# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of procedural people with exact labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numba
import numpy as np

from models.head import BONE_NAMES, GROUP_NAMES, Head, load_head

from . import pool
from .accessories import Glasses, HatMaker, Mesh, clothes, glasses
from .background import Backdrops
from .hair import HairGrower, Strands, draw_strands, sample_colour, sample_style
from .landmarks import project_points
from .light import Light, ShadowMap, SkyOcclusion, sample_light
from .noise import fractal_noise
from .people import Person, sample_person
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
from .skin import Skin, SkinPainter, sample_tone, to_linear
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

HAIRLESS_PROBABILITY = 0.07
CROPPED_PROBABILITY = 0.18
HAT_PROBABILITY = 0.12
GLASSES_PROBABILITY = 0.20
BEARD_SHADOW_PROBABILITY = 0.28
LONG_BEARD_PROBABILITY = 0.12
LASH_OPACITY = 0.75
PHOTOGRAPHED_CLOTH_PROBABILITY = 0.5
STRIPE_PROBABILITY = 0.2
CLOTH_SIDE = 128

IRIS_COLOURS = ((40, 25, 17), (56, 35, 22), (78, 52, 30), (84, 72, 46), (66, 82, 66), (70, 94, 112),
                (88, 108, 122), (66, 72, 76))
BROWN_COUNT, BROWN_PROBABILITY = 3, 0.6
"""sRGB; the first are brown, as most people's eyes are."""
IRIS_ANGLE_RANGE, PUPIL_SHARE_RANGE = (0.35, 0.42), (0.3, 0.65)
SCLERA_COLOUR = (0.50, 0.45, 0.42)
TEETH_COLOUR = (0.62, 0.57, 0.46)


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
    and depth of all vertices, the head's first; received: mean light on the skin (over pi).
    """

    linear: np.ndarray
    classes: np.ndarray
    depth: np.ndarray
    screen: np.ndarray
    received: float


class PeopleRenderer:
    """Renders procedural people.

    photos: a folder of photographs whose face-free parts may serve as backgrounds.
    """

    def __init__(self, photos: str | Path | None = None):
        self.head = load_head()
        self.painter = SkinPainter(self.head)
        self.grower = HairGrower(self.head)
        self.hats = HatMaker(self.head)
        self.occlusion = SkyOcclusion(self.head)
        self.backdrops = Backdrops(photos)
        self.mesh = HeadMesh.of(self.head, self.painter.chart.corners)

    def sample(self, rng: np.random.Generator) -> pool.Sample:
        """One picture with its labels; the same state of rng gives the same sample."""
        scene = self.compose(rng)
        return self.render(scene, self.backdrops.sample(rng, pool.IMAGE_SIDE), rng)

    def compose(self, rng: np.random.Generator) -> Scene:
        """Draw who, where and in what light."""
        rotation = sample_rotation(rng)
        person = sample_person(self.head, rng, -rotation[2])
        vertices = self.head.evaluate(person.identity, person.expression, person.gaze)
        view = frame_face(self.head, vertices, rotation, pool.IMAGE_SIDE, rng)
        return self.dress(rng, person, vertices, view)

    def dress(self, rng: np.random.Generator, person: Person, vertices: np.ndarray,
              view: View) -> Scene:
        """Draw skin, hair, clothes and light of a person whose vertices (V,3) are in head space."""
        head = self.head
        normals = vertex_normals(vertices, self.mesh.smooth_triangles)
        skin, strands = self._skin_and_hair(rng, person, vertices, normals)
        meshes = [clothes(rng, head, vertices, view.rotation)]
        if rng.random() < HAT_PROBABILITY:
            meshes.append(self.hats.make(rng, vertices, normals))
            strands = [strand for strand in strands if strand.points[:, 0, 1].max() < 0.0]
        worn = None
        if rng.random() < GLASSES_PROBABILITY:
            bones, _ = head.bones(person.identity)
            eyes = bones[[BONE_NAMES.index("eye.L"), BONE_NAMES.index("eye.R")]]
            worn = glasses(rng, head, vertices, eyes)
            meshes.append(worn.frame)
        return Scene(person, vertices, normals, view, skin, self._look(rng), sample_light(rng),
                     meshes, strands, worn)

    def _skin_and_hair(self, rng: np.random.Generator, person: Person, vertices: np.ndarray,
                       normals: np.ndarray) -> tuple[Skin, list[Strands]]:
        """The painted skin, and the strands that grow from it; vertices, normals (V,3)."""
        tone_log = sample_tone(rng)
        hair, age = sample_colour(rng, np.exp(tone_log)), rng.random()
        painter, strands = self.painter, []
        scalp_layer = painter.layers.pick("scalp", rng)
        beard_layer = painter.layers.pick("beard", rng)
        kind = rng.random()
        scalp = rng.uniform(0.0, 0.15) if kind < HAIRLESS_PROBABILITY else (
            rng.uniform(0.4, 0.95) if kind < HAIRLESS_PROBABILITY + CROPPED_PROBABILITY else 0.95)
        beard, bearded = 0.0, rng.random()
        if bearded < LONG_BEARD_PROBABILITY:
            beard = rng.uniform(0.6, 0.95)
            length = np.exp(rng.uniform(np.log(0.004), np.log(0.04)))
            strands.append(self.grower.grow_beard(rng, length, painter.layers.maps[beard_layer],
                                                  hair, vertices, normals))
        elif bearded < LONG_BEARD_PROBABILITY + BEARD_SHADOW_PROBABILITY:
            beard = rng.uniform(0.05, 0.7)
        if kind >= HAIRLESS_PROBABILITY + CROPPED_PROBABILITY:
            strands.append(self.grower.grow_scalp(rng, sample_style(rng),
                                                  painter.layers.maps[scalp_layer], hair,
                                                  vertices, normals))
        skin = painter.paint(rng, tone_log, person.expression, hair, age,
                             (beard_layer, beard), (scalp_layer, scalp))
        return skin, strands

    def _look(self, rng: np.random.Generator) -> Look:
        """Eyes, teeth and cloth of one person."""
        brown = rng.random() < BROWN_PROBABILITY
        iris = np.array(IRIS_COLOURS[rng.integers(BROWN_COUNT if brown else len(IRIS_COLOURS))])
        iris_angle = rng.uniform(*IRIS_ANGLE_RANGE)
        return Look(
            iris=to_linear(np.clip(iris * rng.uniform(0.8, 1.25) + rng.normal(0, 5, 3), 5, 220)),
            sclera=np.array(SCLERA_COLOUR) * rng.uniform(0.7, 1.15),
            iris_angle=iris_angle, pupil_angle=iris_angle * rng.uniform(*PUPIL_SHARE_RANGE),
            mouth_light=rng.uniform(0.55, 1.0),
            teeth=np.array(TEETH_COLOUR) * rng.uniform(0.7, 1.15),
            cloth=self._cloth(rng), hat=to_linear(_cloth_colour(rng)),
            frame=to_linear(_cloth_colour(rng)) * 0.5)

    def _cloth(self, rng: np.random.Generator) -> np.ndarray:
        """A picture of cloth (side,side,4) float32, linear: photographed, or plain and striped."""
        cloth = np.ones((CLOTH_SIDE, CLOTH_SIDE, 4), np.float32)
        if self.backdrops.bank and rng.random() < PHOTOGRAPHED_CLOTH_PROBABILITY:
            cloth[..., :3] = scene_linear(self.backdrops.photograph(rng, CLOTH_SIDE, 0.0))
            return cloth
        cloth[..., :3] = to_linear(_cloth_colour(rng))
        second = to_linear(_cloth_colour(rng))
        for axis in (0, 1):
            if rng.random() < STRIPE_PROBABILITY:
                period = int(rng.integers(4, 24))
                striped = np.arange(CLOTH_SIDE) % period < rng.integers(1, period)
                rows = cloth if axis else cloth.swapaxes(0, 1)
                rows[striped, :, :3] = (rows[striped, :, :3] + second) / 2
        weave = fractal_noise(rng, CLOTH_SIDE, CLOTH_SIDE, 20, 2)
        cloth[..., :3] *= np.exp(0.08 * weave)[..., None]
        return cloth

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
            source=pool.SOURCE_RENDERED, focal=scene.view.focal)

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
        shadow = ShadowMap.of(camera, surface.triangles, camera[:len(scene.vertices)].mean(axis=0),
                              scene.light, cull=len(self.mesh.triangles))
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
        return Drawing(linear, classes, depth, screen, received)

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
        _blend(screen, self.mesh.lash_triangles, self.mesh.lash_opacity, colour, linear, depth)


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


def _lash_opacity(head: Head, lashes: np.ndarray) -> np.ndarray:
    """Opacity (V,) float32: full at the lid, nothing at the tips; 0 for all other vertices."""
    used = np.unique(head.triangles[lashes])
    lids = head.group_vertices("eyelids")
    gap = np.linalg.norm(head.mean[used][:, None] - head.mean[lids][None], axis=2).min(axis=1)
    opacity = np.zeros(len(head.mean), np.float32)
    opacity[used] = LASH_OPACITY * np.clip(1.0 - gap / np.quantile(gap, 0.9), 0, 1)
    return opacity


def _cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """sRGB: white, black, grey and blue are commonest."""
    kind = rng.random()
    if kind < 0.2:
        return np.clip(rng.normal(225, 12) + rng.normal(0, 4, 3), 0, 255)
    if kind < 0.5:
        return np.clip(rng.normal(40, 18) + rng.normal(0, 6, 3), 5, 255)
    if kind < 0.65:
        return np.clip(np.array([50, 65, 110]) + rng.normal(0, 25, 3), 5, 255)
    return np.clip(rng.uniform(20, 220) + rng.normal(0, 35, 3), 8, 245)


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
def _blend(screen, triangles, opacity, colour, linear, depth):
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
    _blend(screen, worn.lens_triangles, np.full(count, worn.opacity, np.float32),
           worn.tint.astype(np.float32), linear, depth)
    # The sky as the lens mirrors it: brighter towards the upper rim.
    height = worn.lenses[:, 1]
    ramp = (height - height.min()) / max(float(np.ptp(height)), 1e-6)
    sky = (light.ambient + 0.5 * light.lobe_colours.sum(axis=0)).astype(np.float32)
    _blend(screen, worn.lens_triangles, (worn.mirror * ramp ** 2).astype(np.float32), sky, linear,
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
