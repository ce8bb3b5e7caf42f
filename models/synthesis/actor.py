# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the picture: a person's head, skin, eyes, hair and what is worn on the head.

All this stays the same from picture to picture of one person; expression, gaze, pose, clothes and
light do not, see renderer.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.head import EYE_BONES, load_head
from models.head.person import Person as HeadOfPerson

from .accessories import Glasses, HatMaker, Mesh, earrings, glasses, headphones, scarf
from .background import Backdrops
from .hair import HairGrower, Strands, sample_colour, sample_style, tucked
from .locks import Locks
from .noise import fractal_noise
from .people import sample_identity
from .raster import vertex_normals
from .shading import Look, scene_linear
from .skin import Skin, SkinPainter, sample_tone, to_linear

HAIRLESS_PROBABILITY = 0.07
CROPPED_PROBABILITY = 0.18
HAT_PROBABILITY = 0.12
GLASSES_PROBABILITY = 0.20
EARRING_PROBABILITY, HEADPHONE_PROBABILITY, SCARF_PROBABILITY = 0.15, 0.04, 0.05
BEARD_SHADOW_PROBABILITY = 0.28
LONG_BEARD_PROBABILITY = 0.12
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
class Actor:
    """A person as all pictures show them.

    identity (60,) float32; model: the person's head; skin: with the creases of a face at rest;
    look: colours of eyes, teeth and clothes; strands and worn: hair and meshes (hat, frame of the
    glasses) on the head at rest, in head space; glasses, if any.
    """

    identity: np.ndarray
    model: HeadOfPerson
    skin: Skin
    look: Look
    strands: list[Strands | Locks]
    worn: list[Mesh]
    glasses: Glasses | None

    def face(self, expression: np.ndarray, gaze: np.ndarray) -> np.ndarray:
        """The head (V,3) float32 m in head space with weights (52,) and gaze (2,2) rad."""
        return self.model.look(self.model.express(expression), gaze)

    def hair_on(self, face: np.ndarray) -> list[Strands | Locks]:
        """The hair, moved along with the skin of a face (V,3) of this actor."""
        triangles = self.model.head.triangles
        return [strand.carried(triangles, self.model.neutral, face) for strand in self.strands]


def sample_eyes_and_teeth(rng: np.random.Generator) -> dict:
    """The fields of a Look that are the person's own."""
    brown = rng.random() < BROWN_PROBABILITY
    iris = np.array(IRIS_COLOURS[rng.integers(BROWN_COUNT if brown else len(IRIS_COLOURS))])
    iris_angle = rng.uniform(*IRIS_ANGLE_RANGE)
    return {
        "iris": to_linear(np.clip(iris * rng.uniform(0.8, 1.25) + rng.normal(0, 5, 3), 5, 220)),
        "sclera": np.array(SCLERA_COLOUR) * rng.uniform(0.7, 1.15),
        "iris_angle": iris_angle,
        "pupil_angle": iris_angle * rng.uniform(*PUPIL_SHARE_RANGE),
        "mouth_light": rng.uniform(0.55, 1.0),
        "teeth": np.array(TEETH_COLOUR) * rng.uniform(0.7, 1.15),
    }


class ActorMaker:
    """Draws actors.

    photos: a folder of photographs whose face-free parts may serve as backgrounds and cloth. bare:
    heads alone, without hair and anything worn. skins: a bank of photographed skins, see skin_bank.
    """

    def __init__(self, photos: str | Path | None = None, bare: bool = False,
                 skins: str | Path | None = None):
        self.head = load_head()
        self.painter = SkinPainter(self.head, skins)
        self.backdrops = Backdrops(photos)
        self.bare = bare
        self._grower = HairGrower(self.head)
        self._hats = HatMaker(self.head)

    def make(self, rng: np.random.Generator) -> Actor:
        """Draw an actor; the same state of rng gives the same one."""
        head = self.head
        identity = sample_identity(rng, len(head.identity_basis))
        model = head.person(identity)
        normals = vertex_normals(model.neutral, head.triangles)
        hatted = not self.bare and rng.random() < HAT_PROBABILITY
        skin, strands = self._skin_and_hair(rng, model.neutral, normals, hatted)
        worn, spectacles = [], None
        if hatted:
            hat, border = self._hats.make(rng, model.neutral, normals)
            worn.append(hat)
            strands = tucked(strands, *border)
        if not self.bare and rng.random() < GLASSES_PROBABILITY:
            spectacles = glasses(rng, head, model.neutral, model.bone_head[list(EYE_BONES)])
            worn.append(spectacles.frame)
        if not self.bare:
            worn += self._ornaments(rng, model.neutral, hatted)
        return Actor(identity, model, skin, self._look(rng), strands, worn, spectacles)

    def _ornaments(self, rng: np.random.Generator, vertices: np.ndarray,
                   hatted: bool) -> list[Mesh]:
        """Earrings, headphones, a scarf; vertices (V,3) at rest."""
        worn, kind = [], rng.random()
        if kind < EARRING_PROBABILITY:
            worn.append(earrings(rng, self.head, vertices))
        elif kind < EARRING_PROBABILITY + HEADPHONE_PROBABILITY and not hatted:
            worn.append(headphones(rng, self.head, vertices))
        if rng.random() < SCARF_PROBABILITY:
            worn.append(scarf(rng, vertices, self.head))
        return worn

    def _skin_and_hair(self, rng: np.random.Generator, vertices: np.ndarray, normals: np.ndarray,
                       hatted: bool) -> tuple[Skin, list[Strands | Locks]]:
        """The painted skin, and the hair that grows from it; vertices, normals (V,3) at rest."""
        tone_log = sample_tone(rng)
        hair, age = sample_colour(rng, np.exp(tone_log)), rng.random()
        painter, strands = self.painter, []
        scalp_layer = painter.layers.pick("scalp", rng)
        beard_layer = painter.layers.pick("beard", rng)
        kind, bearded = rng.random(), rng.random()
        scalp = beard = 0.0
        if not self.bare:
            scalp = rng.uniform(0.0, 0.15) if kind < HAIRLESS_PROBABILITY else (
                rng.uniform(0.4, 0.95) if kind < HAIRLESS_PROBABILITY + CROPPED_PROBABILITY
                else 0.95)
            if bearded < LONG_BEARD_PROBABILITY:
                beard = rng.uniform(0.6, 0.95)
                length = np.exp(rng.uniform(np.log(0.004), np.log(0.04)))
                strands.append(self._grower.grow_beard(
                    rng, length, painter.layers.maps[beard_layer], hair, vertices, normals))
            elif bearded < LONG_BEARD_PROBABILITY + BEARD_SHADOW_PROBABILITY:
                beard = rng.uniform(0.05, 0.7)
            if kind >= HAIRLESS_PROBABILITY + CROPPED_PROBABILITY:
                strands += self._grower.grow_scalp(
                    rng, sample_style(rng), painter.layers.maps[scalp_layer], hair, vertices,
                    normals, pressed=hatted)
        skin = painter.paint(rng, tone_log, hair, age, (beard_layer, beard), (scalp_layer, scalp))
        return skin, strands

    def _look(self, rng: np.random.Generator) -> Look:
        """Eyes, teeth and cloth of one person."""
        return Look(**sample_eyes_and_teeth(rng), cloth=self._cloth(rng),
                    hat=to_linear(_cloth_colour(rng)), frame=to_linear(_cloth_colour(rng)) * 0.5)

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
