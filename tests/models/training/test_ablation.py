# SPDX-License-Identifier: GPL-3.0-or-later
"""The ablation trains what it says, goes on where it stopped, and tells errors as shares."""

import json

import pytest

from models.__main__ import main
from models.training import ablation
from models.training.loop import CHECKPOINT


@pytest.fixture
def faces(monkeypatch):
    """No real faces: every network has the same figures."""
    ratios = {name: {"r": 0.5, "slope": 0.25} for name in ("eyes", "lips", "width", "brows")}
    figures = {"error51": 0.05, "error68": 0.07, "failures": 0.125, "r": ratios, "offsets": []}
    monkeypatch.setattr("models.evaluation.real.load_labels", lambda folder: {})
    monkeypatch.setattr("models.evaluation.real.from_boxes", lambda *a: dict(figures))


def test_steps_are_trained_once_and_kept(pool, tmp_path, faces, capsys):
    words = ["ablate", "pictures", "--heads", str(pool), "--people", str(pool), "--faces", "none",
             "--out", str(tmp_path), "--pictures", "64", "--workers", "0"]  # fmt: skip
    assert main([*words, "--only", "heads"]) == 0
    before = (tmp_path / "heads" / CHECKPOINT).stat().st_mtime_ns
    assert main([*words, "--only", "heads", "--only", "people"]) == 0
    assert (tmp_path / "heads" / CHECKPOINT).stat().st_mtime_ns == before
    assert "| + people and occluders | 5.00 % | 100% | 7.00 % | 12.5 % | 0.50 (0.25)" in (
        capsys.readouterr().out
    )
    assert "offsets" not in json.loads((tmp_path / "people" / ablation.FIGURES).read_text())


def test_a_missing_pool_is_named(pool, tmp_path, faces, capsys):
    assert main(["ablate", "pictures", "--heads", str(pool), "--faces", "none", "--out", str(tmp_path)]) == 2
    assert "needs --people POOL" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_networks_choices_one_by_one(pool, tmp_path, faces, capsys):
    """Each row is a network of its own, measured on the pools' held-out chunks too."""
    words = ["ablate", "network", "--people", str(pool), "--portraits", str(pool), "--faces", "none",
             "--out", str(tmp_path), "--pictures", "64", "--workers", "0"]  # fmt: skip
    names = ("last-layer", "together", "no-pyramid")
    assert main([*words, *(word for name in names for word in ("--only", name))]) == 0
    rows = capsys.readouterr().out.splitlines()[-3:]
    for name, row in zip(names, rows):
        assert row.startswith(f"| {ablation.QUESTIONS['network'][name].title} | 5.00 % | 0.50, 0.50")
        rendered = json.loads((tmp_path / name / ablation.FIGURES).read_text())["rendered"]
        assert f"| {100 * rendered['point_error']:.2f} % |" in row and row.endswith("| - | - |")
