# SPDX-License-Identifier: GPL-3.0-or-later
"""A Live Link Face recording as a take of the mean person, and a take as such a recording."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from inference.errors import FootageError
from inference.head import FACING_THE_LENS, Poses, performance_of, write_performance
from inference.livelink import Recording, eye_roll, read_csv, write_csv
from inference.take import read_take
from models.head import SHAPE_NAMES, load_head
from models.head.gaze import FULL_LOOKS

LARGEST_WEIGHT = 10.0
"""Of a take: the end of Blender's sliders."""

# The angles of a recording, about the head's axes: x to the character's left, y up, z forwards.
ORDER = "YXZ"
SIGNS = np.array([-1.0, 1.0, -1.0])


def csv_to_take(
    source: Path, take: Path, rate: Fraction | None = None, mirror: bool = False
) -> tuple[int, list[str]]:
    """Write a recording as a take of the mean person; its frames, and what a person should know.

    Args:
        source: the CSV.
        take: to be written.
        rate: rows a second, where the time codes do not say it right.
        mirror: exchange left and right.

    Raises:
        FootageError: the CSV cannot be read.
        OutputError: the take cannot be written.
    """
    recording = read_csv(source, rate)
    if mirror:
        recording = mirrored(recording)
    if np.abs(recording.weights).max() > LARGEST_WEIGHT:
        raise FootageError(f"{source} has weights beyond {LARGEST_WEIGHT:g}.")
    warnings = list(noticed(recording))
    time = recording.time - recording.time[0]
    frame = np.round(time * float(recording.rate)).astype(int)
    frame = np.maximum.accumulate(frame - np.arange(len(frame))) + np.arange(len(frame))
    identity = np.zeros(len(load_head().identity_basis))
    poses = Poses(identity, recording.weights, gaze_of(recording))
    turn = Rotation.from_euler(ORDER, recording.head * SIGNS).as_matrix()
    performance = performance_of(poses, time, frame, FACING_THE_LENS @ turn)
    settings = {"csv": str(source.resolve()), "start": float(recording.time[0]), "mirror": mirror}
    write_performance(take, performance, recording.rate, settings, warnings)
    return len(time), warnings


def take_to_csv(take: Path, target: Path) -> int:
    """Write a take as a recording; its frames.

    Time codes count from where the recording did that the take was made from, else from when the
    take begins in its footage.

    Raises:
        TakeError: the take cannot be read.
        OutputError: the CSV cannot be written.
    """
    header, arrays = read_take(take)
    turn = Rotation.from_quat(arrays["head_rotation"], scalar_first=True)
    turn = Rotation.from_matrix(FACING_THE_LENS.T) * turn
    eyes = Rotation.from_quat(arrays["eye_rotation"].reshape(-1, 4), scalar_first=True)
    eyes = (eyes.as_euler(ORDER) * SIGNS).reshape(-1, 2, 3)
    eyes[..., 2] = eye_roll(eyes[..., 0], eyes[..., 1])
    named = {name: column for column, name in enumerate(header["shape_names"])}
    recording = Recording(
        time=arrays["time"] + header["settings"].get("start", 0.0),
        rate=Fraction(*header["source"]["frame_rate"]),
        weights=arrays["weights"][:, [named[name] for name in SHAPE_NAMES]].astype(np.float64),
        head=turn.as_euler(ORDER) * SIGNS,
        eyes=eyes,
    )
    write_csv(target, recording)
    return len(recording.time)


def mirrored(recording: Recording) -> Recording:
    """With left and right exchanged."""
    other_way = np.array([-1.0, 1.0, -1.0])
    return Recording(
        recording.time,
        recording.rate,
        recording.weights[:, load_head().shape_mirror],
        recording.head * other_way,
        recording.eyes[:, ::-1] * other_way,
        recording.left_out,
    )


def gaze_of(recording: Recording) -> np.ndarray:
    """(T, 2, 2) rad: yaw to the character's left and pitch up, of the left and the right eye.

    From the eyeLook shapes where the recording has no eye angles.
    """
    if recording.eyes.any():
        return -recording.eyes[..., :2]
    gaze = np.zeros((len(recording.time), 2, 2))
    for name, full in FULL_LOOKS.items():
        eye = 0 if name.endswith("Left") else 1
        gaze[:, eye] += recording.weights[:, [SHAPE_NAMES.index(name)]] * full
    return gaze


def noticed(recording: Recording):
    """Sentences for the person who imports a recording."""
    if not recording.head.any():
        yield "The head does not turn: it was recorded without its rotation."
    if recording.left_out:
        yield f"{recording.left_out} rows without a face were left out."
