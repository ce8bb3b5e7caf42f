# SPDX-License-Identifier: GPL-3.0-or-later
"""Edge loops."""

import numpy as np
import pytest

from models.head.topology import Topology

AROUND, RINGS = 8, 4


@pytest.fixture
def tube():
    """Quads of an open tube: RINGS rings of AROUND vertices."""
    quads = []
    for ring in range(RINGS - 1):
        for step in range(AROUND):
            a, b = ring * AROUND + step, ring * AROUND + (step + 1) % AROUND
            quads.append([a, b, b + AROUND, a + AROUND])
    return Topology(np.array(quads))


def test_a_ring_closes(tube):
    loop = tube.loop_through(AROUND)
    assert sorted(loop) == list(range(AROUND, 2 * AROUND))


def test_a_border_has_no_loop(tube):
    with pytest.raises(ValueError, match="no closed edge loop"):
        tube.loop_through(0)
