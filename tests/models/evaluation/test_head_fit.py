# SPDX-License-Identifier: GPL-3.0-or-later
"""Fitting faces with the head's identities."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from models.__main__ import main
from models.evaluation.head_fit import fit, held_out_families, summary, table
from models.head import load_head


@pytest.fixture(scope="module")
def front():
    head = load_head()
    lips = head.group_vertices("lips")
    return head.mean[lips].astype(float), head.identity_basis[:, lips].astype(float)


def test_a_face_of_the_model_is_found_wherever_it_is(front):
    mean, basis = front
    face = mean + np.tensordot(np.random.default_rng(0).normal(size=60), basis, axes=1)
    moved = Rotation.from_rotvec([0.02, -0.03, 0.01]).apply(face) + [0.004, -0.002, 0.003]
    missed = np.linalg.norm(fit(moved, mean, basis) - moved, axis=1)
    assert missed.mean() < 1e-4


def test_what_the_basis_lacks_is_missed(front):
    mean, basis = front
    rng = np.random.default_rng(1)
    dented = np.zeros_like(mean)
    dented[::2, 2] = 0.002
    faces = [mean + np.tensordot(rng.normal(size=60), basis, axes=1) for _ in range(3)]
    clean = summary(np.stack(faces), mean, basis)
    rough = summary(np.stack(faces) + dented, mean, basis)
    assert clean["mean_mm"] < 0.1 and clean["variance_covered"] > 0.99
    assert rough["mean_mm"] > 0.5 and rough["max_mm"] < 2.5
    assert "new_people_60" in table(
        {"people": 3, "vertices": len(mean), "held_out_axes": ["nose"], "new_people_60": rough}
    )


def test_held_out_axes_are_the_same_each_time():
    families = [f"axis-{index}" for index in range(40)]
    assert held_out_families(families) == held_out_families(families)
    assert len(held_out_families(families)) == 4


def test_another_file_is_refused(tmp_path, capsys):
    wheel = tmp_path / "other.whl"
    wheel.write_text(json.dumps({}))
    assert main(["evaluate", "head-fit", str(wheel)]) == 2
    assert "is not the wheel" in capsys.readouterr().err
