# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of takes over time: as calm as the truth, as quick, as large, and not late.

Truth and takes have T frames at the film's own rate. Shape weights are those of the 44 shapes that
are not the lids' following of the gaze, which has its own figure.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from models.head import SHAPE_NAMES

from .landmarks import OUTER_EYE_CORNERS, POINTS, expression_ratios

ACTIVE = 0.02  # standard deviation over a film from which on a shape counts as moving
LONGEST_LAG = 8  # frames that are tried to both sides
BLINK_HIDES_GAZE = 0.5
OWN_SHAPES = np.array([not name.startswith("eyeLook") for name in SHAPE_NAMES])
GROUPS = {
    "blinks": ("eyeBlink",), "jaw": ("jawOpen",), "smile": ("mouthSmile",),
    "lips": ("mouth",), "brows": ("brow",),
}  # fmt: skip
# Where nothing but the head or the face moves: which of the figures of a still face tells how much
# of that the take has for the other, and how it is said.
LEAKS = {
    "head": ("weights_rms", "a moving head: weights RMS {:.4f}"),
    "face": ("head_rms_degrees", "a moving face: head {:.3f} deg"),
}
OPENINGS = ("eyes", "lips", "width")  # of expression_ratios, which are taken from points alone


@dataclass(frozen=True)
class Track:
    """A face over T frames, true or captured.

    weights (T,52); gaze (T,2,3) unit vectors in head space, left and right eye; rotation (T,3,3)
    head to camera; points (T,68,2) px, NaN where no face was found.
    """

    weights: np.ndarray
    gaze: np.ndarray
    rotation: np.ndarray
    points: np.ndarray

    def __getitem__(self, frames):
        return Track(
            self.weights[frames], self.gaze[frames], self.rotation[frames], self.points[frames]
        )


def shapes_of(group):
    """(52,) bool: the shapes of one of GROUPS."""
    return np.array([name.startswith(GROUPS[group]) for name in SHAPE_NAMES])


def jerk(values):
    """Root mean square of the third differences of values (T,…) over all frames and channels."""
    return float(np.sqrt(np.mean(np.diff(values, 3, axis=0) ** 2))) if len(values) > 3 else 0.0


def active(weights):
    """(52,) bool: the shapes that move in weights (T,52), but for those of the gaze."""
    return (weights.std(axis=0) > ACTIVE) & OWN_SHAPES


class LagAndSize:
    """Adds up channels of several films: how late a prediction is, and how large.

    The lag is where the correlation of the two velocities is highest, refined by a parabola through
    the three values there; positive where the prediction comes later. The size is the slope of the
    regression of the prediction on the truth, of values with their means taken off.
    """

    def __init__(self):
        self._cross = np.zeros(2 * LONGEST_LAG + 1)
        self._power = np.zeros((2, 2 * LONGEST_LAG + 1))
        self._shared = self._true = 0.0

    def add(self, predicted, true):
        """Channels (T,C) of one film; too short ones are ignored."""
        if len(true) < 4 * LONGEST_LAG or not true.size:
            return
        p, t = predicted - predicted.mean(axis=0), true - true.mean(axis=0)
        self._shared += float((p * t).sum())
        self._true += float((t * t).sum())
        v, u = np.diff(predicted, axis=0), np.diff(true, axis=0)
        for place, lag in enumerate(range(-LONGEST_LAG, LONGEST_LAG + 1)):
            late, early = (v[lag:], u[: len(u) - lag]) if lag >= 0 else (v[:lag], u[-lag:])
            self._cross[place] += (late * early).sum()
            self._power[:, place] += (late**2).sum(), (early**2).sum()

    def figures(self):
        """lag (frames), r (at that lag) and amplitude; empty where nothing moved."""
        if self._true <= 0 or not self._power.all():
            return {}
        r = self._cross / np.sqrt(self._power.prod(axis=0))
        best = int(np.argmax(r))
        lag = float(best - LONGEST_LAG)
        if 0 < best < len(r) - 1:
            before, here, after = r[best - 1 : best + 2]
            curvature = before - 2 * here + after
            lag += 0.5 * (before - after) / curvature if curvature < 0 else 0.0
        return {"lag": lag, "r": float(r[best]), "amplitude": self._shared / self._true}


def ratios_over_time(points):
    """(T,3): the OPENINGS of points (T,68,2), NaN where they are."""
    rows = [expression_ratios(frame) for frame in points]
    return np.array([[row[name] for name in OPENINGS] for row in rows])


def angles(first, second):
    """(T,) degrees between rotations (T,3,3)."""
    return np.degrees(Rotation.from_matrix(np.swapaxes(first, 1, 2) @ second).magnitude())


