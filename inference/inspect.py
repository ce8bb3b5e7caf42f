# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a take, in words or as JSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from inference.take import read_take
from models.head import SHAPE_NAMES

FACING = Rotation.from_quat([0.0, 1.0, 0.0, 0.0], scalar_first=True)
"""Head rotation of an upright face that looks into the lens."""

LISTED_SHAPES = 12
"""How many shapes the words list, those that move most."""


def describe_take(path: Path) -> dict[str, object]:
    """A take's header and the extent of its motion; JSON types.

    Raises:
        TakeError: the file is not a take.
    """
    header, arrays = read_take(path)
    found, time, weights = arrays["found"], arrays["time"], arrays["weights"]
    turns = Rotation.from_quat(arrays["head_rotation"], scalar_first=True) * FACING.inv()
    pitch, yaw, roll = turns.as_euler("XYZ", degrees=True).T
    return {
        **{key: value for key, value in header.items() if not key.endswith("_names")},
        "frames": len(time),
        "frame_range": [int(arrays["frame"][0]), int(arrays["frame"][-1]) + 1],
        "seconds": float(time[-1] - time[0]),
        "found": int(found.sum()),
        "confidence": float(arrays["confidence"].mean()),
        "vertices": len(arrays["neutral"]),
        "correctives": len(arrays["correctives"]),
        "focal": float(arrays["focal"]),
        "head": {
            "pitch": _extent(pitch),
            "yaw": _extent(yaw),
            "roll": _extent(roll),
            "distance": _extent(arrays["head_position"][:, 2]),
        },
        "weights": {
            name: _extent(weights[:, column]) for column, name in enumerate(SHAPE_NAMES)
        },
    }


def in_words(description: dict) -> str:
    """The description for a person."""
    source, head = description["source"], description["head"]
    rate = source["frame_rate"][0] / source["frame_rate"][1]
    first, stop = description["frame_range"]
    turn = f", turned by {source['rotation']} degrees" if source.get("rotation") else ""
    lines = [
        f"source      {source['file']}",
        f"picture     {source['width']}x{source['height']}, {rate:.6g} frames/s" + turn,
        f"frames      {description['frames']} ({first}:{stop}), {description['seconds']:.3f} s",
        f"found       {description['found']} of {description['frames']},"
        f" mean confidence {description['confidence']:.2f}",
        f"head        {description['vertices']} vertices, focal {description['focal']:.0f} px",
        "degrees     "
        + ", ".join(f"{axis} {_span(head[axis], 0)}" for axis in ("pitch", "yaw", "roll")),
        f"distance    {_span(head['distance'], 2)} m",
        f"network     {description['model']['name']} {description['model']['sha256'][:12]}"
        f" on {description['device']}",
    ]
    lines += [f"warning     {sentence}" for sentence in description["warnings"]]
    lines.append("shapes that move most (least, mean, most):")
    by_motion = sorted(description["weights"].items(), key=lambda item: _range(item[1]))[::-1]
    for name, extent in by_motion[:LISTED_SHAPES]:
        values = (extent["least"], extent["mean"], extent["most"])
        lines.append(f"  {name:<22}" + "".join(f"{value:6.2f}" for value in values))
    return "\n".join(lines)


def _extent(values: np.ndarray) -> dict[str, float]:
    return {
        "least": float(values.min()),
        "mean": float(values.mean()),
        "most": float(values.max()),
    }


def _range(extent: dict[str, float]) -> float:
    return extent["most"] - extent["least"]


def _span(extent: dict[str, float], digits: int) -> str:
    return f"{extent['least']:.{digits}f} to {extent['most']:.{digits}f}"
