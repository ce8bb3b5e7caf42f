# SPDX-License-Identifier: GPL-3.0-or-later
"""A bank of photographed skins: albedo maps lifted off portraits that were fitted with the head.

    python -m models.synthesis.skin_bank --photos DIR --fits FITS.npz -o SKINS.npz

How they are lifted: skin_lifting.py. The bank holds faces of real people. It is never committed.
"""

from __future__ import annotations

import argparse
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from models.head import load_head

from .skin_lifting import (
    LOW_BLUR,
    Lifted,
    Unfit,
    Unwrapped,
    Unwrapper,
    Zones,
    complete,
    learn_mean,
    lift,
    low_pass,
)

LOW_UNIT, DETAIL_UNIT = 1 / 48, 1 / 64
"""Log albedo per step of the stored bytes, about 128."""
JPEG_QUALITY = 90
FORMAT = "mien-skins-1"

MEAN_COUNT = 240
"""Photographs from which the mean is learnt."""

FIT_FIELDS = ("name", "rotation", "translation", "focal", "identity", "weights", "gaze", "residual")
WORST_RESIDUAL = 0.02
"""Of the eye distance: portraits that fit worse are left out."""

# What a skin must have to be kept; seen on sheets of all portraits, sorted by each.
LEAST_COVERED, LEAST_SOCKETS = 0.40, 0.48
LEAST_SHARPNESS, FULL_SHARPNESS = 0.24, 0.5
CHROMA_RANGE, RED_RANGE = (0.6, 1.75), (0.42, 1.1)
MOST_UNEVEN, MOST_PATCHY = 0.45, 0.25
MOST_BRIDGE = 0.15
"""Glasses leave a line of more contrast than this on the root of the nose."""


@dataclass(frozen=True)
class Merits:
    """How usable a skin is.

    covered, sockets: trusted shares of the face's front and of what is around the eyes. sharpness
    as in Unwrapped. chroma: log red over blue of the tone; red: over green. uneven: deviation
    between the two sides' log lightness. patchy: deviation of the hue from the mean's. bridge: log
    contrast of the strongest line across the root of the nose. beard: log darkness of the lower
    face beside the cheeks, against the mean.
    """

    covered: float
    sockets: float
    sharpness: float
    chroma: float
    red: float
    uneven: float
    patchy: float
    bridge: float
    beard: float

    @staticmethod
    def of(skin: Lifted, zones: Zones, mean: np.ndarray) -> Merits:
        """Measure one skin."""
        rest = (skin.log - mean).mean(axis=2)
        low = low_pass(rest[..., None], skin.trust + 1e-4, LOW_BLUR)[..., 0]
        both = np.minimum(skin.trust, skin.trust[:, ::-1]) + 1e-6
        uneven = np.sqrt(np.average((low - low[:, ::-1]) ** 2, weights=both))
        lines = cv2.GaussianBlur(rest, (0, 0), 1.2) - cv2.GaussianBlur(rest, (0, 0), 5.0)
        plain = (skin.trust + 1e-6) * zones.plain
        hue = cv2.GaussianBlur((skin.log - mean)[..., 0] - (skin.log - mean)[..., 2], (0, 0), 3.0)
        patchy = np.sqrt(np.average(hue ** 2, weights=plain))
        beard = (np.average(rest, weights=plain * (1 - zones.beard))
                 - np.average(rest, weights=plain * zones.beard))
        return Merits(
            covered=float((skin.trust * zones.front).sum() / zones.front.sum()),
            sockets=float((skin.trust * zones.sockets).sum() / zones.sockets.sum()),
            sharpness=skin.sharpness, chroma=float(skin.tone[0] - skin.tone[2]),
            red=float(skin.tone[0] - skin.tone[1]),
            uneven=float(uneven), patchy=float(patchy), beard=float(beard),
            bridge=float(np.abs(lines[zones.bridge].mean(axis=1)).max()))

    def score(self) -> float:
        """0 for skins to leave out, else up to 1."""
        if (self.covered < LEAST_COVERED or self.sockets < LEAST_SOCKETS
                or self.sharpness < LEAST_SHARPNESS or self.uneven > MOST_UNEVEN
                or self.patchy > MOST_PATCHY or self.bridge > MOST_BRIDGE
                or not CHROMA_RANGE[0] < self.chroma < CHROMA_RANGE[1]
                or not RED_RANGE[0] < self.red < RED_RANGE[1]):
            return 0.0
        sharp = min(1.0, self.sharpness / FULL_SHARPNESS)
        return float(sharp * (1 - self.uneven / MOST_UNEVEN / 2) * min(1.0, 1.7 * self.covered))


