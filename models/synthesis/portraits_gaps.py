# SPDX-License-Identifier: GPL-3.0-or-later
"""How far lids, lips, mouth corners and brows are apart, as two tools see it and as people mark it.

Expression is in these gaps. Mien's network and MediaPipe both see them, with errors of their own,
and both see less of their variation than people mark. `calibrated` is the mean of the two tools,
each in its own standard deviations, which on AFW correlates with people's labels as well as the better tool or
better (eyes .87 against .83 and .85, mouth width .89 against .86 and .87, brows .80 against .80 and
.73, lips .97 against .94 and .97), brought to the labels' mean and variation.

CALIBRATION holds the only numbers of this project that were fitted to AFW's labels and act on
training, 3 for each of 4 gaps, over the 247 of its faces that are seen nearly from the front. How
AFW's gaps vary is therefore not quite independent evidence; their correlation and AFW's points are.
"""

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
# those people mark, which the calibration takes into account.
MEDIAPIPE_INNER = (
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305, 33, 160, 158,
    133, 153, 144, 362, 385, 387, 263, 373, 380, 61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip

# Of each gap of GAPS: what is added, and how much of the own network's and of MediaPipe's figure.
# What comes out varies as the labels do, less their noise: the labels' reliability is estimated as
# r(own, labels) r(MediaPipe, labels) / r(own, MediaPipe).
_EYE, _LIPS, _WIDTH, _BROW = (
    (0.021, 0.425, 0.527), (-0.003, 0.507, 0.498), (-0.041, 0.630, 0.475), (-0.050, 0.636, 0.578)
)  # fmt: skip
CALIBRATION = np.array([_EYE, _EYE, _LIPS, _WIDTH, _BROW, _BROW])


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


def calibrated(own: np.ndarray, mediapipe: np.ndarray) -> np.ndarray:
    """Gaps (…,6) as people would mark them, from what the two tools see: both (…,6)."""
    offset, share_own, share_mediapipe = CALIBRATION.T
    return offset + share_own * own + share_mediapipe * mediapipe


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
