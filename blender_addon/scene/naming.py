# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of a character's own shape keys and bones are meant by a take's, however they are spelt.

Tools write the same 52 movements as ``eyeBlinkLeft``, ``EyeBlinkLeft``, ``eyeBlink_L``,
``Eye_Blink_L``, ``A14_Eye_Blink_Left`` or ``Face.M F00 eyeBlink.L``. A name is taken apart into
words, and its side and what merely stands before or after it are set aside. No bpy: names in,
names out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

LEFT, RIGHT = "left", "right"
_SIDES = {
    "l": LEFT,
    "lf": LEFT,
    "lft": LEFT,
    "left": LEFT,
    "r": RIGHT,
    "rt": RIGHT,
    "rgt": RIGHT,
    "right": RIGHT,
}
_OTHER_SIDE = {LEFT: RIGHT, RIGHT: LEFT}

# aBc: a, Bc. ABCd: AB, Cd. Numbers part words and say nothing.
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")

# Words that tools hang onto a shape's name.
_TRAILING = frozenset("arkit bs blendshape geo head mesh morph shape target".split())

# Character Creator's words where they are others, for the middle and the left: the right mirrors.
# Two names share a movement that it splits in halves.
_CHARACTER_CREATOR = {
    "browDownLeft": ("Brow_Drop_L",),
    "browInnerUp": ("Brow_Raise_Inner_L", "Brow_Raise_Inner_R"),
    "browOuterUpLeft": ("Brow_Raise_Outer_L",),
    "cheekSquintLeft": ("Cheek_Raise_L",),
    "eyeLookDownLeft": ("Eye_L_Look_Down",),
    "eyeLookInLeft": ("Eye_L_Look_R",),
    "eyeLookOutLeft": ("Eye_L_Look_L",),
    "eyeLookUpLeft": ("Eye_L_Look_Up",),
    "mouthRollLower": ("Mouth_Roll_In_Lower",),
    "mouthRollUpper": ("Mouth_Roll_In_Upper",),
}

# Bones: an animator's control before a plain bone before what a rig keeps for itself.
_CONTROL = frozenset("c con control ctl ctrl fk".split())
_MACHINERY = frozenset("def ik mch mechanism org target tweak vis wgt".split())
_MIDDLE = frozenset("c m mid x".split())

Words = tuple[str, ...]


@dataclass(frozen=True)
class _Spelling:
    """One way to read a name: what stands before the movement, and which of its sides it is."""

    shape: str
    side: str  # the half of a movement that is one in the take; else empty
    rank: int  # 0 the words as they are, 1 another tool's words, 2 in another order
    before: Words


