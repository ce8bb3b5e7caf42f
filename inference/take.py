# SPDX-License-Identifier: GPL-3.0-or-later
"""The take (``*.mien.npz``): what the runner hands to Blender. docs/take_format.md describes it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from inference import __version__
from inference.errors import TakeError
from inference.footage import Footage, FrameRange
from inference.observations import Observations
from inference.output import whole_file
from inference.solve.performance import Performance
from models.head import (
    BONE_NAMES,
    CORRECTIVE_NAMES,
    GROUP_NAMES,
    SHAPE_NAMES,
    corrective_weights,
    gaze_matrix,
    load_head,
)

FORMAT = "mien-take"
VERSION = 1


@dataclass(frozen=True)
class Origin:
    """How a take was made: goes into its header.

    Attributes:
        footage: what was captured.
        settings: the options of the capture, JSON types.
        device: what the network ran on.
        model_name, model_sha256: the network.
        warnings: sentences for the person who imports the take.
        file: where the footage lies, as an earlier take says it, perhaps of another system; from
            the footage's path unless given.
    """

    footage: Footage
    settings: dict[str, object]
    device: str
    model_name: str
    model_sha256: str
    warnings: Sequence[str] = field(default_factory=tuple)
    file: str | None = None


def write_take(
    path: Path,
    performance: Performance,
    origin: Origin,
    observations: Observations | None = None,
) -> None:
    """Write a take, whole or not at all; with the observations it can be solved again.

    Raises:
        OutputError: ``path`` cannot be written.
    """
    arrays = {
        "header": np.frombuffer(json.dumps(take_header(origin)).encode(), np.uint8),
        **performance_fields(performance),
        **head_fields(performance.identity),
        **(observations.to_arrays() if observations else {}),
    }
    with whole_file(path) as file:
        np.savez_compressed(file, **arrays)


def take_header(origin: Origin) -> dict[str, object]:
    """The header's JSON object."""
    footage, file = origin.footage, origin.file
    if file is None:
        file = str(footage.path.resolve()) if footage.path else ""
    return {
        "format": FORMAT,
        "version": VERSION,
        "writer": f"mien {__version__}",
        "source": {
            "file": file,
            "width": footage.width,
            "height": footage.height,
            "frame_rate": [footage.frame_rate.numerator, footage.frame_rate.denominator],
            "rotation": footage.rotation,
            "container_rotation": footage.container_rotation,
        },
        "shape_names": list(SHAPE_NAMES),
        "corrective_names": list(CORRECTIVE_NAMES),
        "bone_names": list(BONE_NAMES),
        "group_names": list(GROUP_NAMES),
        "settings": origin.settings,
        "device": origin.device,
        "model": {"name": origin.model_name, "sha256": origin.model_sha256},
        "warnings": list(origin.warnings),
    }


def origin_of(header: dict) -> Origin:
    """The origin that a take's header tells of; of the footage all but its frames."""
    source = header["source"]
    footage = Footage(
        Path(source["file"]) if source["file"] else None,
        source["width"],
        source["height"],
        Fraction(*source["frame_rate"]),
        None,
        FrameRange(),
        rotation=source.get("rotation", 0),
        container_rotation=source.get("container_rotation", 0),
    )
    model = header["model"]
    return Origin(
        footage,
        header["settings"],
        header["device"],
        model["name"],
        model["sha256"],
        tuple(header["warnings"]),
        source["file"],
    )


def performance_fields(performance: Performance) -> dict[str, np.ndarray]:
    """The arrays that change from frame to frame, and the camera."""
    fields = {
        "confidence": performance.confidence,
        "weights": performance.weights,
        "weights_raw": performance.weights_raw,
        "head_rotation": quaternions(performance.pose.rotation),
        "head_position": performance.pose.position,
        "eye_rotation": quaternions(gaze_matrix(performance.gaze)),
        "corrective_weights": corrective_weights(performance.weights),
        "points68": performance.points68,
        "focal": np.array(performance.camera.focal),
        "principal": performance.camera.principal,
        "identity": performance.identity,
    }
    return {
        "time": performance.time.astype(np.float64),
        "frame": performance.frame.astype(np.int32),
        "found": performance.found.astype(bool),
        **{name: values.astype(np.float32) for name, values in fields.items()},
    }


def head_fields(identity: np.ndarray) -> dict[str, np.ndarray]:
    """The head of an identity (60,), with all that Blender needs to rig it."""
    head = load_head()
    person = head.person(identity)
    return {
        "neutral": person.neutral.astype(np.float32),
        "quads": head.quads.astype(np.int32),
        "uv": head.uv.astype(np.float32),
        "group": head.group.astype(np.uint8),
        "shapes": person.shapes.astype(np.float32),
        "correctives": person.correctives.astype(np.float32),
        "bone_head": person.bone_head.astype(np.float32),
        "bone_tail": person.bone_tail.astype(np.float32),
        "bone_parent": head.bone_parent.astype(np.int32),
        "skin_index": head.skin_index.astype(np.int32),
        "skin_weight": head.skin_weight.astype(np.float32),
        "points68_vertex": head.points68.astype(np.int32),
    }


def quaternions(matrices: np.ndarray) -> np.ndarray:
    """(..., 4) quaternions (w, x, y, z) of rotations (..., 3, 3).

    Along the first axis each has the sign that lies nearer to the one before it, so that curves
    drawn through the components do not jump.
    """
    flat = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_quat(scalar_first=True)
    quaternion = flat.reshape(*matrices.shape[:-2], 4)
    flips = (quaternion[1:] * quaternion[:-1]).sum(axis=-1, keepdims=True) < 0
    signs = np.where(np.cumsum(flips, axis=0) % 2, -1.0, 1.0)
    quaternion[1:] *= signs
    return quaternion


def read_take(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """The header and all other arrays of a take, as they are in the file.

    Raises:
        TakeError: there is no such file, or it is not a take of this version.
    """
    if not path.is_file():
        raise TakeError(f"There is no take {path}.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop("header").tobytes().decode())
    except (OSError, EOFError, ValueError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise TakeError(f"{path} is not a take, or it is damaged.") from error
    if header.get("format") != FORMAT:
        raise TakeError(f"{path} is not a take.")
    if header.get("version") != VERSION:
        raise TakeError(
            f"{path} is a take of version {header.get('version')}; this Mien reads {VERSION}."
        )
    return header, arrays
