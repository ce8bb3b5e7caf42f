# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions of the face, by the names of the shapes that move them."""

from __future__ import annotations

import functools

from .naming import words_of

# By the start of a shape's name, in the order from brow to tongue.
REGIONS = (
    ("Brows", ("brow",)),
    ("Eyes", ("eye",)),
    ("Nose and Cheeks", ("nose", "cheek")),
    ("Jaw", ("jaw",)),
    ("Mouth", ("mouth",)),
    ("Tongue", ("tongue",)),
)
OTHER_REGION = "Other"
REGION_TITLES = (*(title for title, _ in REGIONS), OTHER_REGION)


@functools.lru_cache(maxsize=1024)  # panels ask while they draw
def region_of(shape_name: str) -> str:
    """The title of the region that a shape moves, whatever tool's spelling names it."""
    for word in words_of(shape_name):
        for title, starts in REGIONS:
            if word.startswith(starts):
                return title
    return OTHER_REGION
