# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of 68 iBUG points on real pictures with labels.

The error is normalised by the distance of the outer eye corners, as is usual for the 300-W
pictures (Sagonas et al. 2013). Since a face model's points are never defined quite as the labels
are, scale-free ratios that carry expression (how far the lids, the lips are apart …) are compared
by their correlation as well; a constant offset of a point's definition hardly touches it.
"""

from dataclasses import dataclass

import numpy as np

POINTS = 68
INNER = slice(17, 68)
OUTER_EYE_CORNERS = (36, 45)
FAILURE = 0.10  # a face fails if its 68-point error exceeds a tenth of the eye distance
FARTHEST_MATCH = 0.5  # between the centres of a prediction and a label box, in box sizes
SIZE_RATIO = (0.5, 2.0)  # of a prediction's size to its label box's
LEAST_FACES_FOR_R = 9
FRONTAL = 0.12  # farthest the nose's tip lies sideways from the middle of the eyes, of their distance
NOSE_TIP, RIGHT_EYE, LEFT_EYE = 30, slice(36, 42), slice(42, 48)
REGIONS = {
    "jaw": slice(0, 17), "brows": slice(17, 27), "nose": slice(27, 36), "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}  # fmt: skip


@dataclass(frozen=True)
class LabelledFace:
    """box (4,) x, y, width, height px; points (68,2) px."""

    box: np.ndarray
    points: np.ndarray

    @property
    def centre(self):
        return self.box[:2] + self.box[2:] / 2

    @property
    def size(self):
        """Geometric mean of the box's sides, px."""
        return float(np.sqrt(np.prod(self.box[2:])))


def points_from(values):
    """68 [x, y] pairs, where a point or a number may be null -> (68,2), NaN where it is."""
    missing = (np.nan, np.nan)
    rows = [missing if v is None else [np.nan if n is None else n for n in v[:2]] for v in values]
    points = np.array(rows, float)
    if points.shape != (POINTS, 2):
        raise ValueError(f"expected 68 points, found an array of shape {points.shape}")
    return points


def match(faces, predictions):
    """For each labelled face the prediction (68,2) that belongs to it, or None.

    Pairs are taken closest first; a pair needs its centres and sizes to agree roughly.
    """
    pairs = []
    for i, face in enumerate(faces):
        for j, points in enumerate(predictions):
            if not np.isfinite(points).any():
                continue
            low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
            away = np.linalg.norm((low + high) / 2 - face.centre) / face.size
            ratio = np.sqrt(max(np.prod(high - low), 1e-9)) / face.size
            if away <= FARTHEST_MATCH and SIZE_RATIO[0] <= ratio <= SIZE_RATIO[1]:
                pairs.append((away, i, j))
    matched, used = [None] * len(faces), set()
    for _, i, j in sorted(pairs):
        if matched[i] is None and j not in used:
            matched[i] = predictions[j]
            used.add(j)
    return matched


def expression_ratios(points):
    """Scale-free ratios of (68,2) points: eye opening, lip opening, mouth width, brow height."""

    def apart(a, b):
        return np.linalg.norm(points[a] - points[b])

    def middle(a, b):
        return points[a:b].mean(axis=0)

    eyes = apart(*OUTER_EYE_CORNERS)
    left = (apart(37, 41) + apart(38, 40)) / (2 * apart(36, 39))
    right = (apart(43, 47) + apart(44, 46)) / (2 * apart(42, 45))
    brows = np.linalg.norm(middle(17, 22) - middle(36, 42))
    brows += np.linalg.norm(middle(22, 27) - middle(42, 48))
    return {
        "eyes": (left + right) / 2,
        "lips": (apart(61, 67) + apart(62, 66) + apart(63, 65)) / (3 * eyes),
        "width": apart(48, 54) / eyes,
        "brows": brows / (2 * eyes),
    }


