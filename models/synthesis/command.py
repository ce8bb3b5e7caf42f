# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models render`: fill a folder with chunks of training pictures, or draw a sheet.

GROUP neighbouring pictures show one person. Group g of chunk c is made from the seed (S, source, c,
g) alone: the same command gives the same pictures, a stopped run goes on where it stopped, and
processes may share the chunks of one folder.

With --sequences the folder is filled with films instead: 00000.mp4 and its truth, 00000.npz, made
from the seed (S, SEQUENCE_STREAM, i) alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np
from tqdm import tqdm

from . import pool

if TYPE_CHECKING:
    from .sequence import SequenceRenderer

SOURCES = ("people", "portraits", "background", "heads")
GROUP = 8
"""Pictures of one person: making the person costs as much as drawing one or two pictures."""
SHEET_COLUMNS, SHEET_ROWS = 8, 6
MARKED_EVERY = 3
"""Every third picture of a sheet has its points drawn in."""
MARK_COLOURS = {1: (40, 255, 40), 0: (255, 60, 40)}
"""Seen and hidden points, RGB."""
BENCHMARK_COUNT = 400
SEQUENCE_STREAM = 10
"""Beside the numbers of the sources in the seeds."""
SEQUENCE_FRAMES, SEQUENCE_SIDE = 150, 256


class Renderer(Protocol):
    """What gives samples."""

    def samples(self, rng: np.random.Generator, count: int) -> list[pool.Sample]:
        """So many samples, of one person where they show any, determined by the state of rng."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `render`."""
    parser.add_argument("--source", choices=SOURCES, default="people")
    parser.add_argument("--count", type=int, default=0,
                        help="pictures (or sequences) that the folder shall hold")
    parser.add_argument("--out", type=Path, help="folder of the pool")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=Path,
                        help="folder of photographs: portraits to render again, or backgrounds")
    parser.add_argument("--fits", type=Path,
                        help="what portraits_registration wrote about the portraits in --photos")
    parser.add_argument("--surface", action="store_true",
                        help="also label the place on the head, depth and normals per pixel")
    parser.add_argument("--skins", type=Path, help="bank of photographed skins for people to wear")
    parser.add_argument("--sheet", type=Path, help="write a PNG picture of 48 samples")
    parser.add_argument("--benchmark", action="store_true", help="measure pictures per second")
    parser.add_argument("--part", default="0/1", metavar="K/N",
                        help="make only the chunks c with c mod N = K, to share work")
    parser.add_argument("--sequences", action="store_true",
                        help="films of people who speak, grimace, hold still, or move but face or "
                        "head, with their truth")
    parser.add_argument("--frames", type=int, default=SEQUENCE_FRAMES,
                        help=f"length of a sequence ({SEQUENCE_FRAMES})")
    parser.add_argument("--side", type=int, default=SEQUENCE_SIDE,
                        help=f"of a sequence's frames, px ({SEQUENCE_SIDE})")


def run(arguments: argparse.Namespace) -> int:
    """Carry out `render`; ValueError or OSError for arguments that cannot be used."""
    if not (arguments.sheet or arguments.benchmark or arguments.out):
        raise ValueError("say where the pictures shall go: --out DIR, --sheet FILE, or --benchmark")
    if arguments.out and arguments.count < 1:
        raise ValueError("--out needs --count, the number of pictures")
    if arguments.photos and not arguments.photos.is_dir():
        raise NotADirectoryError(f"--photos: {arguments.photos} is no folder")
    if arguments.sheet and arguments.sheet.suffix.lower() != ".png":
        raise ValueError(f"--sheet writes PNG files, not {arguments.sheet.name}")
    part, parts = _parse_part(arguments.part)
    cv2.setNumThreads(1)
    if arguments.sequences:
        return _run_sequences(arguments, part, parts)
    renderer = make_renderer(arguments.source, arguments.photos, arguments.fits,
                             arguments.surface, arguments.skins)
    if arguments.sheet:
        _write_sheet(renderer, arguments)
    if arguments.benchmark:
        _benchmark(renderer, arguments)
    if arguments.out:
        fill(renderer, arguments.out, arguments.count, arguments.seed,
             SOURCES.index(arguments.source), part, parts)
    return 0


def _run_sequences(arguments: argparse.Namespace, part: int, parts: int) -> int:
    from .sequence import SequenceRenderer

    if arguments.source != "people" or arguments.benchmark:
        raise ValueError("--sequences are of people, and are not timed")
    if arguments.frames < 1:
        raise ValueError("--frames is 1 or more")
    renderer = SequenceRenderer(arguments.photos, arguments.side)
    if arguments.sheet:
        _write_picture(arguments.sheet, draw_films(renderer, arguments.seed, arguments.frames))
    if arguments.out:
        fill_films(renderer, arguments.out, arguments.count, arguments.seed, arguments.frames,
                   part, parts)
    return 0


def make_renderer(source: str, photos: Path | None, fits: Path | None = None,
                  surface: bool = False, skins: Path | None = None) -> Renderer:
    """The renderer of one source; imports what it needs only then.

    surface: its samples shall have the labels of the head's surface. skins: a bank, for people.
    """
    if source in ("people", "heads"):
        from .renderer import PeopleRenderer
        if source == "heads":
            return PeopleRenderer(bare=True, surface=surface)
        return PeopleRenderer(photos, surface=surface, skins=skins)
    if source == "background":
        from .negatives import BackgroundRenderer
        return BackgroundRenderer(photos)
    if photos is None or fits is None:
        raise ValueError("the source portraits needs --photos DIR (portraits) and --fits FILE")
    from .portraits import PortraitRenderer
    return PortraitRenderer(photos, fits, surface=surface)


