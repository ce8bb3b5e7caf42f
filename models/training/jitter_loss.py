# SPDX-License-Identifier: GPL-3.0-or-later
"""The jitter loss: neighbouring frames shall be wrong in the same way.

Wei et al. (2022, doi 10.1117/12.2644477) show the network neighbouring frames and penalise what
trembles. Here it is the change of the error, not of the answer: a face may move. Points and
rotation count as they are. Shape weights and gaze count in units of their spread over the batch,
since a network can calm them by answering less: of that the ratio knows nothing.
"""

import torch

from .sizes import distances

# What counts 1: about half of what a network shows on training crops that never met this loss, of
# points a quarter, as they are what is seen to tremble.
POINT_JITTER = 0.0025  # crop units
ROTATION_JITTER = 0.03  # Frobenius norm; 1.2 degrees
RELATIVE_JITTER = 0.15  # of the spread of an answer over the batch
LEAST_SPREAD = 0.02  # shape weight or rad: what hardly occurs in a batch does not count for more


def jitter_loss(answer, batch):
    """Some 2 for a network trained without it; 0 where no two crops of a face are neighbours.

    answer: Reconstruction; batch: as of training_batch, with neighbour (N,), the row of which a row
    shows the next frame, else -1.
    """
    second = torch.nonzero((batch["neighbour"] >= 0) & (batch["face"] > 0.5))[:, 0]
    if not len(second):
        return answer.points.sum() * 0
    first = batch["neighbour"][second]

    def change(error):
        return error[second] - error[first]

    points = change(answer.points - batch["points"])
    turned = change(answer.rotation @ batch["rotation"].transpose(1, 2))
    parts = (
        distances(points).mean() / POINT_JITTER,
        distances(turned.flatten(1)).mean() / ROTATION_JITTER,
        relative_change(answer.expression, batch["expression"], first, second),
        relative_change(answer.gaze.flatten(1), batch["gaze"].flatten(1), first, second),
    )
    return sum(parts) / len(parts)


def relative_change(answer, true, first, second):
    """Change of the errors of answers (N,K) between rows first and second, by the answers' spread."""
    error = answer - true
    change = (error[second] - error[first]).square().mean(dim=0)
    spread = answer[torch.cat([first, second])].var(dim=0, unbiased=False)
    return ((change / (spread + LEAST_SPREAD**2)) + 1e-10).sqrt().mean() / RELATIVE_JITTER