def score(faces, predictions):
    """Figures over labelled faces and the prediction (68,2) or None that each got.

    Errors are fractions of the outer-eye distance over the faces that were found; failures counts
    those above FAILURE and the undetected, over all faces; r is over the faces that were found.
    """
    found = [(f.points, p) for f, p in zip(faces, predictions) if p is not None]
    undetected = len(faces) - len(found)
    figures = {"faces": len(faces), "undetected": undetected}
    if not found:
        return figures | {"failures": 1.0 if faces else float("nan")}
    true, predicted = (np.stack(points) for points in zip(*found))
    first, second = OUTER_EYE_CORNERS
    eyes = np.linalg.norm(true[:, first] - true[:, second], axis=1)
    error = np.linalg.norm(predicted - true, axis=2) / eyes[:, None]
    whole, inner = np.nanmean(error, axis=1), np.nanmean(error[:, INNER], axis=1)
    figures |= {
        "error68": float(whole.mean()), "error68_median": float(np.median(whole)),
        "error51": float(inner.mean()), "error51_median": float(np.median(inner)),
        "failures": float(((whole > FAILURE).sum() + undetected) / len(faces)),
        "regions": {k: float(np.nanmean(error[:, v])) for k, v in REGIONS.items()},
    }  # fmt: skip
    return figures | {
        "offsets": typical_offsets(true, predicted).tolist(),
        "r": ratio_correlations(true, predicted),
    }


def typical_offsets(true, predicted):
    """(68,2) medians of label minus prediction over the faces seen from the front, (N,68,2) points.

    In the frame of the labels' eyes: x from the right eye to the left, y down, in units of the
    distance of the eyes' centres. What is the same in many faces is a matter of where a point is
    defined to be, not of how well it is seen. NaN without a frontal face.
    """
    right, left = true[:, RIGHT_EYE].mean(axis=1), true[:, LEFT_EYE].mean(axis=1)
    size = np.linalg.norm(left - right, axis=1)
    x = (left - right) / size[:, None]
    y = np.stack([-x[:, 1], x[:, 0]], axis=1)
    axes = np.stack([x, y], axis=1) / size[:, None, None]
    nose = np.einsum("nac,nc->na", axes, true[:, NOSE_TIP] - (left + right) / 2)
    frontal = np.abs(nose[:, 0]) < FRONTAL
    if not frontal.any():
        return np.full(true.shape[1:], np.nan)
    return np.nanmedian(np.einsum("nac,npc->npa", axes, true - predicted)[frontal], axis=0)


def offsets_table(offsets):
    """The typical offsets (68,2) as a table in Markdown, in percent."""
    rows = ["| point | right | down |", "|---|---|---|"]
    rows += [f"| {i} | {100 * x:+.1f} | {100 * y:+.1f} |" for i, (x, y) in enumerate(offsets)]
    return "\n".join(rows)


def ratio_correlations(true, predicted):
    """Pearson's r and the slope of each expression ratio, (N,68,2) points.

    A ratio is left out where too few faces have it or all have the same.
    """
    truth, said = ([expression_ratios(p) for p in points] for points in (true, predicted))
    result = {}
    for name in truth[0]:
        x, y = np.array([r[name] for r in truth]), np.array([r[name] for r in said])
        known = np.isfinite(x) & np.isfinite(y)
        x, y = x[known], y[known]
        if len(x) >= LEAST_FACES_FOR_R and np.ptp(x) > 0 and np.ptp(y) > 0:
            slope, _ = np.polyfit(x, y, 1)
            result[name] = {"r": float(np.corrcoef(x, y)[0, 1]), "slope": float(slope)}
    return result


def table(figures):
    """The figures as a few lines of text."""
    if "error68" not in figures:
        return f"{figures['faces']} faces, none found"
    regions = "  ".join(f"{k} {100 * v:.2f}" for k, v in figures["regions"].items())
    ratios = "  ".join(f"{k} {v['r']:.3f} ({v['slope']:.2f})" for k, v in figures["r"].items())
    return "\n".join(
        (
            f"faces {figures['faces']}  undetected {figures['undetected']}  "
            f"failures {100 * figures['failures']:.1f} %",
            f"51 points {100 * figures['error51']:.2f} % "
            f"(median {100 * figures['error51_median']:.2f})  "
            f"68 points {100 * figures['error68']:.2f} % "
            f"(median {100 * figures['error68_median']:.2f})",
            f"regions, %: {regions}",
            f"expression r (slope): {ratios}",
        )
    )