def fill(renderer: Renderer, folder: Path, count: int, seed: int, source: int, part: int = 0,
         parts: int = 1) -> None:
    """Bring a pool to `count` samples; finished chunks are kept, the last may be shorter."""
    lengths = [min(pool.CHUNK_LENGTH, count - first)
               for first in range(0, count, pool.CHUNK_LENGTH)]
    wanted = [index for index in range(len(lengths))
              if index % parts == part and not pool.chunk_path(folder, index).exists()]
    with tqdm(total=sum(lengths[index] for index in wanted), unit="picture",
              disable=not sys.stderr.isatty()) as progress:
        for index in wanted:
            samples = []
            for group in groups(renderer, lengths[index], seed, source, index):
                samples += group
                progress.update(len(group))
            pool.write_chunk(folder, index, samples)


def groups(renderer: Renderer, count: int, seed: int, source: int,
           chunk: int) -> Iterator[list[pool.Sample]]:
    """The first `count` samples of a chunk, by groups."""
    for group, first in enumerate(range(0, count, GROUP)):
        rng = np.random.default_rng([seed, source, chunk, group])
        yield renderer.samples(rng, min(GROUP, count - first))


def fill_films(renderer: SequenceRenderer, folder: Path, count: int, seed: int, frames: int,
               part: int = 0, parts: int = 1) -> None:
    """Bring a folder to `count` films of so many frames; finished ones are kept."""
    from .sequence import film_paths, kind_of, save_film

    folder.mkdir(parents=True, exist_ok=True)
    wanted = [index for index in range(count)
              if index % parts == part and not film_paths(folder, index)[1].exists()]
    for index in tqdm(wanted, unit="film", disable=not sys.stderr.isatty()):
        film = renderer.film(film_rng(seed, index), kind_of(index), frames)
        save_film(film, *film_paths(folder, index))


def film_rng(seed: int, index: int) -> np.random.Generator:
    """The generator of one film of a folder."""
    return np.random.default_rng([seed, SEQUENCE_STREAM, index])


def draw_films(renderer: SequenceRenderer, seed: int, frames: int) -> np.ndarray:
    """A picture (H,W,3) uint8 RGB of the first films, a row each, with frames from all along."""
    from .sequence import kind_of

    rows = []
    for index in range(SHEET_ROWS):
        film = renderer.film(film_rng(seed, index), kind_of(index), frames)
        shown = set(np.linspace(0, frames - 1, SHEET_COLUMNS).astype(int))
        tiles = [image for position, image in enumerate(film.frames) if position in shown]
        tiles += tiles[-1:] * (SHEET_COLUMNS - len(tiles))
        rows.append(np.hstack(tiles))
    return np.vstack(rows)


def draw_sheet(samples: list[pool.Sample]) -> np.ndarray:
    """A picture (H,W,3) uint8 RGB of samples in rows of eight, some with their 68 points."""
    tiles = []
    for index, sample in enumerate(samples):
        tile = sample.image.copy()
        if index % MARKED_EVERY == 0 and sample.face:
            for point, seen in zip(sample.points[:68], sample.visible[:68], strict=True):
                # 4 fractional bits, radius just under one pixel.
                centre = tuple(int(v) for v in np.rint(point * 16))
                cv2.circle(tile, centre, 14, MARK_COLOURS[int(seen)], -1, cv2.LINE_AA, 4)
        tiles.append(tile)
    rows = [np.hstack(tiles[first:first + SHEET_COLUMNS])
            for first in range(0, len(tiles), SHEET_COLUMNS)]
    return np.vstack(rows)


def _write_sheet(renderer: Renderer, arguments: argparse.Namespace) -> None:
    made = groups(renderer, SHEET_COLUMNS * SHEET_ROWS, arguments.seed,
                  SOURCES.index(arguments.source), chunk=0)
    _write_picture(arguments.sheet, draw_sheet([sample for group in made for sample in group]))


def _write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture (H,W,3) uint8 RGB."""
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {path}")


def _benchmark(renderer: Renderer, arguments: argparse.Namespace) -> None:
    """Print pictures per second of processor time and of the clock on the wall."""
    source = SOURCES.index(arguments.source)
    for _ in groups(renderer, GROUP, arguments.seed, source, chunk=0):
        pass
    start, wall = time.process_time(), time.perf_counter()
    for _ in groups(renderer, BENCHMARK_COUNT, arguments.seed, source, chunk=1):
        pass
    spent, passed = time.process_time() - start, time.perf_counter() - wall
    print(f"{arguments.source}: {BENCHMARK_COUNT / spent:.1f} pictures of {pool.IMAGE_SIDE} px per "
          f"second of one core ({BENCHMARK_COUNT / passed:.1f} by the clock on the wall)")


def _parse_part(text: str) -> tuple[int, int]:
    """K and N of "K/N"."""
    try:
        part, parts = (int(number) for number in text.split("/"))
    except ValueError:
        raise ValueError(f"--part wants K/N, as in 0/2, not {text!r}") from None
    if not 0 <= part < parts:
        raise ValueError(f"--part wants 0 <= K < N, not {text!r}")
    return part, parts
