# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches: crops cut from pool pictures, with things in front, spoilt as cameras spoil them."""

import time
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.reconstruction.config import CROP_SIZE, UNKNOWN_CLASS
from models.reconstruction.crop import Crops, cells_in_crop, face_crops
from models.synthesis.camera import damage, film_grain
from models.synthesis.occluders import occlude
from models.synthesis.pool import SEGMENTATION_SIDE, SOURCE_BACKGROUND, SURFACE_SIDE

from .config import TrainingConfig
from .jitter import anywhere, jitter, nudge
from .labels import Labels, MirrorTables, choose
from .parallel import ALONE
from .pool import GrowingPool
from .surfaces import Surfaces

EMPTY_POOL_WAIT = 2.0  # seconds before looking again into pools without a finished chunk
PREFETCHED_BATCHES = 6
OUTSIDE_CROP = 1.0  # |u| beyond which a point is not in the picture
STRETCHED_BORDER = 0.5  # how often pixels beyond the picture repeat its edge, else they are black
LABEL_FIELDS = (
    "points", "visible", "identity", "expression", "gaze", "rotation", "focal",
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """N pool samples: images, list of (192,192,3) uint8; labels; segmentation (N,96,96) uint8;
    surfaces; background (N,) bool: a picture without a face."""

    images: list
    labels: Labels
    segmentation: np.ndarray
    surfaces: Surfaces
    background: np.ndarray

    @classmethod
    def of(cls, picks):
        """From (chunk, index) pairs."""
        labels = {
            name: np.stack([getattr(chunk, name)[index] for chunk, index in picks])
            for name in LABEL_FIELDS
        }
        return cls(
            [chunk.image[index] for chunk, index in picks],
            Labels(**{k: v.astype(np.float32) for k, v in labels.items()}),
            np.stack([chunk.segmentation[index] for chunk, index in picks]),
            Surfaces.of(picks),
            np.array([chunk.source[index] == SOURCE_BACKGROUND for chunk, index in picks]),
        )

    def mirrored(self, flip, tables):
        """The samples, their pictures mirrored where flip (N,) is true."""
        return Drawn(
            [cv2.flip(image, 1) if f else image for image, f in zip(self.images, flip)],
            self.labels.mirrored(flip, tables, self.width),
            choose(flip, self.segmentation[:, :, ::-1], self.segmentation),
            self.surfaces.mirrored(flip),
            self.background,
        )

    @property
    def width(self):
        """Side of the pictures, px."""
        return self.images[0].shape[1]


def training_batch(drawn, tables, rng, occluders=True, camera=1.0, neighbours=0):
    """A batch dictionary of numpy arrays from N drawn samples; see `assemble`.

    occluders, camera: as in TrainingConfig. neighbours: so many samples at the end are those at the
    beginning once more, and are shown as the next frame of a film shows them: from a crop that lies
    a little beside, with the same things before them, spoilt by the same camera, but with noise of
    their own. The batch then also has neighbour (N,) int64: the row of the frame before, else -1.
    """
    count = len(drawn.images)
    former, latter = slice(neighbours), slice(count - neighbours, count)
    flip = rng.random(count) < 0.5
    flip[latter] = flip[former]
    drawn = drawn.mirrored(flip, tables)
    crops, miss = training_crops(drawn, rng)
    if neighbours:
        seed = rng.integers(2**63)
        crops, miss[latter] = crops[: count - neighbours].then(nudge(crops[former], rng)), miss[former]
    stretched = rng.random(count) < STRETCHED_BORDER
    stretched[latter] = stretched[former]
    images, labels = cut(drawn, crops, stretched), drawn.labels.in_crops(crops, drawn.width)
    segmentation = drawn.segmentation.copy()
    crop_from_whole = crops.from_whole(drawn.width)
    to_pixel = cells_in_crop(crop_from_whole, CROP_SIZE, SEGMENTATION_SIDE)
    seen = labels.visible
    for row in range(count):
        shown = row - (count - neighbours) if row >= count - neighbours else row
        # Both frames of a pair have the same chances, but for the noise.
        paired = shown < neighbours
        chance = np.random.default_rng((seed, shown)) if paired else rng
        if occluders and not (miss[row] or drawn.background[row]):
            donor = drawn.images[(shown + 1) % count]
            points = pixels(labels.points[row])
            occluded = occlude(images[row], points, chance, donor)
            occluded.seen_through(to_pixel[row], SEGMENTATION_SIDE).paint_classes(segmentation[row])
            seen[row][occluded.covered] = 0
            images[row] = occluded.image
        if chance.random() < camera:
            images[row] = damage(images[row], chance, rng if paired else None)
        elif paired:
            images[row] = film_grain(images[row], rng)
    surfaces = drawn.surfaces.in_crops(crops, drawn.labels, drawn.width)
    surfaces = surfaces.without(coarser(segmentation != drawn.segmentation))
    no_face = miss | drawn.background
    batch = assemble(images, labels, segmentation, surfaces, crop_from_whole, no_face)
    if neighbours:
        batch["neighbour"] = np.full(count, -1)
        batch["neighbour"][latter] = np.arange(neighbours)
    return batch


def clean_batch(drawn):
    """The same without any chance, for validation: well-placed crops of clean pictures."""
    crops, width = face_or_whole_crops(drawn), drawn.width
    stretched = np.ones(len(drawn.images), bool)
    return assemble(
        cut(drawn, crops, stretched), drawn.labels.in_crops(crops, width), drawn.segmentation,
        drawn.surfaces.in_crops(crops, drawn.labels, width), crops.from_whole(width),
        drawn.background,
    )  # fmt: skip


def training_crops(drawn, rng):
    """Jittered crops of the faces, any crops of the backgrounds; (N,) bool: misses."""
    jittered = jitter(face_or_whole_crops(drawn), rng)
    somewhere = anywhere(len(drawn.images), drawn.width, rng)
    return pick(drawn.background, somewhere, jittered.crops), jittered.miss & ~drawn.background


def face_or_whole_crops(drawn):
    """Well-placed crops of the faces; the whole picture where there is none."""
    count, width = len(drawn.images), drawn.width
    centre, side = np.full((count, 2), (width - 1) / 2), np.full(count, float(width))
    whole = Crops(centre, side, np.zeros(count))
    return pick(drawn.background, whole, face_crops(drawn.labels.points))


def pick(where, first, second):
    """Crops of `first` where (N,) bool is true, else of `second`."""
    return Crops(
        np.where(where[:, None], first.centre, second.centre),
        np.where(where, first.side, second.side),
        np.where(where, first.roll, second.roll),
    )


def cut(drawn, crops, stretched):
    """Crops' pixels, list of (128,128,3) uint8.

    stretched (N,): what lies beyond the picture repeats its edge; else it is black.
    """
    images = []
    for row, to_picture in enumerate(crops.picture_from_pixel(CROP_SIZE)):
        images.append(
            cv2.warpAffine(
                drawn.images[row],
                to_picture,
                (CROP_SIZE, CROP_SIZE),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE if stretched[row] else cv2.BORDER_CONSTANT,
            )
        )
    return images


def coarser(mask):
    """(N,96,96) bool -> (N,48,48): whether any of the cells that make up a larger one is true."""
    parts = SEGMENTATION_SIDE // SURFACE_SIDE
    return mask.reshape(-1, SURFACE_SIDE, parts, SURFACE_SIDE, parts).any(axis=(2, 4))


def pixels(points):
    """Crop coordinates (P,2) -> pixels of the crop (P,2)."""
    return (points + 1) * (CROP_SIZE / 2) - 0.5


def assemble(images, labels, segmentation, surfaces, crop_from_whole, no_face):
    """The arrays that the losses take.

    image (N,128,128,3) uint8; points (N,P,2) crop coordinates; visible (N,P), 0 also outside the
    crop; identity, expression, gaze, rotation as Labels; face (N,) 0 or 1, which also says
    whether the labels above mean anything. Of cells of the whole picture, whose places in the crop
    crop_from_whole (N,2,3) tells as in Crops.from_whole: segmentation (N,96,96) uint8, 255 unknown;
    canonical, depth, normal, relief, seen, lifted (N,48,48,…) as Surfaces. What lies outside the
    crop is unknown.
    """
    inside = (np.abs(labels.points) < OUTSIDE_CROP).all(axis=2)
    surfaces = surfaces.without(outside(crop_from_whole, SURFACE_SIDE))
    return {
        "image": np.stack(images),
        "points": labels.points,
        "visible": (labels.visible * inside).astype(np.float32),
        "identity": labels.identity,
        "expression": labels.expression,
        "gaze": labels.gaze,
        "rotation": labels.rotation,
        "face": (~no_face).astype(np.float32),
        "crop_from_whole": crop_from_whole.astype(np.float32),
        "segmentation": np.where(
            outside(crop_from_whole, SEGMENTATION_SIDE), np.uint8(UNKNOWN_CLASS), segmentation
        ),
        **vars(surfaces),
    }


def outside(crop_from_whole, side):
    """(N,side,side) bool: cells of pictures whose centres lie outside the crops."""
    axis = (np.arange(side) + 0.5) * (2 / side) - 1
    across, down = crop_from_whole[:, :, 0], crop_from_whole[:, :, 1]
    place = (
        across[:, :, None, None] * axis
        + down[:, :, None, None] * axis[:, None]
        + crop_from_whole[:, :, 2, None, None]
    )
    return (np.abs(place) >= OUTSIDE_CROP).any(axis=1)


class TrainingBatches(IterableDataset):
    """Endless training batches as a TrainingConfig wants them; batch number i is drawn with the
    seed (config.seed, i), or this process's part of it with (config.seed, i, rank).

    So a run that goes on after a kill sees what it would have seen, as far as the pools are the
    same. Raises ValueError if the processes cannot share a batch evenly.
    """

    def __init__(
        self, shares, tables: MirrorTables, config: TrainingConfig, first=0, processes=ALONE
    ):
        if config.batch % processes.count:
            raise ValueError(
                f"{processes.count} processes cannot share batches of {config.batch} evenly"
            )
        self.count = config.batch // processes.count
        self.neighbours = round(config.neighbours * self.count)
        self.rank = processes.rank
        self.shares = shares
        self.tables = tables
        self.config = config
        self.first = first

    def __iter__(self):
        cv2.setNumThreads(0)  # one process a core; OpenCV's own threads would fight with training
        worker = get_worker_info()
        step, number = (worker.num_workers, worker.id) if worker else (1, 0)
        pools, config = [GrowingPool(share.folder) for share in self.shares], self.config
        number += self.first
        while True:
            rng = np.random.default_rng((config.seed, number, self.rank))
            picks = [self.draw(pools, rng) for _ in range(self.count - self.neighbours)]
            drawn = Drawn.of(picks + picks[: self.neighbours])
            batch = training_batch(
                drawn, self.tables, rng, config.occluders, config.camera, self.neighbours
            )
            yield {name: torch.from_numpy(array) for name, array in batch.items()}
            number += step

    def draw(self, pools, rng):
        """A sample of a pool chosen by weight among those that have any; waits for the first."""
        while True:
            weights = np.array([share.weight for share in self.shares], float)
            while weights.any():
                choice = rng.choice(len(pools), p=weights / weights.sum())
                picked = pools[choice].draw(rng)
                if picked is not None:
                    return picked
                weights[choice] = 0.0
            time.sleep(EMPTY_POOL_WAIT)


def batch_loader(batches, workers, pin):
    """An iterator over batches that worker processes prepare; workers 0: in this process."""
    options = {"prefetch_factor": PREFETCHED_BATCHES} if workers else {}
    return iter(
        DataLoader(batches, batch_size=None, num_workers=workers, pin_memory=pin, **options)
    )
