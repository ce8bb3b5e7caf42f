# SPDX-License-Identifier: GPL-3.0-or-later
"""Batches: crops cut from pool pictures, with things in front, spoilt as cameras spoil them."""

import time
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.reconstruction.config import CROP_SIZE
from models.reconstruction.crop import Crops, face_crops
from models.synthesis.camera import damage, film_grain
from models.synthesis.occluders import occlude
from models.synthesis.pool import SOURCE_BACKGROUND

from .cells import OUTSIDE_CROP, Cells
from .config import TrainingConfig
from .jitter import anywhere, jitter, nudge
from .labels import Labels, MirrorTables, choose
from .parallel import ALONE
from .pool import GrowingPool

EMPTY_POOL_WAIT = 2.0  # seconds before looking again into pools without a finished chunk
PREFETCHED_BATCHES = 6
STRETCHED_BORDER = 0.5  # how often pixels beyond the picture repeat its edge, else they are black
LABEL_FIELDS = (
    "points", "visible", "identity", "expression", "gaze", "rotation", "focal",
)  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """N pool samples: images, list of (192,192,3) uint8; labels; background (N,) bool: a picture
    without a face; cells, or None where nobody asks for them."""

    images: list
    labels: Labels
    background: np.ndarray
    cells: Cells | None

    @classmethod
    def of(cls, picks, with_cells=True):
        """From (chunk, index) pairs."""
        labels = {
            name: np.stack([getattr(chunk, name)[index] for chunk, index in picks])
            for name in LABEL_FIELDS
        }
        return cls(
            [chunk.image[index] for chunk, index in picks],
            Labels(**{k: v.astype(np.float32) for k, v in labels.items()}),
            np.array([chunk.source[index] == SOURCE_BACKGROUND for chunk, index in picks]),
            Cells.of(picks) if with_cells else None,
        )

    def mirrored(self, flip, tables):
        """The samples, their pictures mirrored where flip (N,) is true."""
        return Drawn(
            [cv2.flip(image, 1) if f else image for image, f in zip(self.images, flip)],
            self.labels.mirrored(flip, tables, self.width),
            self.background,
            self.cells and self.cells.mirrored(flip),
        )

    @property
    def width(self):
        """Side of the pictures, px."""
        return self.images[0].shape[1]


def training_batch(drawn, tables, rng, occluders=True, camera=1.0, neighbours=0):
    """A batch dictionary of numpy arrays from N drawn samples; see `assemble`, and `Cells.in_crops` where
    they have cells.

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
    seen, covers = labels.visible, {}
    for row in range(count):
        shown = row - (count - neighbours) if row >= count - neighbours else row
        # Both frames of a pair have the same chances, but for the noise.
        paired = shown < neighbours
        chance = np.random.default_rng((seed, shown)) if paired else rng
        if occluders and not (miss[row] or drawn.background[row]):
            donor = drawn.images[(shown + 1) % count]
            points = pixels(labels.points[row])
            covers[row] = occlude(images[row], points, chance, donor)
            seen[row][covers[row].covered] = 0
            images[row] = covers[row].image
        if chance.random() < camera:
            images[row] = damage(images[row], chance, rng if paired else None)
        elif paired:
            images[row] = film_grain(images[row], rng)
    batch = assemble(images, labels, miss | drawn.background)
    if drawn.cells:
        batch |= drawn.cells.in_crops(crops, drawn.labels, drawn.width, covers)
    if neighbours:
        batch["neighbour"] = np.full(count, -1)
        batch["neighbour"][latter] = np.arange(neighbours)
    return batch


def clean_batch(drawn):
    """The same without any chance, for validation: well-placed crops of clean pictures."""
    crops, width = face_or_whole_crops(drawn), drawn.width
    stretched = np.ones(len(drawn.images), bool)
    labels = drawn.labels.in_crops(crops, width)
    batch = assemble(cut(drawn, crops, stretched), labels, drawn.background)
    if drawn.cells:
        batch |= drawn.cells.in_crops(crops, drawn.labels, width, {})
    return batch


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


def pixels(points):
    """Crop coordinates (P,2) -> pixels of the crop (P,2)."""
    return (points + 1) * (CROP_SIZE / 2) - 0.5


def assemble(images, labels, no_face):
    """The arrays that all losses but the per-pixel ones take; for those see `Cells.in_crops`.

    image (N,128,128,3) uint8; points (N,P,2) crop coordinates; visible (N,P), 0 also outside the
    crop; identity, expression, gaze, rotation as Labels; face (N,) 0 or 1, which also says
    whether the labels above mean anything.
    """
    inside = (np.abs(labels.points) < OUTSIDE_CROP).all(axis=2)
    return {
        "image": np.stack(images),
        "points": labels.points,
        "visible": (labels.visible * inside).astype(np.float32),
        "identity": labels.identity,
        "expression": labels.expression,
        "gaze": labels.gaze,
        "rotation": labels.rotation,
        "face": (~no_face).astype(np.float32),
    }


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
        self.with_cells = bool(config.network.pixel_widths)
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
            drawn = Drawn.of(picks + picks[: self.neighbours], self.with_cells)
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
