# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models ablate pictures|network`: what each choice is worth, one small network each.

All networks of a question see the same number of pictures, drawn by the same seed.

pictures: what each step towards photographs is worth: bare heads; dressed people with things painted
before them; these spoilt as cameras do; and, mixed with them, photographs rendered again.
network: what the network's own choices are worth: each is taken back by itself, all else the same.

The real faces are read from crops around their label boxes, as a network in training is. Networks are
also measured on the chunks that the pools hold out, and their jitter on rendered films if there are.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.evaluation.geometry import clean_batches, measure
from models.reconstruction.config import NetworkConfig

from .command import former_run, train
from .config import TrainingConfig
from .loop import CHECKPOINT
from .pool import PoolShare, check_points
from .validation import validation_chunks

PICTURES = 300_000
# Half as wide as the product's network, without its second look, refinement and per-pixel heads: a
# third of the time.
WIDTHS = (16, 32, 64, 96)
PYRAMID, POINT_HIDDEN, IDENTITY_HIDDEN, EXPRESSION_HIDDEN = 24, 128, 64, 128
LEARNING_RATE = 3e-3
WARM_UP_SHARE = 0.1  # of the steps, at most: short runs would never be warm
PERIOD_SECONDS = 600.0  # a row of the log
FIGURES = "figures.json"
HELD_OUT_FIGURES = ("point_error", "expression_r", "identity_r", "gaze_degrees", "pose_degrees")


@dataclass(frozen=True)
class Step:
    """title: as the table calls it; pools: names of the sources and the share of the pictures that
    each gives; training, network: how its TrainingConfig and its network differ from the others'."""

    title: str
    pools: dict[str, float]
    training: dict = field(default_factory=dict)
    network: dict = field(default_factory=dict)


MIXED = {"people": 0.4, "portraits": 0.6}
PLAIN = {"occluders": False, "camera": 0.0}  # cheaper, and the same for all that are compared
PRODUCT = NetworkConfig()
QUESTIONS = {
    "pictures": {
        "heads": Step("bare heads", {"heads": 1.0}, PLAIN),
        "people": Step("+ people and occluders", {"people": 1.0}, {"camera": 0.0}),
        "camera": Step("+ camera damage", {"people": 1.0}),
        "photographs": Step("+ photographs", MIXED),
    },
    "network": {
        "all": Step("as it is", MIXED, PLAIN),
        "last-layer": Step(
            "expression from the last layer", MIXED, PLAIN, {"expression_from": "top"}
        ),
        "together": Step(
            "identity and expression in one head", MIXED, PLAIN, {"expression_from": "shared"}
        ),
        "fixed": Step("parameters and vertices weighed alike", MIXED, PLAIN | {"dynamic": False}),
        "jitter": Step("with the jitter loss", MIXED, PLAIN | {"neighbours": 0.25}),
        "no-pyramid": Step("no top-down pathway", MIXED, PLAIN, {"top_down": False}),
        "wide": Step(
            "twice as wide", MIXED, PLAIN,
            {"widths": PRODUCT.widths, "pyramid": PRODUCT.pyramid,
             "point_hidden": PRODUCT.point_hidden, "identity_hidden": PRODUCT.identity_hidden,
             "expression_hidden": PRODUCT.expression_hidden},
        ),
    },
}  # fmt: skip


def add_arguments(parser):
    questions = parser.add_subparsers(dest="question", required=True, metavar="pictures|network")
    for name, steps in QUESTIONS.items():
        question = questions.add_parser(name)
        for source in sorted({source for step in steps.values() for source in step.pools}):
            question.add_argument(f"--{source}", metavar="POOL", help=f"pool of {source}")
        question.add_argument("--faces", required=True, metavar="FOLDER", help="labelled real faces")
        question.add_argument("--out", required=True, type=Path, help="folder of the runs; may go on")
        question.add_argument(
            "--workers", type=int, default=1, help="processes that prepare pictures"
        )
        question.add_argument(
            "--pictures", type=int, default=PICTURES, help=f"each run ({PICTURES})"
        )
        question.add_argument(
            "--batch", type=int, default=TrainingConfig.batch,
            help=f"pictures a step ({TrainingConfig.batch}; fewer where --pictures are few)",
        )  # fmt: skip
        question.add_argument(
            "--only", choices=steps, action="append",
            help="these steps; figures of others are kept",
        )  # fmt: skip
        if name == "network":
            question.add_argument(
                "--films", metavar="FOLDER", help="`render --sequences`, for the jitter"
            )


