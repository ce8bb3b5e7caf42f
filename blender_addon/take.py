# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a take (``*.mien.npz``), the one thing that passes from the runner to Blender.

Needs numpy alone, so that the runner's tests can read back what the runner wrote.
docs/take_format.md describes every field.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path

import numpy as np

FORMAT = "mien-take"
VERSION = 1

# The bones a take of this version brings, each after its parent.
BONE_NAMES = ("neck", "head", "jaw", "eye.L", "eye.R")
BONE_PARENTS = (-1, 0, 1, 1, 1)

# Blender's shape-key sliders end here; a weight beyond could not be written.
LARGEST_WEIGHT = 10.0

# A quaternion shorter than this has no direction left in float32.
SMALLEST_QUATERNION = 1e-3


class TakeError(ValueError):
    """A take that cannot be used. Its message is one sentence for whoever picked the file."""


@dataclass(frozen=True)
class Source:
    """The footage a take was made from."""

    file: str
    width: int
    height: int
    frame_rate: Fraction
    # Degrees clockwise by which pictures were turned: asked for, and by the file's own word.
    rotation: int = 0
    container_rotation: int = 0


@dataclass(frozen=True)
class Header:
    """What a take says about itself in words."""

    version: int
    source: Source
    shape_names: tuple[str, ...]
    corrective_names: tuple[str, ...]
    bone_names: tuple[str, ...]
    group_names: tuple[str, ...]
    settings: dict
    device: str
    model: dict
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Take:
    """One captured performance: T frames of a head with V vertices, F quads, S shapes,
    K correctives and B bones.

    Head space is metres, +y up, +z out of the face, +x the character's left. Camera space is
    OpenCV's: x right, y down, z forward. Quaternions are (w, x, y, z) of unit length.
    A vertex v of the head appears at ``head_rotation * v + head_position`` in camera space.
    """

    header: Header
    time: np.ndarray  # (T,) float64, seconds on the footage's own clock
    frame: np.ndarray  # (T,) int32, index in the footage, the first is 0
    found: np.ndarray  # (T,) bool
    confidence: np.ndarray  # (T,) float32
    weights: np.ndarray  # (T, S) float32
    weights_raw: np.ndarray  # (T, S) float32, before smoothing
    head_rotation: np.ndarray  # (T, 4) float32, head to camera
    head_position: np.ndarray  # (T, 3) float32, metres, camera space
    eye_rotation: np.ndarray  # (T, 2, 4) float32: left, right, relative to the head
    corrective_weights: np.ndarray  # (T, K) float32
    points68: np.ndarray  # (T, 68, 2) float32 pixels, NaN where no face was found
    focal: np.ndarray  # () float32 pixels
    principal: np.ndarray  # (2,) float32 pixels, centre of the top-left pixel is (0, 0)
    neutral: np.ndarray  # (V, 3) float32, head space
    quads: np.ndarray  # (F, 4) int32; a triangle repeats its last index
    uv: np.ndarray  # (F, 4, 2) float32
    group: np.ndarray  # (F,) uint8, index into header.group_names
    shapes: np.ndarray  # (S, V, 3) float32, offsets from neutral
    correctives: np.ndarray  # (K, V, 3) float32, offsets from neutral
    bone_head: np.ndarray  # (B, 3) float32, head space
    bone_tail: np.ndarray  # (B, 3) float32, head space
    bone_parent: np.ndarray  # (B,) int32, -1 for the root
    skin_index: np.ndarray  # (V, 4) int32
    skin_weight: np.ndarray  # (V, 4) float32
    texture: np.ndarray | None = None  # (H, W, 3|4) uint8, top row first
    normal_map: np.ndarray | None = None  # (H, W, 3|4) uint8, top row first
    points68_vertex: np.ndarray | None = None  # (68,) int32, vertices that points68 are of


@dataclass(frozen=True)
class _Field:
    """What the reader demands of one array: its dtype, and its shape in the letters of `Take`."""

    dtype: type
    shape: tuple[str | int, ...]
    may_hold_nan: bool = False


