# SPDX-License-Identifier: GPL-3.0-or-later
"""The training loop: steps over a budget, resumable after a kill at any moment."""

import os
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field

import torch

from models.reconstruction.checkpoint import load_checkpoint, save_checkpoint, take_weights
from models.reconstruction.network import ReconstructionNetwork, part_of

from .config import TrainingConfig
from .losses import ReconstructionLoss
from .parallel import ALONE
from .schedule import MovingAverage, learning_rate

CHECKPOINT = "checkpoint.pt"
CHECKPOINT_SECONDS = 60.0
UNUSABLE_STEPS = 20  # in a row, without a finite gradient, until the run is given up
LONGEST_STEP = 20.0  # seconds; a longer pause (the machine slept) is not training time


@dataclass
class Progress:
    """How far a run is: steps done, pictures seen, seconds of training spent."""

    steps: int = 0
    images: int = 0
    seconds: float = 0.0


@dataclass
class Period:
    """What happened since the last row of the log."""

    losses: dict = field(default_factory=lambda: defaultdict(float))
    steps: int = 0
    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def row(self):
        """Mean losses, pictures a second, and the share of time spent waiting for pictures."""
        means = {name: float(value) / self.steps for name, value in self.losses.items()}
        seconds = max(self.seconds, 1e-9)
        return means | {
            "images_per_second": self.images / seconds,
            "waiting": self.waited / seconds,
        }


