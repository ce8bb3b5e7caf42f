# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of pictures that grow and shrink while training reads them."""

import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

from models.synthesis.pool import chunk_paths, open_chunk

RESCAN_SECONDS = 15.0
OPEN_CHUNKS = 240  # a pool and process; each holds some 4 MB of labels in memory
REPLACED_A_SCAN = 8  # of a pool with more chunks than may be open
HELD_OUT_EVERY = 16  # chunks 00000, 00016, 00032, ... are never trained on


def held_out(path):
    """Whether a chunk serves validation only; decided by its number alone."""
    return int(Path(path).name) % HELD_OUT_EVERY == 0


@dataclass(frozen=True)
class PoolShare:
    """One pool folder and its share of the pictures, relative to the other pools."""

    folder: str
    weight: float = 1.0

    @classmethod
    def parse(cls, text):
        """`DIR` or `DIR:WEIGHT`; raises ValueError or FileNotFoundError."""
        folder, colon, weight = text.rpartition(":")
        try:
            share = cls(folder, float(weight)) if colon else cls(text)
        except ValueError:
            share = cls(text)
        if not share.weight > 0:
            raise ValueError(f"the weight of pool {share.folder} must be positive")
        if not Path(share.folder).is_dir():
            raise FileNotFoundError(f"there is no pool folder {share.folder}")
        return share


def check_points(share, points):
    """Raise ValueError if a pool was made for a head model with another number of points."""
    for path in chunk_paths(share.folder)[-1:]:
        found = open_chunk(path).points.shape[1]
        if found != points:
            raise ValueError(
                f"{path} has {found} points and the head model {points}: render the pool again"
            )


class GrowingPool:
    """The training chunks of one folder that are open just now.

    Looks at the folder again every RESCAN_SECONDS: opens new chunks, forgets vanished ones (what
    is mapped stays readable until then), and goes round a pool that is larger than OPEN_CHUNKS.
    """

    def __init__(self, folder, clock=time.monotonic):
        self.folder = Path(folder)
        self.clock = clock
        self.chunks = {}
        self.scanned = None

    def draw(self, rng):
        """A random chunk and a random index in it; None while the pool is empty."""
        if self.scanned is None or self.clock() - self.scanned >= RESCAN_SECONDS:
            self.scan(rng)
        if not self.chunks:
            return None
        paths = list(self.chunks)
        chunk = self.chunks[paths[rng.integers(len(paths))]]
        return chunk, int(rng.integers(len(chunk)))

    def scan(self, rng):
        """Bring `chunks` up to date with the folder."""
        self.scanned = self.clock()
        present = [p for p in chunk_paths(self.folder) if not held_out(p)]
        kept = [p for p in self.chunks if p in set(present)]
        fresh = [p for p in present if p not in self.chunks]
        if len(kept) + len(fresh) > OPEN_CHUNKS:
            rng.shuffle(fresh)
            rng.shuffle(kept)
            kept = kept[: OPEN_CHUNKS - min(len(fresh), REPLACED_A_SCAN)]
            fresh = fresh[: OPEN_CHUNKS - len(kept)]
        chunks = {p: self.chunks[p] for p in kept}
        chunks.update((p, c) for p in fresh if (c := open_or_none(p)) is not None)
        self.chunks = dict(sorted(chunks.items()))


def open_or_none(path):
    """The chunk, or None if it vanished or broke off between listing and opening."""
    try:
        return open_chunk(path)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None
