# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person may choose about the solve."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Quality(Enum):
    """LIVE looks only back, as if frames arrived one by one; TAKE looks at the whole clip."""

    LIVE = "live"
    TAKE = "take"


@dataclass(frozen=True)
class Settings:
    """How a clip is solved.

    Attributes:
        quality: how motion is smoothed.
        smoothing: strength, 1 for what suits most clips, 0 for none; scales both how much is taken
            for noise and how long a still face is averaged. Live quality has its own.
        neutral: footage frame in which the face is at rest; found from the clip unless given.
        lens: focal length, millimetres of a 35 mm camera; found from the clip unless given.
    """

    quality: Quality = Quality.TAKE
    smoothing: float = 1.0
    neutral: int | None = None
    lens: float | None = None