class Trainer:
    """A network in training with all that a checkpoint must keep.

    head: the head model, for the losses. clock: seconds, replaceable in tests. processes: those
    that train together; each gives its part of every batch.
    """

    def __init__(
        self, config: TrainingConfig, head, device="cpu", clock=time.monotonic, processes=ALONE
    ):
        torch.manual_seed(config.seed)
        self.config = config
        self.processes = processes
        self.device = torch.device(device)
        self.in_bfloat16 = reckons_in_bfloat16(self.device)
        self.clock = clock
        self.network = ReconstructionNetwork(config.network)
        self.network.to(self.device, memory_format=torch.channels_last)
        freeze(self.network, config.only)
        self.asked = answers_that_learn(config.only)
        self.loss = ReconstructionLoss(
            config.losses,
            *(torch.tensor(basis[:, head.point_vertices]) for basis in (head.identity_basis, head.shapes)),
            dynamic=config.dynamic,
        )
        self.loss.to(self.device)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(self.network, config.weight_decay),
            lr=config.learning_rate,
            foreach=True,
        )
        self.average = MovingAverage(self.network, config.average)
        self.progress = Progress()
        self.has_learnt = False
        self.unusable = 0
        self.learn()

    @property
    def share(self):
        """Share of the budget of pictures or else of time that is spent, 0..1."""
        if self.config.pictures:
            return min(1.0, self.progress.images / self.config.pictures)
        return min(1.0, self.progress.seconds / (60 * self.config.minutes))

    def train(self, batches, on_period, period_seconds, folder):
        """Train until the budget is spent; writes checkpoints into `folder`.

        batches: an iterator of batch dictionaries. on_period(trainer, Period, last) is called
        every period_seconds of training and at the end; what it takes is not training time. Only
        the first process reports and writes.
        """
        self.learn()
        self.loss.train()
        period, saved = Period(), self.progress.seconds
        while self.share < 1:
            self.timed_step(batches, period)
            last = self.share >= 1
            if last or period.seconds >= period_seconds:
                if self.processes.first:
                    on_period(self, period, last)
                self.learn()
                period = Period()
            if last or self.progress.seconds - saved >= CHECKPOINT_SECONDS:
                if self.processes.first:
                    self.save(folder)
                saved = self.progress.seconds

    def learn(self):
        """Bring the parts that learn into training mode, the others into evaluation mode."""
        for name, part in self.network.named_children():
            part.train(not self.config.only or name in self.config.only)
        if self.config.fixed_normalisation:
            for layer in self.network.modules():
                if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm):
                    layer.eval()

    def timed_step(self, batches, period):
        """One step; adds its time and losses to the progress and the period."""
        start = self.clock()
        batch = next(batches)
        waited = self.clock() - start
        parts = self.step(batch)
        # All must agree on the time, by which the rate falls and the run ends; and the others may
        # have waited for the first one's report.
        seconds = self.processes.of_first(min(self.clock() - start, LONGEST_STEP), self.device)
        count = len(batch["image"]) * self.processes.count
        self.progress.steps += 1
        self.progress.images += count
        self.progress.seconds += seconds
        period.steps += 1
        period.images += count
        period.seconds += seconds
        period.waited += waited
        for name, value in parts.items():
            period.losses[name] += value

    def step(self, batch):
        """One optimiser step on a batch; returns the parts of the loss as scalars."""
        batch = {k: v.to(self.device, non_blocking=True) for k, v in batch.items()}
        if self.progress.steps == 0:
            self.start_from_mean(batch)
            self.processes.copy_first(self.network.state_dict().values())
        parts = self.find_gradients(batch)
        self.processes.average_gradients(self.network.parameters())
        self.processes.average(self.running_figures())
        self.follow_gradients()
        return parts

    def find_gradients(self, batch):
        """Gradients of the loss of a batch; returns its parts as scalars."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            answer, pixels = self.network(batch["image"], **self.asked)
        total, parts = self.loss(answer, pixels, batch, self.share)
        self.optimizer.zero_grad(set_to_none=True)
        if total.requires_grad:  # no face, and nothing that answers without one learns
            total.backward()
        return parts | {"total": total.detach()}

    def running_figures(self):
        """What normalisation and losses remember of the batches, tensors to write into."""
        tensors = [*self.network.buffers(), *self.loss.state_dict().values()]
        return [tensor for tensor in tensors if tensor.is_floating_point()]

    def follow_gradients(self):
        """The optimiser's step at the rate of the moment, if the gradients are of use."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.progress.steps, self.share)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.clip)
        if self.usable(norm):
            self.optimizer.step()
            self.average.update(self.network, self.progress.steps)

    def usable(self, norm):
        """Whether a step's gradient is finite; raises FloatingPointError if none has been lately.

        A rare overflow must neither spoil the weights nor end a night's run; a network that has
        diverged must not go on, nor replace the last good checkpoint.
        """
        self.unusable = 0 if torch.isfinite(norm) else self.unusable + 1
        if self.unusable > UNUSABLE_STEPS:
            raise FloatingPointError("the training has diverged; resume with a lower rate")
        return self.unusable == 0

    def start_from_mean(self, batch):
        """Begin at the first batch's mean face rather than in the middle of the picture.

        Not after `start_from_weights`, whose points are better than a mean.
        """
        faces = batch["face"] > 0.5
        if faces.any() and not self.has_learnt:
            self.network.point_head.start_from(batch["points"][faces].mean(dim=0))

    def start_from_weights(self, path):
        """Take the averaged weights of another run's checkpoint, but begin a fresh run.

        Parts that the checkpoint does not have at all stay new, parts that only it has are left out.
        Raises ValueError where one differs.
        """
        content = load_checkpoint(path)
        given, own = content.get("average", content["network"]), self.network.state_dict()
        shared = set(map(part_of, given)) & set(map(part_of, own))
        new = {k: v for k, v in own.items() if part_of(k) not in shared}
        take_weights(self.network, new | {k: v for k, v in given.items() if part_of(k) in shared})
        self.average = MovingAverage(self.network, self.config.average)
        self.has_learnt = True

    def save(self, folder):
        """Write the checkpoint that `resume` continues from."""
        save_checkpoint(
            os.path.join(folder, CHECKPOINT),
            self.network,
            average=self.average.state,
            optimizer=self.optimizer.state_dict(),
            loss=self.loss.state_dict(),
            progress=asdict(self.progress),
            training_config=asdict(self.config),
        )

    def restore(self, content):
        """Continue from a loaded checkpoint; raises ValueError if it is of another network."""
        take_weights(self.network, content["network"])
        self.average.load(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.loss.load_state_dict(content["loss"])
        self.progress = Progress(**content["progress"])


def reckons_in_bfloat16(device):
    """Whether a torch.device has instructions for bfloat16, or ones that do as well.

    A processor without AVX-512 imitates them: a training step then takes twelve times as long as in
    32 bits (AMD EPYC with AVX2, torch 2.13).
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def freeze(network, only):
    """Let nothing but the parts named in `only` learn, if any are; ValueError for unknown names."""
    parts = dict(network.named_children())
    unknown = set(only) - parts.keys()
    if unknown:
        raise ValueError(f"the network has no part {sorted(unknown)[0]}, but {', '.join(parts)}")
    for name, part in parts.items():
        part.requires_grad_(not only or name in only)


def answers_that_learn(only):
    """What to ask a network for, named as its `forward` has it, of which nothing but the parts
    named in `only` learns, if any are: no answer that none of them has a share in."""
    shared = {"backbone", "pyramid"}
    return {
        "with_face": not only or set(only) != {"pixel_head"},
        "with_pixels": not only or not shared.isdisjoint(only) or "pixel_head" in only,
    }


def parameter_groups(network, weight_decay):
    """Weights decay; biases and normalisation do not."""
    learning = [p for p in network.parameters() if p.requires_grad]
    decaying = [p for p in learning if p.ndim > 1]
    others = [p for p in learning if p.ndim <= 1]
    return [
        {"params": decaying, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
