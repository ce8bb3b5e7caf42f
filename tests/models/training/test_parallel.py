# SPDX-License-Identifier: GPL-3.0-or-later
"""Two processes that train together make the steps that one makes on all their pictures."""

import csv
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.__main__ import main
from models.reconstruction.checkpoint import load_checkpoint
from models.reconstruction.config import NetworkConfig
from models.synthesis.pool import chunk_path, open_chunk
from models.training.batches import Drawn, TrainingBatches, clean_batch
from models.training.config import TrainingConfig
from models.training.labels import MirrorTables
from models.training.loop import CHECKPOINT, Trainer
from models.training.parallel import Processes
from models.training.pool import PoolShare

REPOSITORY = Path(__file__).parents[3]
WORKER = Path(__file__).with_name("one_of_two.py")
FACES, NO_FACE = [0, 1, 2, 3], [11] * 4  # of a chunk of the pool
STEPS = 3


def torchrun(*words):
    """Run two processes; returns what they printed."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    done = subprocess.run(
        [*command, "2", *map(str, words)], cwd=REPOSITORY, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def part(pool, number, rows):
    chunk = open_chunk(chunk_path(pool, number))
    arrays = clean_batch(Drawn.of([(chunk, row) for row in rows]))
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def small_config(head, **more):
    network = NetworkConfig(
        widths=(16, 16, 32, 32), depths=(1, 1, 1, 1), pyramid=16, point_hidden=64,
        identity_hidden=32, expression_hidden=32, points=len(head.point_vertices),
    )  # fmt: skip
    return TrainingConfig(minutes=1.0, warm_up_steps=2, network=network, **more)


def one_process(config, head, parts):
    """What one process makes of the same parts: the mean of their gradients at every step."""
    first, *others = trainers = [Trainer(config, head) for _ in parts]
    states = []
    first.start_from_mean(parts[0])
    for _ in range(STEPS):
        for trainer in others:
            trainer.network.load_state_dict(first.network.state_dict())
            trainer.loss.load_state_dict(first.loss.state_dict())
            trainer.progress = replace(first.progress)
        for trainer, batch in zip(trainers, parts):
            trainer.find_gradients(batch)
        with torch.no_grad():
            for same in zip(*(t.network.parameters() for t in trainers)):
                zero = torch.zeros_like(same[0])
                same[0].grad = sum(zero if p.grad is None else p.grad for p in same) / len(parts)
            for same in zip(*(t.running_figures() for t in trainers)):
                same[0].copy_(sum(same) / len(parts))
        first.follow_gradients()
        first.progress.steps += 1
        first.progress.seconds += 0.5  # as the first of the two measures it
        states.append({k: v.clone() for k, v in first.network.state_dict().items()})
    return first, states


def test_two_processes_step_by_the_mean_of_their_gradients(pool, head_model, tmp_path):
    config = small_config(head_model, batch=2 * len(FACES))
    whole = part(pool, 1, FACES)
    runs = {
        "faces": [whole, part(pool, 2, FACES)],
        "a part without": [whole, part(pool, 2, NO_FACE)],
    }
    torch.save({"config": asdict(config), "runs": runs, "steps": STEPS}, tmp_path / "task.pt")
    torchrun(WORKER, tmp_path / "task.pt", tmp_path / "state")
    said = [torch.load(tmp_path / f"state.{rank}") for rank in range(2)]
    for run, parts in runs.items():
        first, second = (of_rank[run] for of_rank in said)
        expected, states = one_process(config, head_model, parts)
        for step in range(STEPS):
            for name, value in first["states"][step].items():
                assert torch.equal(value, second["states"][step][name]), (run, step, name)
                assert near(value, states[step][name]), (run, step, name)
        moved = max((a - b).abs().max() for a, b in zip(states[0].values(), states[-1].values()))
        assert moved > 1e-4, "else nothing was compared"
        for name, value in first["average"].items():
            assert torch.equal(value, second["average"][name]), (run, name)
            assert near(value, expected.average.state[name]), (run, name)
        for name, value in first["loss"].items():
            assert torch.equal(value, second["loss"][name]), (run, name)
            assert near(value, expected.loss.state_dict()[name]), (run, name)
        assert first["seconds"] == second["seconds"] == 0.5 * STEPS
        assert first["images"] == second["images"] == config.batch * STEPS


def near(value, expected):
    return torch.allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_processes_draw_their_own_pictures_and_share_evenly(pool, head_model):
    config, tables = small_config(head_model, batch=6), MirrorTables.of(head_model)

    def images(rank):
        two = Processes(rank, 2)
        batches = TrainingBatches([PoolShare(str(pool))], tables, config, processes=two)
        return next(iter(batches))["image"].numpy()

    assert len(images(0)) == len(images(1)) == 3
    assert np.array_equal(images(0), images(0)) and not np.array_equal(images(0), images(1))
    with pytest.raises(ValueError, match="evenly"):
        TrainingBatches([], tables, config, processes=Processes(0, 4))


def test_a_run_goes_on_under_torchrun(pool, tmp_path):
    words = ["train", "--pool", str(pool), "--out", str(tmp_path / "run"), "--batch", "4",
             "--workers", "0", "--period", "1", "--device", "cpu", "--minutes"]  # fmt: skip
    assert main([*words, "0.02"]) == 0
    before = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    told = torchrun("-m", "models", *words, "0.06", "--resume")
    assert told.count("training ") == 1 and "and 1 more" in told
    after = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert after["progress"]["steps"] > before["progress"]["steps"]
    assert after["progress"]["images"] == 4 * after["progress"]["steps"]
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        steps = [int(row["steps"]) for row in csv.DictReader(file)]
    assert steps == sorted(set(steps)) and steps[-1] == after["progress"]["steps"]
