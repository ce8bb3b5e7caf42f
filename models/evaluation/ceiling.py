# SPDX-License-Identifier: GPL-3.0-or-later
"""What exact points are worth: shape weights and identity as a small network reads them from points.

Where a network errs in a face's weights, it may have seen the face wrongly or have read wrongly what
it saw; and of some shapes a single picture says little, however well one looks. A reader that learns
from the points alone tells these apart: from the true ones it shows what they hold at all, from true
ones with a share of the network's own errors how much better points would help.
"""

import numpy as np
import torch
from torch import nn

from models.head import SHAPE_NAMES
from models.reconstruction.config import IDENTITY_SIZE
from models.reconstruction.second_look import Frames
from models.training.pool import held_out, open_or_none

from .geometry import SEEN_R, clean_batches, correlations, joined, mean_or_nan, point_errors

SHARES = (0.0, 0.25, 0.5, 1.0)  # of the network's errors
READ = "points", "rotation", "expression", "identity"  # of truth and answers
HIDDEN = 512
EPOCHS, BATCH = 40, 128
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 0.05
NOISE = 0.02  # of each input, in its standard deviations: keeps the reader from learning by heart
IDENTITY_WEIGHT = 0.2  # in the loss, as standard deviations are some five times as large as weights
LEAST_SPREAD = 1e-4  # of an input


def measure(paths, predict, shares=SHARES):
    """Figures of readers of points, taught on some chunks and tested on those that training leaves out.

    paths: a pool's chunks; predict: as in geometry.measure. Returns faces (taught, tested), the
    network's own point_error, expression_r, seen (shapes of r >= SEEN_R) and identity_r, and
    readers: the last three by share of the network's errors. Raises ValueError where chunks of
    either kind are missing.
    """
    taught, tested = (
        faces([path for path in paths if held_out(path) == kind], predict) for kind in (False, True)
    )
    error, _ = point_errors(tested["seen_points"], tested["points"], tested["visible"])
    own = figures_of(tested["seen_expression"], tested["seen_identity"], tested)
    return {
        "taught": len(taught["points"]), "tested": len(tested["points"]), "point_error": float(error),
        **own, "readers": {share: reader_figures(taught, tested, share) for share in shares},
    }  # fmt: skip


def faces(paths, predict):
    """Truth and answers (named seen_…) of the faces of some chunks, arrays by name."""
    parts = []
    for batch in clean_batches(filter(None, map(open_or_none, paths))):
        face = batch["face"] > 0.5
        if face.any():
            said = predict(batch["image"][face])
            part = {name: batch[name][face] for name in (*READ, "visible")}
            parts.append(part | {f"seen_{name}": said[name] for name in READ})
    if not parts:
        raise ValueError("the pool needs faces to learn from and faces that training leaves out")
    return joined(parts)


def reader_figures(taught, tested, share):
    """The figures of a reader of points that err by a share of what the network errs by."""
    given, asked = told(taught, share), told(tested, share)
    middle, spread = given.mean(dim=0), given.std(dim=0).clamp_min(LEAST_SPREAD)
    wanted = np.concatenate([taught["expression"], IDENTITY_WEIGHT * taught["identity"]], axis=1)
    reader = learn((given - middle) / spread, torch.tensor(wanted, dtype=torch.float32))
    with torch.no_grad():
        answer = reader((asked - middle) / spread).numpy()
    expression, identity = np.split(answer, [len(SHAPE_NAMES)], axis=1)
    return figures_of(expression, identity, tested)


def told(found, share):
    """What a reader is given (N,K): points upright and in the face's size, and the rotation."""

    def between(name):
        true, seen = (torch.tensor(found[key], dtype=torch.float32) for key in (name, f"seen_{name}"))
        return torch.lerp(true, seen, share)

    points = between("points")
    upright = Frames.of(points).from_crop(points - points.mean(dim=1, keepdim=True))
    return torch.cat([upright.flatten(1), between("rotation").flatten(1)], dim=1)


def learn(given, wanted):
    """A reader of (N,K) that has learnt to answer (N,A)."""
    torch.manual_seed(0)
    reader = nn.Sequential(
        nn.Linear(given.shape[1], HIDDEN), nn.ReLU(),
        nn.Linear(HIDDEN, HIDDEN), nn.ReLU(),
        nn.Linear(HIDDEN, len(SHAPE_NAMES) + IDENTITY_SIZE),
    )  # fmt: skip
    steps = EPOCHS * -(-len(given) // BATCH)
    optimizer = torch.optim.AdamW(reader.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(given)).split(BATCH):
            noisy = given[rows] + NOISE * torch.randn_like(given[rows])
            optimizer.zero_grad()
            (reader(noisy) - wanted[rows]).square().mean().backward()
            optimizer.step()
            schedule.step()
    return reader


def figures_of(expression, identity, truth):
    """expression_r, seen and identity_r of answers (N,52), (N,60)."""
    shapes = correlations(expression, truth["expression"])
    return {
        "expression_r": mean_or_nan(shapes),
        "seen": sum(r >= SEEN_R for r in shapes),
        "identity_r": mean_or_nan(correlations(identity, truth["identity"])),
    }


def table(figures):
    """The figures as lines of text."""

    def line(title, row):
        return (
            f"{title:38s} shapes' r {row['expression_r']:.3f}, {row['seen']} of {len(SHAPE_NAMES)} "
            f">= {SEEN_R:.2f}; identity r {row['identity_r']:.3f}"
        )

    readers = figures["readers"].items()
    return "\n".join([
        f"{figures['taught']} faces to learn from, {figures['tested']} others; the network's points err"
        f" by {100 * figures['point_error']:.2f} %",
        line("the network", figures),
        *(line(f"a reader of points, {share:.0%} of the errors", row) for share, row in readers),
    ])  # fmt: skip
