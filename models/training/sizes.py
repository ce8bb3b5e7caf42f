# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of errors, with gradients that training can live with."""


def distances(vectors):
    """Lengths of (…,D) vectors, with a gradient at zero."""
    return (vectors.square().sum(dim=-1) + 1e-10).sqrt()


def pseudo_huber(square):
    """Of squared relative errors: half the square where small, the error itself where large."""
    return (1 + square).sqrt() - 1