def without_offset(predicted, true):
    """Predicted rotations (T,3,3) with their mean difference from the true ones taken off."""
    offset = Rotation.from_matrix(predicted @ np.swapaxes(true, 1, 2)).mean().as_matrix()
    return offset.T @ predicted


def eye_distance(points):
    """Median distance px of the outer eye corners in points (T,68,2)."""
    first, second = OUTER_EYE_CORNERS
    return float(np.nanmedian(np.linalg.norm(points[:, first] - points[:, second], axis=1)))


@dataclass(frozen=True)
class Measured:
    """One film: its kind, the truth, the take and what else gave weights (T,52), by name."""

    kind: str
    true: Track
    taken: Track
    others: dict
    found: np.ndarray
    shift: np.ndarray  # (T,2) px: the known shake


def moving_figures(films):
    """Figures of films whose performers move: a list of Measured -> dictionary."""
    clips = [(film, film.true[film.found], film.taken[film.found]) for film in films]
    sizes = {name: LagAndSize() for name in GROUPS}
    singles = {name: LagAndSize() for name in SHAPE_NAMES}
    openings = {name: LagAndSize() for name in OPENINGS}
    rough = {"weights": [], "points": []}
    for film, true, taken in clips:
        moving = active(true.weights)
        for name, size in sizes.items():
            chosen = moving & shapes_of(name)
            size.add(taken.weights[:, chosen], true.weights[:, chosen])
        for index in np.flatnonzero(moving):
            single = singles[SHAPE_NAMES[index]]
            single.add(taken.weights[:, [index]], true.weights[:, [index]])
        for name, p, t in zip(
            OPENINGS, ratios_over_time(taken.points).T, ratios_over_time(true.points).T
        ):
            openings[name].add(p[:, None], t[:, None])
        unit = eye_distance(true.points)
        if moving.any():
            pair = [jerk(x.weights[:, moving]) for x in (taken, true)]
            rough["weights"].append((film.kind, *pair))
        rough["points"].append((film.kind, *(jerk(x.points) / unit for x in (taken, true))))
    return {
        "shapes": {name: size.figures() for name, size in sizes.items()},
        "openings": {name: size.figures() for name, size in openings.items()},
        "each_shape": {name: size.figures() for name, size in singles.items() if size.figures()},
        "jerk_ratio": {name: jerk_ratios(rows) for name, rows in rough.items()},
        "weight_error": weight_errors(films),
        **pose_errors(clips),
    }


def jerk_ratios(rows):
    """Prediction over truth of rows (kind, prediction's jerk, truth's): of all films together and
    of each kind of film."""
    ratios = {}
    for kind in ("all", *sorted({row[0] for row in rows})):
        pairs = np.array([row[1:] for row in rows if kind in ("all", row[0])])
        if len(pairs):
            predicted, true = (pairs**2).sum(axis=0)
            ratios[kind] = float(np.sqrt(predicted / true))
    return ratios


def weight_errors(films):
    """Mean absolute error of the shape weights, of the take's final ones and all others."""
    errors = {}
    for film in films:
        for name, weights in {"final": film.taken.weights, **film.others}.items():
            difference = np.abs(weights - film.true.weights)[film.found][:, OWN_SHAPES]
            errors.setdefault(name, []).append(difference.mean())
    return {name: float(np.mean(values)) for name, values in errors.items()}


def pose_errors(clips):
    """Mean errors of gaze and head (degrees) and of the points (shares of the eye distance)."""
    gaze, head, turned, points = [], [], [], []
    blinks = shapes_of("blinks")
    for _, true, taken in clips:
        open_eyes = true.weights[:, blinks] < BLINK_HIDES_GAZE
        cosine = np.clip((true.gaze * taken.gaze).sum(axis=-1), -1, 1)
        gaze.append(np.degrees(np.arccos(cosine))[open_eyes].mean())
        head.append(angles(taken.rotation, true.rotation).mean())
        turned.append(angles(without_offset(taken.rotation, true.rotation), true.rotation).mean())
        away = np.linalg.norm(taken.points - true.points, axis=2)
        points.append(np.nanmean(away) / eye_distance(true.points))
    names = "gaze_degrees", "head_degrees", "head_degrees_but_for_offset", "point_error"
    return {n: float(np.mean(v)) for n, v in zip(names, (gaze, head, turned, points))}