def run(arguments):
    import torch

    from models.evaluation.frame_errors import network_on_films
    from models.evaluation.predictor import load_predictor
    from models.evaluation.real import from_boxes, load_labels
    from models.head import load_head

    torch.set_num_threads(1)
    head, labels = load_head(), load_labels(arguments.faces)
    if min(arguments.pictures, arguments.batch) < 1:
        raise ValueError("--pictures and --batch must be positive")
    steps = QUESTIONS[arguments.question]
    wanted = {name: steps[name] for name in arguments.only or steps}
    shares = {name: pool_shares(step, arguments, head) for name, step in wanted.items()}
    for name, step in wanted.items():
        folder = arguments.out / name
        content = former_run(folder, resume=True)
        train(config(step, arguments.pictures, arguments.batch, head), head, shares[name], folder,
              content=content, workers=arguments.workers, period=PERIOD_SECONDS)  # fmt: skip
        predict = load_predictor(folder / CHECKPOINT)
        figures = from_boxes(arguments.faces, labels, predict)
        del figures["offsets"]
        if arguments.question == "network":
            figures["rendered"] = on_held_out(shares[name], predict)
            if arguments.films:
                figures["films"], _ = network_on_films(arguments.films, predict)
        (folder / FIGURES).write_text(json.dumps(figures, indent=1))
    print(TABLES[arguments.question](read(arguments.out, steps), steps))


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


def config(step, pictures, batch, head):
    """How a step is trained, with so many pictures in all and in a batch."""
    small = {"widths": WIDTHS, "pyramid": PYRAMID, "point_hidden": POINT_HIDDEN,
             "identity_hidden": IDENTITY_HIDDEN, "expression_hidden": EXPRESSION_HIDDEN,
             "second_look": False, "refinement": False, "pixel_widths": ()}  # fmt: skip
    network = replace(NetworkConfig.of(head), **small | step.network)
    warm_up = min(TrainingConfig.warm_up_steps, round(WARM_UP_SHARE * pictures / batch))
    return TrainingConfig(
        pictures=pictures, batch=batch, network=network, learning_rate=LEARNING_RATE,
        warm_up_steps=max(1, warm_up), **step.training,
    )  # fmt: skip


def on_held_out(shares, predict):
    """Figures on some of the chunks that the pools leave out of training."""
    chunks = validation_chunks(share.folder for share in shares)
    figures = measure(clean_batches(chunks), predict)
    return {name: figures[name] for name in HELD_OUT_FIGURES}


def read(folder, steps):
    """The figures of the steps that are done, in their order."""
    paths = {name: folder / name / FIGURES for name in steps}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if path.exists()}


def picture_table(figures, steps):
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
        lines.append(f"| {steps[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def network_table(figures, steps):
    """Markdown: a row a choice, real faces, rendered ones, and films where they were measured."""
    titles = ["network", "AFW, 51 points", "r: eyes, lips, width, brows", "rendered: points",
              "shapes, mean r", "identity, mean r", "gaze", "pose",
              "films: points, change a frame", "weights, change a frame"]  # fmt: skip
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for name, row in figures.items():
        rendered, change = row["rendered"], row.get("films", {}).get("frame_to_frame")
        cells = [
            f"{100 * row['error51']:.2f} %", ", ".join(f"{v['r']:.2f}" for v in row["r"].values()),
            f"{100 * rendered['point_error']:.2f} %", f"{rendered['expression_r']:.3f}",
            f"{rendered['identity_r']:.3f}", f"{rendered['gaze_degrees']:.1f}°",
            f"{rendered['pose_degrees']:.1f}°",
            *([f"{100 * change['points']:.2f} %", f"{change['weights']:.4f}"] if change else "--"),
        ]  # fmt: skip
        lines.append(f"| {steps[name].title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


TABLES = {"pictures": picture_table, "network": network_table}
