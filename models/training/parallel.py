# SPDX-License-Identifier: GPL-3.0-or-later
"""Training by several processes at once, a graphics card each: `torchrun -m models train …`.

Every process holds the whole network and looks at its own part of each batch. Before a step they
take the mean of their gradients, so all make the same step and stay equal; after it the mean of
what normalisation and losses remember. No wrapper around the network: all its gradients, some 30 MB,
are one exchange, and its checkpoints stay those of one process.
"""

import os
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; by default it is alone.

    rank: its number from 0; count: how many there are, here: how many on this machine.
    """

    rank: int = 0
    count: int = 1
    here: int = 1

    @property
    def first(self):
        """Whether this is the one that reports and writes files."""
        return self.rank == 0

    def average_gradients(self, parameters):
        """Replace the gradients by their mean over all processes; a missing one counts as zero."""
        if self.count == 1:
            return
        parameters = [p for p in parameters if p.requires_grad]
        for parameter in parameters:
            if parameter.grad is None:  # no face in this part of the batch
                parameter.grad = torch.zeros_like(parameter)
        self.average([parameter.grad for parameter in parameters])

    def average(self, tensors):
        """Replace tensors of one type by their means over all processes."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        distributed.all_reduce(flat)
        parts = (flat / self.count).split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts):
            tensor.copy_(part.reshape(tensor.shape))

    def copy_first(self, tensors):
        """Replace tensors by those of the first process."""
        if self.count == 1:
            return
        for tensor in tensors:
            same = tensor.contiguous()
            distributed.broadcast(same, 0)
            tensor.copy_(same)

    def of_first(self, number, device):
        """The number that the first process has."""
        if self.count == 1:
            return number
        told = torch.tensor(number, dtype=torch.float64, device=device)
        distributed.broadcast(told, 0)
        return told.item()


ALONE = Processes()


def under_torchrun():
    """Whether torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def local_device(name):
    """The graphics card of this process where `name` leaves it open: "cuda" -> "cuda:1"."""
    return f"cuda:{os.environ['LOCAL_RANK']}" if under_torchrun() and name == "cuda" else name


@contextmanager
def joined(device):
    """The processes that torchrun started, in touch until the end; ALONE without it.

    device: where this one trains, a name.
    """
    if not under_torchrun():
        yield ALONE
        return
    on_card = device.startswith("cuda")
    if on_card:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_card else "gloo")
    try:
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        yield Processes(distributed.get_rank(), distributed.get_world_size(), here)
    finally:
        distributed.destroy_process_group()
