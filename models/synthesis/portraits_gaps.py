# SPDX-License-Identifier: GPL-3.0-or-later
"""How far lids, lips, mouth corners and brows are apart, by two tools that see it.

Expression is in these gaps. Mien's network and MediaPipe both see them, with errors of their own,
and each misses a part of how they vary. Without labels nobody knows the truth; but the mean of two
tools errs less than either, and what both agree on has been seen. `Mixture` is that mean, with the
variation of what both agree on in the units of the tool that sees more of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

GAPS = ("eye_right", "eye_left", "lips", "width", "brow_right", "brow_left")
# iBUG points: lids (corners, then pairs from above), brows with their eyes. The subject's right
# comes first.
EYES = (((36, 39), ((37, 41), (38, 40))), ((42, 45), ((43, 47), (44, 46))))
LIP_PAIRS = ((61, 67), (62, 66), (63, 65))
MOUTH_CORNERS = (48, 54)
BROW_EYES = ((slice(17, 22), slice(36, 42)), (slice(22, 27), slice(42, 48)))
MOUTH, UPPER_MOUTH, LOWER_MOUTH = slice(48, 68), [49, 50, 51, 52, 53, 61, 62, 63], [55, 56, 57, 58, 59, 65, 66, 67]
OUTER_EYE_CORNERS = (36, 45)

# MediaPipe's landmarks that are usually taken for iBUG's points 17 to 67. Their places differ from
# those of iBUG's points, so that Mixture takes no mean from them.
MEDIAPIPE_INNER = (
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305, 33, 160, 158,
    133, 153, 144, 362, 385, 387, 263, 373, 380, 61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip

# Columns of GAPS that are the same of the two sides of the face.
_ALIKE = ((0, 1), (2,), (3,), (4, 5))


@dataclass(frozen=True)
class Mixture:
    """offset (6,), of_own (6,), of_mediapipe (6,): of each gap what is added, and how much of the
    network's figure and of MediaPipe's."""

    offset: np.ndarray
    of_own: np.ndarray
    of_mediapipe: np.ndarray

    @classmethod
    def of(cls, own: np.ndarray, mediapipe: np.ndarray) -> Mixture:
        """From what the tools see in many faces, (N,6) each.

        If the tools' errors have nothing to do with each other, their correlation r is the share of
        what is true in the variance of each; the mixture varies by sqrt(r) of the larger standard
        deviation. Its mean is the network's, whose points are places on the head.
        """
        rows = []
        for columns in map(list, _ALIKE):
            first, second = own[:, columns].ravel(), mediapipe[:, columns].ravel()
            r = max(np.corrcoef(first, second)[0, 1], 0.0)
            spread = first.std(), second.std()
            # The mean of two standardised figures that correlate by r varies by sqrt((1 + r) / 2).
            size = max(spread) * np.sqrt(r / (2 * (1 + r)))
            shares = size / spread[0], size / spread[1]
            offset = first.mean() * (1 - shares[0]) - second.mean() * shares[1]
            rows += [(offset, *shares)] * len(columns)
        return cls(*np.array(rows).T)

    def __call__(self, own: np.ndarray, mediapipe: np.ndarray) -> np.ndarray:
        """Gaps (…,6) from what the two tools see of a face: both (…,6)."""
        return self.offset + self.of_own * own + self.of_mediapipe * mediapipe


def measure(points: np.ndarray) -> np.ndarray:
    """(…,6): the gaps, order GAPS, of iBUG points (…,68,2).

    Lids are apart in units of the eye's width, all else in units of the distance of the outer eye
    corners; brows lie above the middle of the eye's points. Signed: lids that cross are below zero.
    """
    scale = _length(points[..., OUTER_EYE_CORNERS[1], :] - points[..., OUTER_EYE_CORNERS[0], :])
    gaps = []
    for corners, pairs in EYES:
        width, down = _across(points, corners)
        gaps.append(_apart(points, pairs, down) / width)
    width, down = _across(points, MOUTH_CORNERS)
    gaps += [_apart(points, LIP_PAIRS, down) / scale, width / scale]
    down = _across(points, OUTER_EYE_CORNERS)[1]
    for brow, eye in BROW_EYES:
        height = points[..., eye, :].mean(axis=-2) - points[..., brow, :].mean(axis=-2)
        gaps.append((height * down).sum(axis=-1) / scale)
    return np.stack(gaps, axis=-1)


def with_gaps(points: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """iBUG points (68,2) moved as little as gives them the gaps (6,).

    Lids and lips part about their middle; brows move as a whole, above eyes that stay.
    """
    change = gaps - measure(points)
    scale = float(_length(np.subtract(*points[list(OUTER_EYE_CORNERS)])))
    moved = points.astype(float)
    for (corners, pairs), more in zip(EYES, change[:2], strict=True):
        width, down = _across(points, corners)
        for upper, lower in pairs:
            moved[upper] -= more * width / 2 * down
            moved[lower] += more * width / 2 * down
    width, down = _across(points, MOUTH_CORNERS)
    along = np.array([down[1], -down[0]])
    middle = points[list(MOUTH_CORNERS)].mean(axis=0)
    sideways = (points[MOUTH] - middle) @ along
    moved[MOUTH] += np.outer(sideways * change[3] * scale / width, along)
    moved[UPPER_MOUTH] -= change[2] * scale / 2 * down
    moved[LOWER_MOUTH] += change[2] * scale / 2 * down
    down = _across(points, OUTER_EYE_CORNERS)[1]
    for (brow, _), more in zip(BROW_EYES, change[4:], strict=True):
        moved[brow] -= more * scale * down
    return moved


def mediapipe_points(landmarks: np.ndarray) -> np.ndarray:
    """MediaPipe's landmarks (…,478,2) as iBUG points (…,68,2); NaN for the jaw."""
    points = np.full((*landmarks.shape[:-2], 68, 2), np.nan)
    points[..., 17:, :] = landmarks[..., MEDIAPIPE_INNER, :]
    return points


def _apart(points, pairs, down) -> np.ndarray:
    """Mean distance of pairs along a direction (…,2)."""
    upper, lower = np.array(pairs).T
    return ((points[..., lower, :] - points[..., upper, :]) * down[..., None, :]).sum(axis=-1).mean(axis=-1)


def _across(points, corners) -> tuple[np.ndarray, np.ndarray]:
    """Length of the line from one corner to another, and the unit vector (…,2) across it, down in
    an upright face."""
    line = points[..., corners[1], :] - points[..., corners[0], :]
    length = _length(line)
    return length, np.stack([-line[..., 1], line[..., 0]], axis=-1) / length[..., None]


def _length(vectors) -> np.ndarray:
    return np.linalg.norm(vectors, axis=-1)
