# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes made up for the tests, in plain numpy after docs/take_format.md.

`small_take` carries a ball with two eyeballs and costs nothing; `real_take` carries the head of
models/head. Both turn, look about and move every shape.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

import build

REPOSITORY = Path(__file__).resolve().parents[2]


def _names():
    """models/head/names.py by its file: the package around it wants scipy, which bpy lacks."""
    place = REPOSITORY / "models/head/names.py"
    specification = importlib.util.spec_from_file_location("mien_names", place)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


SHAPE_NAMES, GROUP_NAMES = _names().SHAPE_NAMES, _names().GROUP_NAMES
BONE_NAMES = ("neck", "head", "jaw", "eye.L", "eye.R")
LOOKING_INTO_THE_LENS = np.array([0.0, 1.0, 0.0, 0.0])
EYE_CENTRES = np.array([[0.032, 0.0, 0.0], [-0.032, 0.0, 0.0]])
WIDTH, HEIGHT = 640, 360


def header(**changes) -> dict:
    """The header of a take, as a dictionary."""
    words = {
        "format": "mien-take",
        "version": 1,
        "source": {
            "file": "/nowhere/nod.mp4",
            "width": WIDTH,
            "height": HEIGHT,
            "frame_rate": [30000, 1001],
        },
        "shape_names": list(SHAPE_NAMES),
        "corrective_names": ["corrective 1", "corrective 2"],
        "bone_names": list(BONE_NAMES),
        "group_names": list(GROUP_NAMES),
        "settings": {"quality": "take"},
        "device": "cpu",
        "model": {"name": "none", "sha256": ""},
        "warnings": [],
    }
    return {**words, **changes}


def encode(words: dict) -> np.ndarray:
    return np.frombuffer(json.dumps(words).encode("utf-8"), np.uint8)


def write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    with open(path, "wb") as file:
        np.savez(file, **arrays)
    return path


def small_take(frames: int = 24, seed: int = 0, **header_changes) -> dict[str, np.ndarray]:
    """The arrays of a take of a ball of a head, some of its faces triangles."""
    random = np.random.default_rng(seed)
    ball, ball_quads = _ball(12, 8, 0.1, np.array([0.0, -0.02, -0.08]))
    eyes = [_ball(8, 16, 0.012, centre) for centre in EYE_CENTRES]
    vertices, quads, group, bone = [ball], [ball_quads], [np.zeros(len(ball_quads))], []
    bone.append(np.where(ball[:, 1] < -0.08, 0, 1))
    for side, (eye, eye_quads) in enumerate(eyes):
        quads.append(eye_quads + sum(map(len, vertices)))
        vertices.append(eye)
        group.append(np.full(len(eye_quads), GROUP_NAMES.index("eye_left") + side))
        bone.append(np.full(len(eye), 3 + side))
    neutral = np.concatenate(vertices).astype(np.float32)
    quads = np.concatenate(quads).astype(np.int32)
    skin_index = np.zeros((len(neutral), 4), np.int32)
    skin_index[:, 0] = np.concatenate(bone)
    skin_weight = np.zeros((len(neutral), 4), np.float32)
    skin_weight[:, 0] = 1.0
    head = {
        "neutral": neutral,
        "quads": quads,
        "uv": random.random((len(quads), 4, 2), np.float32),
        "group": np.concatenate(group).astype(np.uint8),
        "shapes": 0.004 * random.standard_normal((52, len(neutral), 3), np.float32),
        "correctives": 0.001 * random.standard_normal((2, len(neutral), 3), np.float32),
        "skin_index": skin_index,
        "skin_weight": skin_weight,
        **_bones(EYE_CENTRES),
    }
    words = header(**header_changes)
    return {"header": encode(words), **_performance(frames, random), **head}


