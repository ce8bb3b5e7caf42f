# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models train`: from pools of pictures to a checkpoint.

On several graphics cards, each with a process that takes its part of every batch:
`torchrun --nproc-per-node 4 -m models train …`. On processors likewise, a process a core, each with
OMP_NUM_THREADS=1; and where the C library is glibc, with GLIBC_TUNABLES as in docs/model_card.md: it
then keeps the memory of a step for the next one instead of giving it back.
"""

import os
from dataclasses import replace

from models.reconstruction.config import NetworkConfig

from .config import TrainingConfig
from .parallel import ALONE, joined, local_device
from .pool import PoolShare, check_points

PERIOD_SECONDS = 120.0
LOSSES = (
    "total", "likelihood", "distance", "gap", "identity", "expression", "gaze", "rotation",
    "segmentation", "canonical", "depth", "normal", "relief", "face", "jitter",
)  # fmt: skip


def add_arguments(parser):
    parser.add_argument(
        "--pool", action="append", required=True, metavar="DIR[:WEIGHT]",
        help="folder of picture chunks and its share of the pictures; may grow meanwhile",
    )  # fmt: skip
    parser.add_argument("--out", required=True, metavar="RUN", help="folder of the run")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float, help="training time to spend")
    budget.add_argument("--pictures", type=int, help="pictures to see, instead of a time")
    parser.add_argument("--resume", action="store_true", help="continue the run in RUN, if any")
    parser.add_argument("--init", metavar="CHECKPOINT", help="begin with these weights")
    parser.add_argument(
        "--only", action="append", metavar="PART",
        help="the part of the network that learns, the others stay as they are; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--fixed-normalisation", action="store_true", default=None,
        help="go by the running figures of --init, not by each batch's",
    )  # fmt: skip
    parser.add_argument(
        "--no-pixels", action="store_true",
        help="without the per-pixel heads: half as fast again, but where the backbone learns they have"
        " to be trained again after it",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=int, help="pictures a step, of all processes together (default 64)"
    )
    parser.add_argument("--learning-rate", type=float, help="peak (default 2e-3)")
    parser.add_argument("--seed", type=int, help="of weights and pictures (default 1)")
    parser.add_argument(
        "--neighbours", type=float, metavar="SHARE",
        help="share of the crops that show the next frame of others, for the jitter loss (0)",
    )  # fmt: skip
    parser.add_argument(
        "--jitter-weight", type=float, metavar="WEIGHT",
        help="weight of the jitter loss at the end of training (0.4)",
    )  # fmt: skip
    parser.add_argument(
        "--spoilt", type=float, metavar="SHARE",
        help="share of the pictures that are spoilt as cameras do (1)",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 … (auto)")
    parser.add_argument(
        "--threads", type=int, default=1,
        help="torch threads on the CPU (1; more pays only on idle cores)",
    )  # fmt: skip
    parser.add_argument(
        "--workers", type=int, help="processes that prepare pictures (1; on a GPU all cores but 2)"
    )
    parser.add_argument("--period", type=float, default=PERIOD_SECONDS, help="seconds a log row")


def run(arguments):
    import torch

    from models.head import load_head

    shares = [PoolShare.parse(text) for text in arguments.pool]
    torch.set_num_threads(arguments.threads)
    head = load_head()
    for share in shares:
        check_points(share, len(head.point_vertices))
    device = choose_device(arguments.device)
    with joined(device) as processes:
        content = former_run(arguments.out, arguments.resume)
        workers = arguments.workers
        train(
            config_from(arguments, content, head), head, shares, arguments.out, content=content,
            init=arguments.init, device=device, period=arguments.period, processes=processes,
            workers=default_workers(device, processes.here) if workers is None else workers,
        )  # fmt: skip


def train(config, head, shares, folder, *, content=None, init=None, device="cpu", workers=1,
          period=PERIOD_SECONDS, processes=ALONE):  # fmt: skip
    """Train by a TrainingConfig on pool shares, with checkpoint and log in `folder`.

    content: the loaded checkpoint of the run that goes on; init: a checkpoint whose weights a new
    run begins with; workers: processes that prepare pictures; period: seconds a row of the log;
    processes: those that train together.
    """
    from .batches import TrainingBatches, batch_loader
    from .labels import MirrorTables
    from .log import Log
    from .loop import Trainer
    from .validation import COLUMNS, Validation

    os.makedirs(folder, exist_ok=True)
    trainer = Trainer(config, head, device, processes=processes)
    if content:
        trainer.restore(content)
    elif init:
        trainer.start_from_weights(init)
    columns = (
        "steps", "images", "seconds", "learning_rate", *LOSSES, "images_per_second", "waiting",
        *(f"held_out_{name}" for name in COLUMNS),
    )  # fmt: skip
    tables = MirrorTables.of(head)
    batches = TrainingBatches(shares, tables, config, trainer.progress.steps, processes)
    loader = batch_loader(batches, workers, pin=device.startswith("cuda"))
    report = None
    if processes.first:
        log = Log(os.path.join(folder, "log.csv"), columns, trainer.progress.steps)
        report = Reporter(log, Validation(shares))
        budget = f"{config.pictures} pictures" if config.pictures else f"{config.minutes:g} minutes"
        together = f" and {processes.count - 1} more" if processes.count > 1 else ""
        print(
            f"training {sum(p.numel() for p in trainer.network.parameters()) / 1e6:.1f} M weights "
            f"on {device}{together}, {trainer.share:.0%} of {budget} spent",
            flush=True,
        )
    trainer.train(loader, report, period, folder)


class Reporter:
    """Writes a row of the log and a line for the watcher."""

    def __init__(self, log, validation):
        self.log = log
        self.validation = validation

    def __call__(self, trainer, period, _last):
        from models.reconstruction.network import ReconstructionNetwork

        network = ReconstructionNetwork(trainer.config.network).to(trainer.device)
        network.load_state_dict(trainer.average.state)
        figures = self.validation.figures(network.eval(), trainer.device)
        row = period.row() | {f"held_out_{name}": value for name, value in figures.items()}
        progress = trainer.progress
        rate = trainer.optimizer.param_groups[0]["lr"]
        self.log.write(
            steps=progress.steps, images=progress.images, seconds=progress.seconds,
            learning_rate=rate, **row,
        )  # fmt: skip
        held_out = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        print(
            f"{trainer.share:6.1%}  {progress.images / 1e3:8.0f}k pictures  "
            f"{row['images_per_second']:5.0f}/s (waiting {row['waiting']:.0%})  "
            f"loss {row['total']:.3f}  {held_out}",
            flush=True,
        )


def former_run(folder, resume):
    """The checkpoint in `folder` to continue from, or None; refuses to write over a run unasked."""
    from models.reconstruction.checkpoint import load_checkpoint

    from .loop import CHECKPOINT

    path = os.path.join(folder, CHECKPOINT)
    if not os.path.exists(path):
        return None
    if not resume:
        raise ValueError(f"{folder} holds a run; continue it with --resume or take another")
    return load_checkpoint(path)


def config_from(arguments, content, head):
    """The run's config: the checkpoint's or the default one, with what the command line says."""
    network = NetworkConfig.of(head)
    if arguments.no_pixels:
        network = replace(network, pixel_widths=())
    config = TrainingConfig.from_dict(content["training_config"]) if content else TrainingConfig()
    if not content:
        config = replace(config, network=network)
    elif config.network != network:
        raise ValueError("the run belongs to another network or head model; start a new run")
    if not (arguments.pictures or arguments.minutes) > 0:
        raise ValueError("--minutes and --pictures must be positive")
    if not 0 <= (arguments.neighbours or 0) <= 0.5:
        raise ValueError("--neighbours is a share from 0 to 0.5")
    if not 0 <= (arguments.spoilt or 0) <= 1:
        raise ValueError("--spoilt is a share from 0 to 1")
    losses = config.losses
    if arguments.jitter_weight is not None:
        if not arguments.jitter_weight >= 0:
            raise ValueError("--jitter-weight must not be negative")
        losses = replace(losses, jitter=arguments.jitter_weight)
    asked = {
        "losses": losses,
        "minutes": arguments.minutes, "pictures": arguments.pictures or 0,
        "batch": arguments.batch, "seed": arguments.seed,
        "learning_rate": arguments.learning_rate, "neighbours": arguments.neighbours,
        "camera": arguments.spoilt,
        "only": arguments.only and tuple(arguments.only),
        "fixed_normalisation": arguments.fixed_normalisation,
    }  # fmt: skip
    return replace(config, **{k: v for k, v in asked.items() if v is not None})


def choose_device(name):
    """"auto" takes a GPU that is there; raises ValueError for a device that is not."""
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    name = local_device(name)
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"there is no device {name} here") from error
    return name


def default_workers(device, here=1):
    """Helpers of one of `here` processes: one beside a training core; on GPUs all cores but two."""
    return 1 if device == "cpu" else max(1, ((os.cpu_count() or 1) - 2) // here)
