# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the faces that a network sees lie from the true ones, in millimetres.

Errors are distances of the front face's vertices after rigid alignment, neutral shape (identity
alone) and expressive shape (with the 52 weights) apart. Beside them stands what the mean head at
rest would err, for it is what a network says that has seen nothing.
"""

import numpy as np

from models.head.basis import FRONT_GROUPS, front_face
from models.head.rigid import rigid

MM = 1e3
WORSE_SHARE = 90  # percentile beside the median
KINDS = ("neutral", "expressive")


def vertex_errors(answer, truth, head):
    """Figures in mm of N faces: dictionaries with identity (N,60) and expression (N,52).

    Of each kind of shape the mean over a picture's vertices; of these median and 90th percentile
    over pictures, of the answers and of the mean head.
    """
    front = front_face(head.mean, head.group_vertices(*FRONT_GROUPS))
    mean_face = head.person(np.zeros(len(head.identity_basis))).neutral[front]
    errors = {name: [] for name in ("", "mean_head_")}
    shown, true_person = None, None
    for row, identity in enumerate(truth["identity"]):
        if shown is None or not np.array_equal(identity, shown):  # neighbours often show one person
            shown, true_person = identity, head.person(identity)
        true = shapes(true_person, truth["expression"][row], front)
        found = shapes(head.person(answer["identity"][row]), answer["expression"][row], front)
        errors[""].append([mean_distance(a, t) for a, t in zip(found, true)])
        errors["mean_head_"].append([mean_distance(mean_face, t) for t in true])
    figures = {}
    for who, rows in errors.items():
        for kind, values in zip(KINDS, MM * np.array(rows).T):
            figures[f"{who}{kind}_mm"] = float(np.median(values))
            figures[f"{who}{kind}_p90_mm"] = float(np.percentile(values, WORSE_SHARE))
    return figures


def shapes(person, weights, front):
    """The person's face at rest and with weights (52,), at the vertices front: two (N,3) m."""
    return person.neutral[front], person.express(weights)[front]


def mean_distance(points, target):
    """Mean distance of points (N,3) from target (N,3) after the rigid motion that suits it best."""
    rotation, shift = rigid(points, target)
    return np.linalg.norm(rotation.apply(points) + shift - target, axis=1).mean()


def vertex_lines(figures):
    """The figures as lines of text."""
    return [
        f"{kind} shape {figures[f'{kind}_mm']:.2f} mm in the median (90th percentile "
        f"{figures[f'{kind}_p90_mm']:.2f}); the mean head {figures[f'mean_head_{kind}_mm']:.2f} "
        f"({figures[f'mean_head_{kind}_p90_mm']:.2f})"
        for kind in KINDS
    ]
