# SPDX-License-Identifier: GPL-3.0-or-later
"""Edge loops of a quad mesh."""

from collections import defaultdict

import numpy as np

LONGEST_LOOP = 400


class Topology:
    """Neighbourhood of the vertices of quads (F,4)."""

    def __init__(self, quads: np.ndarray):
        self.neighbours: dict[int, set[int]] = defaultdict(set)
        self.faces: dict[int, set[int]] = defaultdict(set)
        for index, quad in enumerate(quads.tolist()):
            for corner, vertex in enumerate(quad):
                following = quad[(corner + 1) % 4]
                self.neighbours[vertex].add(following)
                self.neighbours[following].add(vertex)
                self.faces[vertex].add(index)

    def closed_loops(self, vertex: int) -> list[list[int]]:
        """The closed edge loops that pass through the vertex, shortest first."""
        loops: dict[frozenset, list[int]] = {}
        for neighbour in sorted(self.neighbours[vertex]):
            loop = self._follow(vertex, neighbour)
            if loop:
                loops.setdefault(frozenset(loop), loop)
        return sorted(loops.values(), key=len)

    def loop_through(self, vertex: int) -> list[int]:
        """The shortest closed edge loop through the vertex.

        Raises ValueError where no edge loop closes.
        """
        loops = self.closed_loops(vertex)
        if not loops:
            raise ValueError(f"no closed edge loop passes through vertex {vertex}")
        return loops[0]

    def _follow(self, first: int, second: int) -> list[int] | None:
        path = [first, second]
        while len(path) < LONGEST_LOOP:
            following = self._opposite(path[-2], path[-1])
            if following is None:
                return None
            if following == first:
                return path
            path.append(following)
        return None

    def _opposite(self, behind: int, vertex: int) -> int | None:
        """Straight on at a regular vertex: the edge that shares no face with the one behind."""
        if len(self.neighbours[vertex]) != 4:
            return None
        beside = self.faces[behind] & self.faces[vertex]
        ahead = [
            other
            for other in self.neighbours[vertex]
            if other != behind and not (self.faces[vertex] & self.faces[other]) & beside
        ]
        return ahead[0] if len(ahead) == 1 else None


def arcs(positions: np.ndarray, loop: np.ndarray, start: int, end: int):
    """The two ways round a closed loop of vertices (L,) from start to end, both with both ends; the
    upper one first. positions (V,3)."""
    loop = np.roll(loop, -int(np.flatnonzero(loop == start)[0]))
    split = int(np.flatnonzero(loop == end)[0])
    one, other = loop[: split + 1], np.append(loop[split:], loop[0])[::-1]
    pair = (one, other)
    return pair if positions[one, 1].mean() > positions[other, 1].mean() else pair[::-1]
