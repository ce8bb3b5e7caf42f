# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling different people from the MakeHuman targets: what the identity basis is learnt from.

A person is a weighted sum of targets: a macro part (ancestry, sex, age, weight), which
MakeHuman defines as products of interpolation weights, and detail axes (nose, mouth, …) drawn
from a normal distribution. The sigmas are a modelling choice (head_assets: 0.18-0.2 gives
plausible different people, 0.35 caricatures), not population statistics.
"""

import re

import numpy as np

from .source import AnnyData

CATEGORIES = (
    "head", "nose", "mouth", "chin", "cheek", "eyes", "ears", "forehead", "eyebrows", "neck",
)  # fmt: skip
OPPOSITES = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"),
    ("concave", "convex"), ("compress", "uncompress"),
)  # fmt: skip
DETAIL_SIGMA = 0.18
SIDE_SIGMA = 0.04  # how far a paired feature of one side strays from the other
ASYMMETRY_SIGMA = 0.10
ANCESTRIES = ("african", "asian", "caucasian")
AGES = ("baby", "child", "young", "old")
AGE_VALUES = (0.0, 0.1875, 0.5, 1.0)  # where macro.json puts the four ages on its 0…1 axis
CHILD_SHARE = 0.12
# A neck that is pushed about, and a head turned on it, are pose and not identity.
POSE_LIKE = re.compile(r"^(head-trans|neck-trans|head-angle|neck-scale|measure-neck)")


class People:
    """A generator of identities as vertex positions."""

    def __init__(self, data: AnnyData, vertices: np.ndarray,
                 without: frozenset[str] = frozenset(), spread: float = 1.0):  # fmt: skip
        """vertices: those of the base mesh to keep; without: families of detail axes that stay at
        rest; spread: factor of all detail."""
        self.base = data.base_mesh().positions[vertices]
        self._macro = _macro_targets(data, vertices)
        self._axes, self._deltas = _detail_axes(data, vertices)
        self._without, self._spread = without, spread

    @property
    def families(self) -> list[str]:
        """Names of the detail axes; the two sides of a pair share one."""
        return sorted({axis[0] for axis in self._axes})

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, V, 3) dm."""
        macro = np.stack([self._macro_weights(rng) for _ in range(count)])
        detail = np.stack([self._detail_weights(rng) for _ in range(count)])
        flat = macro @ self._macro[1].reshape(macro.shape[1], -1)
        flat += detail @ self._deltas.reshape(detail.shape[1], -1)
        return self.base + flat.reshape(count, -1, 3)

    def _macro_weights(self, rng: np.random.Generator) -> np.ndarray:
        ancestry = dict(zip(ANCESTRIES, rng.dirichlet([0.6] * 3), strict=True))
        male = rng.beta(0.4, 0.4)
        sex = {"male": male, "female": 1 - male}
        if rng.random() < CHILD_SHARE:
            age = rng.uniform(0.08, 0.4)
        else:
            age = rng.uniform(0.4, 1.0)
        ages = _interpolate(age, AGE_VALUES, AGES)
        weight = np.clip(rng.normal(0.5, 0.22), 0, 1)
        muscle = np.clip(rng.normal(0.5, 0.2), 0, 1)
        weights = _interpolate(weight, (0, 0.5, 1), ("minweight", "averageweight", "maxweight"))
        muscles = _interpolate(muscle, (0, 0.5, 1), ("minmuscle", "averagemuscle", "maxmuscle"))
        values = []
        for name in self._macro[0]:
            parts = name.split("-")
            if parts[0] == "universal":
                values.append(sex[parts[1]] * ages[parts[2]] * muscles[parts[3]] * weights[parts[4]])
            else:
                values.append(ancestry[parts[0]] * sex[parts[1]] * ages[parts[2]])
        return np.array(values)

    def _detail_weights(self, rng: np.random.Generator) -> np.ndarray:
        shared = {}
        weights = np.zeros(len(self._deltas))
        for family, negative, positive, sigma in self._axes:
            if family not in shared:
                shared[family] = rng.normal(0, sigma)
            value = shared[family] + (rng.normal(0, SIDE_SIGMA) if family.startswith("*") else 0)
            if family in self._without:
                continue
            if value >= 0 or negative is None:
                weights[positive] = abs(value)
            else:
                weights[negative] = -value
        return weights * self._spread


def _interpolate(value: float, stops: tuple, names: tuple) -> dict[str, float]:
    """Piecewise linear weights of the named stops at value; they sum to one."""
    return {
        name: float(np.interp(value, stops, np.eye(len(stops))[index]))
        for index, name in enumerate(names)
    }


def _macro_targets(data: AnnyData, vertices: np.ndarray) -> tuple[list[str], np.ndarray]:
    pattern = re.compile(rf"^(universal|{'|'.join(ANCESTRIES)})-(fe)?male-")
    files = {n: f for n, f in data.detail_targets("macrodetails").items() if pattern.match(n)}
    return list(files), np.stack([data.target(file)[vertices] for file in files.values()])


def _detail_axes(data: AnnyData, vertices: np.ndarray):
    """Pairs opposite targets into axes.

    Returns [(family, index of the negative target or None, of the positive one, sigma)] and
    the deltas (K,V,3). Left and right halves share a family, marked with a leading *.
    """
    files = {}
    for category in CATEGORIES:
        files |= data.detail_targets(category)
    files = {name: file for name, file in files.items() if not POSE_LIKE.match(name)}
    asymmetries = data.detail_targets("asym")
    files |= {name: file for name, file in asymmetries.items() if name.startswith("asym-")}
    order = {name: index for index, name in enumerate(files)}
    axes = []
    for name in files:
        pair = _opposite(name)
        if pair and pair[0] == name and pair[1] in order:
            continue  # the positive half stands for both
        negative = order.get(pair[0]) if pair and pair[1] == name else None
        sigma = ASYMMETRY_SIGMA if name.startswith("asym-") else DETAIL_SIGMA
        family = re.sub(r"^[lr]-", "*", name)
        axes.append((family, negative, order[name], sigma))
    return axes, np.stack([data.target(file)[vertices] for file in files.values()])


def _opposite(name: str) -> tuple[str, str] | None:
    """(negative, positive) names of the pair that name is half of."""
    if name.startswith("asym-"):
        return (name[:-1] + "l", name[:-1] + "r")
    for negative, positive in OPPOSITES:
        for ending in (negative, positive):
            if name.endswith("-" + ending):
                stem = name[: -len(ending)]
                return (stem + negative, stem + positive)
    return None