def match_shapes(wanted: Sequence[str], present: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """For each wanted shape that is there, the name of the key that shows it.

    A shape of the middle (``browInnerUp``) may be there as two halves (``browInnerUp_L`` and
    ``_R``): then both are named. Of several that fit, the one wins that needs least reading: the
    very name, then fewest words before it, then the first in `present`.

    Args:
        wanted: names as a take spells them, camelCase with Left or Right.
        present: names of shape keys.
    """
    reader = _Reader.of(wanted)
    found: dict[tuple[str, str], tuple[tuple, str]] = {}
    readings = [(name, reading) for name in present for reading in reader.readings(name)]
    # What stands before whole names may stand before a lone `Jaw_L` too, and nothing else may.
    usual = {reading.before for _, reading in readings if reader.is_clear(reading)}
    for place, (name, reading) in enumerate(readings):
        if not reader.is_clear(reading) and reading.before not in usual | {()}:
            continue
        cost = (name != reading.shape, reading.rank, len(reading.before), place)
        key = (reading.shape, reading.side)
        found[key] = min(found.get(key, (cost, name)), (cost, name))
    matches = {}
    for shape in wanted:
        whole, halves = (shape, ""), [(shape, LEFT), (shape, RIGHT)]
        if whole in found:
            matches[shape] = (found[whole][1],)
        elif all(half in found for half in halves):
            matches[shape] = tuple(found[half][1] for half in halves)
    return matches


def find_head_bone(names: Iterable[str]) -> str:
    """The bone that turns the head, by its name; empty where none is called so."""
    best: tuple[tuple[int, int, int], str] | None = None
    for place, name in enumerate(names):
        words = [word.lower() for word in _WORD.findall(name)]
        while len(words) > 1 and words[-1] in _MIDDLE:
            words.pop()
        if not words or words[-1] != "head":
            continue
        before = words[:-1]
        is_control = bool(before) and all(word in _CONTROL for word in before)
        is_machinery = any(word in _MACHINERY for word in before)
        cost = (2 if is_machinery else 0 if is_control else 1, len(before), place)
        best = min(best, (cost, name)) if best else (cost, name)
    return best[1] if best else ""


def words_of(name: str) -> Words:
    """A name in lower-case words, its sides spelt out: ``Eye_Blink_L`` is eye, blink, left."""
    words = [word.lower() for word in _WORD.findall(name)]
    words = [_SIDES.get(word, word) for word in words]
    while len(words) > 1 and words[-1] in _TRAILING:
        words.pop()
    # Without capitals or separators the side is the end of a word: eyeblinkleft.
    for side in (LEFT, RIGHT):
        if words and words[-1].endswith(side) and words[-1] != side:
            words[-1:] = [words[-1].removesuffix(side), side]
    return tuple(words)


def _side_of(words: Words) -> tuple[Words, str]:
    """Words without the last that is a side, and that side; empty if none is."""
    for place in range(len(words) - 1, -1, -1):
        if words[place] in _OTHER_SIDE:
            return words[:place] + words[place + 1 :], words[place]
    return words, ""


@dataclass(frozen=True)
class _Reader:
    """The names a take uses, ready to be recognised."""

    joined: dict[tuple[str, str], str]  # (words run together, side) to shape
    mixed: dict[tuple[Words, str], str]  # (words in alphabetical order, side) to shape
    foreign: dict[Words, tuple[str, str]]  # another tool's words to (shape, half)
    vocabulary: frozenset[str]  # words that would change what a name means

    @classmethod
    def of(cls, wanted: Sequence[str]) -> _Reader:
        joined, mixed, vocabulary = {}, {}, set()
        for shape in wanted:
            core, side = _side_of(words_of(shape))
            joined["".join(core), side] = shape
            mixed[tuple(sorted(core)), side] = shape
            vocabulary |= {*core, LEFT, RIGHT}
        return cls(joined, mixed, _foreign_words(wanted), frozenset(vocabulary))

    def readings(self, name: str) -> Iterator[_Spelling]:
        """All ways to read the name of a shape key; a correction's (``A@50``) is no shape's."""
        if "@" in name:
            return
        words = words_of(name)
        for start in range(len(words)):
            if words[start:] in self.foreign and self._says_nothing(words[:start]):
                shape, half = self.foreign[words[start:]]
                yield _Spelling(shape, half, 1, words[:start])
        core, side = _side_of(words)
        for start in range(len(core)):
            before, rest = core[:start], core[start:]
            if not self._says_nothing(before):
                return
            for rank, table, key in (
                (0, self.joined, "".join(rest)),
                (2, self.mixed, tuple(sorted(rest))),
            ):
                if (key, side) in table:
                    yield _Spelling(table[key, side], "", rank, before)
                elif side and (key, "") in table:
                    yield _Spelling(table[key, ""], side, rank, before)

    def is_clear(self, reading: _Spelling) -> bool:
        """Whether the name says enough for anything to stand before it; a lone ``jaw`` does not."""
        return len(_side_of(words_of(reading.shape))[0]) > 1

    def _says_nothing(self, words: Words) -> bool:
        return not self.vocabulary.intersection(words)


def _foreign_words(wanted: Sequence[str]) -> dict[Words, tuple[str, str]]:
    table = {}
    for shape, spellings in _CHARACTER_CREATOR.items():
        halves = (LEFT, RIGHT) if len(spellings) > 1 else ("",)
        for spelling, half in zip(spellings, halves):
            words = words_of(spelling)
            table[words] = (shape, half)
            if shape.endswith("Left"):
                mirrored = tuple(_OTHER_SIDE.get(word, word) for word in words)
                table[mirrored] = (shape.removesuffix("Left") + "Right", "")
    return {words: meant for words, meant in table.items() if meant[0] in wanted}