def calmer(take: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same take with half the motion in the face."""
    return {**take, "weights": 0.5 * take["weights"]}


def real_take(frames: int = 24, seed: int = 0, **header_changes) -> dict[str, np.ndarray]:
    """The arrays of a take of a person as models/head makes them, correctives and all."""
    head = _person(frames, seed)
    names = json.loads(head["header"].tobytes())["corrective_names"]
    performance = _performance(frames, np.random.default_rng(seed))
    performance["corrective_weights"] = head["corrective_weights"].copy()
    words = header(corrective_names=names, **header_changes)
    return {**head, **performance, "header": encode(words)}


@functools.cache
def _person(frames: int, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    poses = {
        "weights": _performance(frames, random)["weights"],
        "identity": 0.5 * random.standard_normal(60),
        "gaze": np.zeros((frames, 2, 2)),
    }
    with tempfile.TemporaryDirectory() as folder:
        asked = write(Path(folder) / "poses.npz", poses)
        path = make_head_take(Path(folder) / "head.mien.npz", "--poses", asked)
        with np.load(path) as archive:
            return {name: archive[name] for name in archive.files}


def make_head_take(path: Path, *arguments) -> Path:
    """Write a take of a head as build.py does for the default head."""
    python = build.VISION.python
    if not python.exists():
        pytest.fail(f"{python} is missing: run `python build.py test`, which makes it")
    command = [python, "-m", "inference", "head", "-o", path, *arguments]
    subprocess.run([str(word) for word in command], cwd=REPOSITORY, check=True, capture_output=True)
    return path


def project(take: dict[str, np.ndarray], row: int) -> np.ndarray:
    """Where the take says that row's vertices are seen, (V, 2) pixels, straight from its page."""
    vertices = take["neutral"].astype(np.float64)
    vertices = vertices + np.tensordot(take["weights"][row], take["shapes"], 1)
    vertices = vertices + np.tensordot(take["corrective_weights"][row], take["correctives"], 1)
    for side, bone in enumerate((3, 4)):
        centre = take["bone_head"][bone]
        turned = rotate(take["eye_rotation"][row, side], vertices - centre) + centre
        share = np.where(take["skin_index"] == bone, take["skin_weight"], 0).sum(1, keepdims=True)
        vertices = share * turned + (1 - share) * vertices
    seen = rotate(take["head_rotation"][row], vertices) + take["head_position"][row]
    return take["focal"] * seen[:, :2] / seen[:, 2:] + take["principal"]


def rotate(quaternion: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N, 3) turned by a unit quaternion (4,), by the sandwich product."""
    w, axis = quaternion[0], quaternion[1:]
    twice = 2.0 * np.cross(axis, points)
    return points + w * twice + np.cross(axis, twice)


def multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Hamilton products of quaternions (..., 4)."""
    w1, x1, y1, z1 = np.moveaxis(np.asarray(first), -1, 0)
    w2, x2, y2, z2 = np.moveaxis(np.asarray(second), -1, 0)
    product = (
        w1 * w2 - x1 * x2 - y1 * y2 - z1 * z2,
        w1 * x2 + x1 * w2 + y1 * z2 - z1 * y2,
        w1 * y2 - x1 * z2 + y1 * w2 + z1 * x2,
        w1 * z2 + x1 * y2 - y1 * x2 + z1 * w2,
    )
    return np.stack(product, axis=-1)


def _performance(frames: int, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Every per-frame field: nodding, shaking, looking about, and each shape in its own rhythm."""
    phase = np.linspace(0.0, 2.0 * np.pi, frames, endpoint=False)
    rhythm = random.uniform(0.5, 2.0, 52)
    weights = 0.5 - 0.5 * np.cos(phase[:, None] * rhythm)
    nod = _turn((1.0, 0.0, 0.0), 0.3 * np.sin(phase))
    shake = _turn((0.0, 1.0, 0.0), 0.5 * np.sin(2 * phase + 0.4))
    look = _turn((0.0, 1.0, 0.0), 0.4 * np.cos(phase))
    position = np.stack([0.03 * np.sin(phase), 0.02 * np.cos(phase), 0.5 + 0.05 * np.sin(phase)], 1)
    found = np.ones(frames, bool)
    found[frames // 2 : frames // 2 + 2] = frames < 4
    return {
        "time": np.arange(frames) * 1001 / 30000,
        "frame": np.arange(frames, dtype=np.int32),
        "found": found,
        "confidence": found.astype(np.float32),
        "weights": weights.astype(np.float32),
        "weights_raw": weights.astype(np.float32),
        "head_rotation": multiply(LOOKING_INTO_THE_LENS, multiply(shake, nod)).astype(np.float32),
        "head_position": position.astype(np.float32),
        "eye_rotation": np.stack([look, look], axis=1).astype(np.float32),
        "corrective_weights": (2.0 * weights[:, :2] - 1.0).astype(np.float32),
        "points68": np.full((frames, 68, 2), np.nan, np.float32),
        "focal": np.float32(700.0),
        "principal": np.array([300.0, 200.0], np.float32),
    }


def _turn(axis: tuple[float, float, float], angle: np.ndarray) -> np.ndarray:
    return np.concatenate([np.cos(angle / 2)[:, None], np.sin(angle / 2)[:, None] * axis], axis=1)


def _ball(around: int, rings: int, radius: float, centre: np.ndarray):
    """Vertices and faces of a ball whose poles lie on z; the caps are triangles."""
    polar = np.linspace(0.0, np.pi, rings + 1)[1:-1]
    turn = np.linspace(0.0, 2.0 * np.pi, around, endpoint=False)
    ring = np.stack(
        [
            np.outer(np.sin(polar), np.cos(turn)),
            np.outer(np.sin(polar), np.sin(turn)),
            np.outer(np.cos(polar), np.ones(around)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    vertices = np.concatenate([ring, [[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]]) * radius + centre
    front, back = len(ring), len(ring) + 1
    quads = []
    for i in range(around):
        j = (i + 1) % around
        quads.append([front, i, j, j])
        for k in range(rings - 2):
            a, b = k * around, (k + 1) * around
            quads.append([a + i, b + i, b + j, a + j])
        last = (rings - 2) * around
        quads.append([last + i, back, last + j, last + j])
    return vertices, np.array(quads)


def _bones(eye_centres: np.ndarray) -> dict[str, np.ndarray]:
    forward = np.array([0.0, 0.0, 0.012])
    joints = np.array([[0.0, -0.16, -0.1], [0.0, -0.1, -0.09], [0.0, -0.03, -0.07]])
    ends = np.array([[0.0, -0.1, -0.09], [0.0, 0.08, -0.09], [0.0, -0.09, 0.01]])
    return {
        "bone_head": np.concatenate([joints, eye_centres]).astype(np.float32),
        "bone_tail": np.concatenate([ends, eye_centres + forward]).astype(np.float32),
        "bone_parent": np.array([-1, 0, 1, 1, 1], np.int32),
    }