class SkinBank:
    """Photographed skins, as `build` makes them and `save` and `load` keep them.

    tone (N,3) float32: log albedo of plain skin, as the photograph's light and exposure have it.
    beard, score, sharpness (N,): see Merits. low (N,h,w,3) uint8: low frequencies in steps of
    LOW_UNIT about 128.
    """

    def __init__(self, tone: np.ndarray, beard: np.ndarray, score: np.ndarray,
                 sharpness: np.ndarray, low: np.ndarray, detail: list[np.ndarray]):
        self.tone, self.beard, self.score, self.sharpness = tone, beard, score, sharpness
        self.low, self._detail = low, detail

    def __len__(self) -> int:
        return len(self.tone)

    def low_log(self, index: int) -> np.ndarray:
        """Low frequencies (h,w,3) float32 of a skin's log albedo, less its tone."""
        return (self.low[index].astype(np.float32) - 128) * np.float32(LOW_UNIT)

    def detail(self, index: int) -> np.ndarray:
        """The rest (H,W,3) uint8 of a skin's log albedo, in steps of DETAIL_UNIT about 128."""
        return cv2.imdecode(self._detail[index], cv2.IMREAD_COLOR_RGB)

    def save(self, path: Path) -> None:
        """Write a .npz file without pickle."""
        ends = np.cumsum([len(data) for data in self._detail])
        np.savez(path, format=np.array(FORMAT), tone=self.tone, beard=self.beard, score=self.score,
                 sharpness=self.sharpness, low=self.low, detail=np.concatenate(self._detail),
                 end=ends)

    @staticmethod
    def load(path: str | Path) -> SkinBank:
        """Read what `save` wrote. Raises FileNotFoundError, or ValueError for another file."""
        try:
            with np.load(path, allow_pickle=False) as file:
                fields = {name: file[name] for name in file.files}
        except (ValueError, EOFError, zipfile.BadZipFile):
            raise ValueError(f"{path} is not a bank of skins") from None
        if str(fields.get("format")) != FORMAT:
            raise ValueError(f"{path} is not a bank of skins, or one of another version")
        detail = np.split(fields["detail"], fields["end"][:-1])
        return SkinBank(*(fields[name] for name in ("tone", "beard", "score", "sharpness", "low")),
                        detail)


def build(photos: Path, fits: Path, limit: int | None = None) -> SkinBank:
    """Lift the skins off a folder's photographs, by their fits; at most the `limit` first of them.

    fits: written by portraits_registration. Raises OSError or ValueError where nothing is found.
    """
    if not photos.is_dir():
        raise NotADirectoryError(f"{photos} is no folder of photographs")
    with np.load(fits, allow_pickle=False) as file:
        missing = sorted(set(FIT_FIELDS) - set(file.files))
        if missing:
            raise ValueError(f"{fits} holds no fits of portraits: {', '.join(missing)} missing")
        table = {name: file[name] for name in FIT_FIELDS}
    usable = [index for index in np.flatnonzero(table["residual"] < WORST_RESIDUAL)
              if (photos / str(table["name"][index])).is_file()][:limit]
    if not usable:
        raise ValueError(f"none of the portraits that {fits} speaks of is in {photos}")
    head = load_head()
    unwrapper = Unwrapper(head)
    zones = Zones(head, unwrapper.chart)

    def photograph(index: int) -> Unwrapped:
        image = cv2.imread(str(photos / str(table["name"][index])), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise ValueError(f"{photos / str(table['name'][index])} is no picture")
        return unwrapper.unwrap(image, {name: values[index] for name, values in table.items()})

    sample = usable[::max(1, len(usable) // MEAN_COUNT)]
    mean = learn_mean([photograph(index) for index in sample], unwrapper, zones)
    skins = []
    for index in tqdm(usable, unit="portrait", disable=not sys.stderr.isatty()):
        try:
            skin = lift(photograph(index), unwrapper, zones, mean)
        except Unfit:
            continue
        merits = Merits.of(skin, zones, mean)
        if score := merits.score():
            low, detail = complete(skin, zones, mean)
            skins.append((skin.tone, merits.beard, score, merits.sharpness, _bytes(low, LOW_UNIT),
                          _packed(detail)))
    if not skins:
        raise ValueError(f"no photograph in {photos} shows a face well enough")
    *columns, detail = zip(*skins, strict=True)
    tone, beard, score, sharpness, low = (np.stack(column) for column in columns)
    return SkinBank(tone, *(c.astype(np.float32) for c in (beard, score, sharpness)), low,
                    list(detail))


def _bytes(values: np.ndarray, unit: float) -> np.ndarray:
    return np.clip(np.rint(values / unit + 128), 0, 255).astype(np.uint8)


def _packed(detail: np.ndarray) -> np.ndarray:
    """JPEG bytes (n,) uint8 of logarithms (H,W,3), with all of their colour."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
             cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(".jpg", _bytes(detail, DETAIL_UNIT)[..., ::-1], flags)
    if not done:
        raise OSError("OpenCV cannot write JPEG")
    return data


def main(arguments: list[str] | None = None) -> int:
    """The command line; 2 where the input is of no use."""
    parser = argparse.ArgumentParser(prog="python -m models.synthesis.skin_bank",
                                     description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of portraits")
    parser.add_argument("--fits", type=Path, required=True,
                        help="what portraits_registration wrote about them")
    parser.add_argument("--limit", type=int, help="read only the first so many")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    try:
        bank = build(options.photos, options.fits, options.limit)
        bank.save(options.output)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{len(bank)} skins, {options.output.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
