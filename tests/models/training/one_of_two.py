# SPDX-License-Identifier: GPL-3.0-or-later
"""One of the processes of test_parallel.py: steps on its part of every batch, and writes how it
stands. Arguments: the file with the config and the runs' parts; where to write."""

import sys

import torch

from models.head import load_head
from models.training.config import TrainingConfig
from models.training.loop import Period, Trainer
from models.training.parallel import joined


def run(config, head, processes, batch, steps):
    """Steps on one batch; what came of each, and of all."""
    trainer, states = Trainer(config, head, processes=processes), []
    for _ in range(steps):
        # Each process has its own idea of how long a step takes.
        trainer.clock = iter([0.0, 0.0, 0.5 + processes.rank]).__next__
        trainer.timed_step(iter([batch]), Period())
        states.append({k: v.clone() for k, v in trainer.network.state_dict().items()})
    return {
        "states": states, "average": trainer.average.state, "loss": trainer.loss.state_dict(),
        "seconds": trainer.progress.seconds, "images": trainer.progress.images,
    }  # fmt: skip


torch.set_num_threads(1)
task, head = torch.load(sys.argv[1], weights_only=True), load_head()
config = TrainingConfig.from_dict(task["config"])
with joined("cpu") as processes:
    said = {
        name: run(config, head, processes, parts[processes.rank], task["steps"])
        for name, parts in task["runs"].items()
    }
    torch.save(said, f"{sys.argv[2]}.{processes.rank}")
