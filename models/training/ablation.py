# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models ablate`: what each step towards photographs is worth on real faces.

The same small network sees the same number of pictures four times: bare heads; dressed people with
things painted before them; these spoilt as cameras do; and, mixed with them, photographs rendered
again. The real faces are read from crops around their label boxes, as a network in training is.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from models.reconstruction.config import NetworkConfig

from .command import former_run, train
from .config import TrainingConfig
from .loop import CHECKPOINT
from .pool import PoolShare, check_points

PICTURES = 300_000
# Half as wide as the product's network, without its second look and its per-pixel heads: a third of
# the time.
WIDTHS = (16, 32, 64, 96)
PYRAMID, POINT_HIDDEN, IDENTITY_HIDDEN, EXPRESSION_HIDDEN = 24, 128, 64, 128
LEARNING_RATE = 3e-3
FIGURES = "figures.json"


@dataclass(frozen=True)
class Step:
    """pools: names of the sources and the share of the pictures that each gives; occluders, camera:
    as in TrainingConfig; title: as the table calls it."""

    title: str
    pools: dict[str, float]
    occluders: bool
    camera: bool


STEPS = {
    "heads": Step("bare heads", {"heads": 1.0}, False, False),
    "people": Step("+ people and occluders", {"people": 1.0}, True, False),
    "camera": Step("+ camera damage", {"people": 1.0}, True, True),
    "photographs": Step("+ photographs", {"people": 0.4, "portraits": 0.6}, True, True),
}


def add_arguments(parser):
    for source in ("heads", "people", "portraits"):
        parser.add_argument(f"--{source}", metavar="POOL", help=f"pool of {source}")
    parser.add_argument("--faces", required=True, metavar="FOLDER", help="labelled real faces")
    parser.add_argument("--out", required=True, type=Path, help="folder of the runs; may go on")
    parser.add_argument("--workers", type=int, default=1, help="processes that prepare pictures")
    parser.add_argument("--pictures", type=int, default=PICTURES, help=f"each run ({PICTURES})")
    parser.add_argument(
        "--only", choices=STEPS, action="append", help="these steps; figures of others are kept"
    )


def run(arguments):
    import torch

    from models.evaluation.predictor import load_predictor
    from models.evaluation.real import from_boxes, load_labels
    from models.head import load_head

    torch.set_num_threads(1)
    head, labels = load_head(), load_labels(arguments.faces)
    if arguments.pictures < 1:
        raise ValueError("--pictures must be positive")
    wanted = {name: STEPS[name] for name in arguments.only or STEPS}
    shares = {name: pool_shares(step, arguments, head) for name, step in wanted.items()}
    for name in wanted:
        folder = arguments.out / name
        content = former_run(folder, resume=True)
        train(config(STEPS[name], arguments.pictures, head), head, shares[name], folder,
              content=content, workers=arguments.workers)  # fmt: skip
        figures = from_boxes(arguments.faces, labels, load_predictor(folder / CHECKPOINT))
        del figures["offsets"]
        (folder / FIGURES).write_text(json.dumps(figures, indent=1))
    print(table(read(arguments.out)))


def pool_shares(step, arguments, head):
    """The step's pools; ValueError where one is not given or belongs to another head."""
    shares = []
    for source, weight in step.pools.items():
        folder = getattr(arguments, source)
        if not folder:
            raise ValueError(f"{step.title} needs --{source} POOL")
        shares.append(PoolShare(folder, weight))
        check_points(shares[-1], len(head.point_vertices))
    return shares


def config(step, pictures, head):
    """How a step is trained."""
    network = replace(
        NetworkConfig.of(head), widths=WIDTHS, pyramid=PYRAMID, point_hidden=POINT_HIDDEN,
        identity_hidden=IDENTITY_HIDDEN, expression_hidden=EXPRESSION_HIDDEN, second_look=False,
        pixel_widths=(),
    )  # fmt: skip
    return TrainingConfig(
        pictures=pictures, occluders=step.occluders, camera=step.camera, network=network,
        learning_rate=LEARNING_RATE,
    )  # fmt: skip


def read(folder):
    """The figures of the steps that are done, in their order."""
    paths = {name: folder / name / FIGURES for name in STEPS}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def table(figures):
    """Markdown: errors of each step and what is left of those of the first."""
    lines = [
        "| training pictures | 51 points | of bare heads' | 68 points | failures | r (slope): eyes "
        "| lips | mouth width | brows |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in figures.items():
        cells = [f"{100 * row['error51']:.2f} %", "", f"{100 * row['error68']:.2f} %",
                 f"{100 * row['failures']:.1f} %"]  # fmt: skip
        if "heads" in figures:
            cells[1] = f"{row['error51'] / figures['heads']['error51']:.0%}"
        cells += [f"{ratio['r']:.2f} ({ratio['slope']:.2f})" for ratio in row["r"].values()]
        lines.append(f"| {STEPS[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