def still_figures(taken, shift):
    """How much a take of a face that holds still moves; shift (T,2) px: the known shake.

    weights: root mean square over frames and 52 shapes around each shape's mean, and of the
    restless shape alone; head: of the angle to the mean rotation, degrees; points: of the distance
    from a point's mean, shares of the eye distance, with the shake taken off as it is known, and
    with each frame's own mean displacement taken off instead.
    """
    weights = taken.weights - taken.weights.mean(axis=0)
    each = np.sqrt((weights**2).mean(axis=0))
    mean = Rotation.from_matrix(taken.rotation).mean().as_matrix()
    head = angles(taken.rotation, np.broadcast_to(mean, taken.rotation.shape))
    unit = eye_distance(taken.points)
    known = taken.points - shift[:, None]
    known = known - known.mean(axis=0)
    inner = taken.points - taken.points.mean(axis=1, keepdims=True)
    inner = inner - inner.mean(axis=0)

    def spread(points):
        return float(np.sqrt((points**2).sum(axis=-1).mean()) / unit)

    return {
        "weights_rms": float(np.sqrt((weights**2).mean())),
        "worst_shape": SHAPE_NAMES[int(each.argmax())],
        "worst_shape_rms": float(each.max()),
        "head_rms_degrees": float(np.sqrt((head**2).mean())),
        "points_rms": spread(known),
        "points_rms_but_for_shifts": spread(inner),
    }


def film_figures(films):
    """Figures of rendered films: a list of Measured -> dictionary."""
    moving = [film for film in films if film.kind != "still"]
    held = [film for film in films if film.kind == "still"]
    figures = {
        "films": len(films),
        "frames": int(sum(len(film.found) for film in films)),
        "found": float(np.mean(np.concatenate([film.found for film in films]))),
    }
    moving = [film for film in moving if film.found.sum() > 3]
    held = [film for film in held if film.found.sum() > 3]
    if moving:
        figures |= moving_figures(moving)
    for kind, (name, _) in LEAKS.items():
        leaking = [still_figures(film.taken[film.found], film.shift[film.found])[name]
                   for film in moving if film.kind == kind]  # fmt: skip
        if leaking:
            figures.setdefault("leak", {})[kind] = root_mean_square(leaking)
    if held:
        each = [still_figures(film.taken[film.found], film.shift[film.found]) for film in held]
        figures["held"] = {
            name: root_mean_square([one[name] for one in each])
            for name in each[0] if name != "worst_shape"
        }  # fmt: skip
        worst = max(each, key=lambda one: one["worst_shape_rms"])
        figures["held"]["worst_shape"] = worst["worst_shape"]
    return figures


def root_mean_square(values):
    return float(np.sqrt(np.mean(np.square(values))))


def film_table(figures):
    """The figures of rendered films as lines of text."""
    lines = [
        f"rendered films {figures['films']}, frames {figures['frames']}, "
        f"face found in {100 * figures['found']:.1f} %"
    ]
    if "shapes" in figures:
        lines += ["                 lag (frames)      r   amplitude"]
        rows = [(name, v) for name, v in figures["shapes"].items()]
        rows += [(f"{name}, points", v) for name, v in figures["openings"].items()]
        lines += [
            f"{name:<16} {v['lag']:+11.2f}  {v['r']:6.3f}  {v['amplitude']:9.2f}"
            for name, v in rows if v
        ]  # fmt: skip
        for name, v in figures["jerk_ratio"].items():
            if v:
                parts = ", ".join(f"{kind} {ratio:.2f}" for kind, ratio in v.items())
                lines.append(f"jerk of {name}, take / truth: {parts}")
        error = figures["weight_error"]
        for name in (name for name in error if name != "final"):
            lines.append(
                f"weight error: take {error['final']:.4f}, {name} {error[name]:.4f}, "
                f"change {100 * (error['final'] / error[name] - 1):+.1f} %"
            )
        lines.append(
            f"gaze {figures['gaze_degrees']:.2f} deg, head {figures['head_degrees']:.2f} deg "
            f"({figures['head_degrees_but_for_offset']:.2f} but for a constant turn), "
            f"points {100 * figures['point_error']:.2f} % of the eye distance"
        )
    for kind, value in figures.get("leak", {}).items():
        lines.append(LEAKS[kind][1].format(value))
    if "held" in figures:
        lines.append(still_line("held faces", figures["held"]))
    return "\n".join(lines)


def still_line(name, figures):
    """The figures of a face that holds still as one line of text."""
    return (
        f"{name}: weights RMS {figures['weights_rms']:.4f} "
        f"({figures['worst_shape']} {figures['worst_shape_rms']:.4f}), "
        f"head {figures['head_rms_degrees']:.3f} deg, "
        f"points {100 * figures['points_rms']:.3f} % of the eye distance "
        f"({100 * figures['points_rms_but_for_shifts']:.3f} % but for shifts)"
    )


def points_of(track):
    """The 68 points (T,68,2) of tracked points (T,P,2)."""
    return np.asarray(track[:, :POINTS], np.float64)