_FIELDS = {
    "time": _Field(np.float64, ("T",)),
    "frame": _Field(np.int32, ("T",)),
    "found": _Field(np.bool_, ("T",)),
    "confidence": _Field(np.float32, ("T",)),
    "weights": _Field(np.float32, ("T", "S")),
    "weights_raw": _Field(np.float32, ("T", "S"), may_hold_nan=True),
    "head_rotation": _Field(np.float32, ("T", 4)),
    "head_position": _Field(np.float32, ("T", 3)),
    "eye_rotation": _Field(np.float32, ("T", 2, 4)),
    "corrective_weights": _Field(np.float32, ("T", "K")),
    "points68": _Field(np.float32, ("T", 68, 2), may_hold_nan=True),
    "focal": _Field(np.float32, ()),
    "principal": _Field(np.float32, (2,)),
    "neutral": _Field(np.float32, ("V", 3)),
    "quads": _Field(np.int32, ("F", 4)),
    "uv": _Field(np.float32, ("F", 4, 2)),
    "group": _Field(np.uint8, ("F",)),
    "shapes": _Field(np.float32, ("S", "V", 3)),
    "correctives": _Field(np.float32, ("K", "V", 3)),
    "bone_head": _Field(np.float32, ("B", 3)),
    "bone_tail": _Field(np.float32, ("B", 3)),
    "bone_parent": _Field(np.int32, ("B",)),
    "skin_index": _Field(np.int32, ("V", 4)),
    "skin_weight": _Field(np.float32, ("V", 4)),
}
_PICTURES = ("texture", "normal_map")
_OPTIONAL = {"points68_vertex": _Field(np.int32, (68,))}


