# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Mien's network (an ONNX file) on crops."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import onnxruntime

import models.head
from inference.crop import CROP_SIZE
from inference.errors import InstallationError, NetworkError

WEIGHTS = Path(models.head.__file__).resolve().parent.parent / "weights" / "mien.onnx"
"""Where the weights lie, relative to the models package: a checkout and an add-on alike."""

METADATA_KEY = "mien"

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Names of devices on the command line, and what onnxruntime calls them."""

AUTO_ORDER = ("cuda", "rocm", "directml")
"""What ``auto`` prefers to the CPU, the best first. CoreML is in every macOS package and compiles
the network anew at each start, which seconds of footage do not repay: only by name."""

MAX_BATCH = 32
"""Crops in one pass; more brings no speed and only takes memory."""

MAX_THREADS = 2
"""Threads of the CPU that one pass uses: with a single crop, more cost what they bring."""


@dataclass(frozen=True)
class Prediction:
    """What the network says about N crops; all float32.

    Attributes:
        points: (N, P, 2) crop coordinates; the first 68 are the iBUG points.
        point_sigma: (N, P) standard deviation of the points, in the same unit.
        identity: (N, 60) standard deviations.
        expression: (N, 52) shape weights, 0 to 1.
        gaze: (N, 2, 2) radians, rows left and right eye, columns yaw and pitch.
        rotation: (N, 3, 3) head to the view along the ray through the crop's centre, without roll.
        face: (N,) probability of a face.
    """

    points: np.ndarray
    point_sigma: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    gaze: np.ndarray
    rotation: np.ndarray
    face: np.ndarray

    def __len__(self) -> int:
        return len(self.face)

    def __getitem__(self, index: slice | np.ndarray) -> Prediction:
        """The prediction for some of the crops."""
        return Prediction(*(getattr(self, name)[index] for name in OUTPUT_NAMES))


OUTPUT_NAMES = tuple(field.name for field in fields(Prediction))


class Network:
    """The network, loaded.

    Args:
        path: the ONNX file; the one shipped with Mien unless given.
        device: ``auto`` or a key of PROVIDERS.

    Raises:
        NetworkError: the file is missing or broken, or this machine has no such device.
    """

    def __init__(self, path: Path | None = None, device: str = "auto") -> None:
        self.path = Path(path or WEIGHTS)
        try:
            data = self.path.read_bytes()
        except OSError as error:
            raise NetworkError(
                f"The network's weights {self.path} cannot be read ({error.strerror}); install Mien"
                " again."
            ) from error
        self.sha256 = hashlib.sha256(data).hexdigest()
        *others, last = devices_to_try(device)
        for candidate in others:
            try:
                self._start(data, candidate)
                break
            except NetworkError:
                continue  # onnxruntime was built for it, but its driver or libraries are missing
        else:
            self._start(data, last)
        self._check_outputs()

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def metadata(self) -> dict:
        """What training wrote into the file."""
        text = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY, "{}")
        return json.loads(text)

    def __call__(self, crops: np.ndarray) -> Prediction:
        """Look at crops (N, 128, 128, 3) uint8 RGB."""
        if crops.ndim != 4 or crops.shape[1:] != (CROP_SIZE, CROP_SIZE, 3):
            raise ValueError(f"crops are (N, {CROP_SIZE}, {CROP_SIZE}, 3), not {crops.shape}")
        parts = [
            self._session.run(list(OUTPUT_NAMES), {"image": crops[start : start + MAX_BATCH]})
            for start in range(0, len(crops), MAX_BATCH)
        ]
        return Prediction(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _start(self, data: bytes, device: str) -> None:
        """Load the network's file, ``data``, onto a device. Raises NetworkError."""
        advice = "install Mien again" if device == "cpu" else "choose the device cpu"
        try:
            session = onnxruntime.InferenceSession(
                data, _session_options(), providers=_providers(device)
            )
        except Exception as error:  # onnxruntime has no common class of its own
            reason = str(error).strip().partition("\n")[0]
            raise NetworkError(
                f"{self.path} cannot be run on {device} ({reason}); {advice}."
            ) from error
        if PROVIDERS[device] not in session.get_providers():  # it went on without a word
            raise NetworkError(f"The device {device} does not start on this machine; {advice}.")
        self.device, self._session = device, session

    def _check_outputs(self) -> None:
        present = {output.name: output.shape for output in self._session.get_outputs()}
        missing = [name for name in OUTPUT_NAMES if name not in present]
        if missing:
            raise NetworkError(f"{self.path} is not a network of this version: no {missing[0]}.")
        points = len(_installed_head().point_vertices)
        if present["points"][1] != points:
            raise NetworkError(
                f"{self.path} does not fit the head: {present['points'][1]} points, not {points}."
            )


def _installed_head() -> models.head.Head:
    """The head model. Raises InstallationError where its file is missing or damaged."""
    try:
        return models.head.load_head()
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InstallationError(
            f"Mien's head model cannot be read ({error}); install Mien again."
        ) from error


def present_devices() -> list[str]:
    """Names of the devices that the installed onnxruntime was built for."""
    available = set(onnxruntime.get_available_providers())
    return [name for name, provider in PROVIDERS.items() if provider in available]


def devices_to_try(device: str) -> list[str]:
    """``device`` alone, or for ``auto`` all there are of its order and the CPU, the best first.

    Raises:
        NetworkError: the installed onnxruntime cannot use this device.
    """
    present = present_devices()
    if device == "auto":
        return [*(name for name in AUTO_ORDER if name in present), "cpu"]
    if device not in present:
        raise NetworkError(
            f"The device {device} is not available here; onnxruntime offers {', '.join(present)}."
        )
    return [device]


def _providers(device: str) -> list[str]:
    """The device's provider, and the CPU's for operations that the device lacks."""
    return list(dict.fromkeys([PROVIDERS[device], PROVIDERS["cpu"]]))


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(MAX_THREADS, os.cpu_count() or 1)
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only: stderr is for the person
    # Threads that wait for work by spinning would take the core that decodes the footage.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
