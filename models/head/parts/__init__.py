# SPDX-License-Identifier: GPL-3.0-or-later
"""What is modelled here rather than taken from the base mesh: eyes, teeth, hair cards, the collar.

`make_parts` is all that the build needs; one module makes one part.
"""

from .brows import make_brows
from .collar import make_collar
from .eyeballs import make_eyeballs
from .gums import make_gums
from .lashes import make_lashes
from .part import Body, Part
from .teeth import make_teeth

__all__ = ["Body", "Part", "make_parts"]

MAKERS = (make_collar, make_eyeballs, make_teeth, make_gums, make_lashes, make_brows)


def make_parts(body: Body) -> list[Part]:
    """All parts, in the order of their vertices; each mirrors exactly."""
    return [part for make in MAKERS for part in make(body)]