def read_take(path: str | Path) -> Take:
    """Read and check a take.

    Raises:
        TakeError: the file is missing, is no take, is damaged, or contradicts itself.
    """
    path = Path(path)
    arrays = _read_arrays(path)
    try:
        header = _read_header(arrays)
        sizes = _sizes(header, arrays)
        values = {name: _checked(name, arrays, field, sizes) for name, field in _FIELDS.items()}
        values |= {
            name: _checked(name, arrays, field, sizes)
            for name, field in _OPTIONAL.items()
            if name in arrays
        }
        pictures = {name: _picture(name, arrays) for name in _PICTURES}
        take = Take(header=header, **values, **pictures)
        _check_references(take)
        _check_values(take)
    except TakeError as error:
        raise TakeError(f"{path.name}: {error}") from error
    return _with_unit_quaternions(take)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise TakeError(f"There is no take at {path}.")
    wanted = ("header", *_FIELDS, *_OPTIONAL, *_PICTURES)
    try:
        # Without pickle: a take comes from elsewhere, and a pickle may run any code. Opened as an
        # archive first, since numpy would also take a file that holds one lone array.
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in wanted if name in archive.files}
    except PermissionError as error:
        raise TakeError(f"{path.name} may not be read: {error.strerror}.") from error
    except (OSError, EOFError, MemoryError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise TakeError(f"{path.name} is not a Mien take, or it is damaged.") from error


def _read_header(arrays: dict[str, np.ndarray]) -> Header:
    if "header" not in arrays:
        raise TakeError("this is not a Mien take: it has no header.")
    try:
        words = json.loads(arrays["header"].tobytes().decode("utf-8"))
    except ValueError as error:
        raise TakeError("the header is damaged.") from error
    if not isinstance(words, dict) or words.get("format") != FORMAT:
        raise TakeError("this is not a Mien take: its header names another format.")
    version = words.get("version")
    if not isinstance(version, int) or version < 1:
        raise TakeError("the header gives no version.")
    if version > VERSION:
        raise TakeError(f"the take has version {version}; this add-on reads up to {VERSION}.")
    try:
        return Header(
            version=version,
            source=_read_source(words["source"]),
            shape_names=_names(words["shape_names"]),
            corrective_names=_names(words["corrective_names"]),
            bone_names=_names(words["bone_names"]),
            group_names=_names(words["group_names"]),
            settings=dict(words.get("settings") or {}),
            device=str(words.get("device") or ""),
            model=dict(words.get("model") or {}),
            warnings=tuple(str(line) for line in words.get("warnings") or ()),
        )
    except KeyError as error:
        raise TakeError(f"the header lacks {error.args[0]}.") from error
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise TakeError(f"the header is damaged ({error}).") from error


def _read_source(words: dict) -> Source:
    numerator, denominator = words["frame_rate"]
    source = Source(
        file=str(words["file"]),
        width=int(words["width"]),
        height=int(words["height"]),
        frame_rate=Fraction(int(numerator), int(denominator)),
        rotation=_quarter_turns(words.get("rotation", 0)),
        container_rotation=_quarter_turns(words.get("container_rotation", 0)),
    )
    if source.width < 1 or source.height < 1:
        raise ValueError("the footage has no size")
    if source.frame_rate <= 0:
        raise ValueError("the frame rate is not positive")
    return source


def _quarter_turns(degrees: float) -> int:
    """0, 90, 180 or 270."""
    if degrees % 90:
        raise ValueError("a rotation is no quarter turn")
    return int(degrees) % 360


def _names(words: list) -> tuple[str, ...]:
    if not isinstance(words, list) or not all(isinstance(name, str) and name for name in words):
        raise ValueError("a list of names holds something else")
    if len(set(words)) != len(words):
        raise ValueError("a name occurs twice")
    return tuple(words)


def _sizes(header: Header, arrays: dict[str, np.ndarray]) -> dict[str, int]:
    """The length of each dimension: from the header where it says, else from one leading array."""
    sizes = {
        "S": len(header.shape_names),
        "K": len(header.corrective_names),
        "B": len(header.bone_names),
    }
    for letter, name in (("T", "time"), ("V", "neutral"), ("F", "quads")):
        if name not in arrays:
            raise TakeError(f"{name} is missing.")
        if arrays[name].ndim == 0 or len(arrays[name]) == 0:
            raise TakeError(f"{name} is empty.")
        sizes[letter] = len(arrays[name])
    return sizes


def _checked(
    name: str, arrays: dict[str, np.ndarray], field: _Field, sizes: dict[str, int]
) -> np.ndarray:
    """The array `name` in the dtype it should have; raises TakeError where it does not fit."""
    if name not in arrays:
        raise TakeError(f"{name} is missing.")
    array = arrays[name]
    expected = tuple(sizes.get(size, size) for size in field.shape)
    if array.shape != expected:
        raise TakeError(f"{name} has shape {array.shape} where {expected} is due.")
    if not np.can_cast(array.dtype, field.dtype, casting="same_kind"):
        # Whole numbers of another width or sign pass as long as no value changes.
        same = array.dtype.kind in "iub" and np.array_equal(array.astype(field.dtype), array)
        if not same:
            raise TakeError(f"{name} holds {array.dtype} where {np.dtype(field.dtype)} is due.")
    array = np.ascontiguousarray(array, dtype=field.dtype).reshape(expected)
    if array.dtype.kind == "f" and not field.may_hold_nan and not np.isfinite(array).all():
        raise TakeError(f"{name} holds a value that is not a number.")
    return array


def _picture(name: str, arrays: dict[str, np.ndarray]) -> np.ndarray | None:
    picture = arrays.get(name)
    if picture is None:
        return None
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (3, 4):
        raise TakeError(f"{name} is not a picture of 8 bits and 3 or 4 channels.")
    if 0 in picture.shape:
        raise TakeError(f"{name} is empty.")
    return picture


def _check_references(take: Take) -> None:
    """Every index must point at something that is there."""
    header = take.header
    if header.bone_names != BONE_NAMES:
        raise TakeError(f"the bones are not {', '.join(BONE_NAMES)}.")
    if tuple(take.bone_parent) != BONE_PARENTS:
        raise TakeError(f"bone_parent is not {BONE_PARENTS}.")
    for name, count in (
        ("quads", len(take.neutral)),
        ("group", len(header.group_names)),
        ("skin_index", len(header.bone_names)),
        ("points68_vertex", len(take.neutral)),
    ):
        indices = getattr(take, name)
        if indices is None:
            continue
        if indices.min() < 0 or indices.max() >= count:
            raise TakeError(f"{name} points outside of 0 to {count - 1}.")


def _check_values(take: Take) -> None:
    if (np.diff(take.time) <= 0).any():
        raise TakeError("time does not increase from frame to frame.")
    if take.focal <= 0:
        raise TakeError("focal is not positive.")
    for name in ("weights", "corrective_weights"):
        values = getattr(take, name)
        if values.size and np.abs(values).max() > LARGEST_WEIGHT:
            raise TakeError(f"{name} holds a weight beyond {LARGEST_WEIGHT:g}.")
    for name in ("head_rotation", "eye_rotation"):
        lengths = np.linalg.norm(getattr(take, name), axis=-1)
        if (lengths < SMALLEST_QUATERNION).any():
            raise TakeError(f"{name} holds a quaternion of length zero.")


def _with_unit_quaternions(take: Take) -> Take:
    values = {field.name: getattr(take, field.name) for field in fields(Take)}
    for name in ("head_rotation", "eye_rotation"):
        quaternion = values[name]
        length = np.linalg.norm(quaternion, axis=-1, keepdims=True)
        values[name] = (quaternion / length).astype(np.float32)
    return Take(**values)
