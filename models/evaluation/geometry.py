# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures on rendered pictures, whose labels are exact.

Everything a network says about a crop has its figure: points, the shape of the face, shape weights
one by one, gaze, pose, segmentation and the face score.
"""

import numpy as np

from models.head import SHAPE_NAMES
from models.reconstruction.second_look import LEFT_LIDS, RIGHT_LIDS
from models.synthesis.pool import chunk_paths
from models.training.batches import Drawn, clean_batch
from models.training.pool import held_out, open_or_none

from .pixels import LABELS, OUTPUTS, PixelMeasure, mean_or_nan, pixel_lines
from .vertices import vertex_errors, vertex_lines

BATCH = 64
FACE_THRESHOLD = 0.5
LEAST_SPREAD = 1e-4  # standard deviation below which a shape is not in the pictures
OUTER_EYE_CORNERS = (36, 45)
EYES = (("eyeBlinkLeft", LEFT_LIDS), ("eyeBlinkRight", RIGHT_LIDS))  # lid's shape, iBUG points
OPEN_EYE = 0.5  # share of its lids' way, and of its lids' points, that makes an eye one that is seen
SEEN_R, UNSEEN_R = 0.85, 0.30  # from which on a shape counts as seen, below which as not


def held_out_chunks(folder):
    """The chunks of a pool that training leaves out, in order."""
    opened = (open_or_none(path) for path in chunk_paths(folder) if held_out(path))
    return [chunk for chunk in opened if chunk is not None]


def clean_batches(chunks):
    """Batches of well-placed crops of all samples of the chunks."""
    for chunk in chunks:
        for start in range(0, len(chunk), BATCH):
            stop = min(start + BATCH, len(chunk))
            yield clean_batch(Drawn.of([(chunk, index) for index in range(start, stop)]))


def measure(batches, predict, head=None):
    """Figures of a predictor over batches.

    predict(image uint8 (N,128,128,3)) -> dictionary of arrays named as the ONNX outputs;
    the per-pixel ones may be missing. head: the head model, for the errors of vertices, which take
    some 25 ms a face; None leaves them out. Returns plain numbers: those of vertices.py,
    point_error and landmark_error (mean over visible points, in outer-eye distances), expression_r
    (mean over shapes that occur), shape_r, shape_slope and shape_error by name, identity_r,
    gaze_degrees (of all eyes, those behind closed lids too), seen_gaze_degrees (of `seen_eyes`),
    seen_eyes (their share), pose_degrees, face_accuracy, pictures, and those of pixels.PixelMeasure.
    """
    truth, answer, pixels, pictures = [], [], PixelMeasure(), 0
    for batch in batches:
        said = predict(batch["image"])
        pictures += len(batch["image"])
        if "segmentation" in said:
            pixels.add(said, batch)
        truth.append({k: v for k, v in batch.items() if k not in ("image", *LABELS)})
        answer.append({k: v for k, v in said.items() if k not in OUTPUTS})
    if not pictures:
        raise ValueError("there are no pictures to measure on")
    truth, answer = joined(truth), joined(answer)
    right = (answer["face"] > FACE_THRESHOLD) == (truth["face"] > 0.5)
    faces = truth["face"] > 0.5
    figures = {"pictures": pictures, "faces": int(faces.sum()), "face_accuracy": right.mean()}
    if faces.any():
        truth, answer = ({k: v[faces] for k, v in named.items()} for named in (truth, answer))
        figures |= face_figures(answer, truth)
        if head is not None:
            figures |= vertex_errors(answer, truth, head)
    figures |= pixels.figures()
    return {k: v if isinstance(v, (dict, int)) else float(v) for k, v in figures.items()}


def face_figures(answer, truth):
    """The figures of N faces: dictionaries of arrays -> dictionary."""
    error, landmark_error = point_errors(answer["points"], truth["points"], truth["visible"])
    shape_r = dict(zip(SHAPE_NAMES, correlations(answer["expression"], truth["expression"])))
    shape_slope = {
        name: slope(answer["expression"][:, i], truth["expression"][:, i])
        for i, name in enumerate(SHAPE_NAMES)
    }
    shape_error = np.abs(answer["expression"] - truth["expression"]).mean(axis=0)
    gaze, seen = gaze_errors(answer["gaze"], truth["gaze"]), seen_eyes(truth)
    identity = correlations(answer["identity"], truth["identity"])
    return {
        "point_error": error,
        "landmark_error": landmark_error,
        "shape_r": {k: v for k, v in shape_r.items() if np.isfinite(v)},
        "shape_slope": {k: v for k, v in shape_slope.items() if np.isfinite(v)},
        "shape_error": dict(zip(SHAPE_NAMES, shape_error.tolist())),
        "expression_r": mean_or_nan(shape_r.values()),
        "identity_r": mean_or_nan(identity),
        "gaze_degrees": gaze.mean(),
        "seen_gaze_degrees": mean_or_nan(gaze[seen]),
        "seen_eyes": seen.mean(),
        "pose_degrees": rotation_error(answer["rotation"], truth["rotation"]),
    }


def joined(parts):
    """A list of dictionaries of arrays -> one dictionary of their concatenations."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def point_errors(points, true, visible):
    """Mean errors of all and of the 68 visible points in outer-eye distances.

    The distance is taken in 2D as in the real benchmark, but not below half its mean over the
    pictures, so that profiles do not blow the figure up.
    """
    first, second = OUTER_EYE_CORNERS
    eyes = np.linalg.norm(true[:, first] - true[:, second], axis=1)
    error = np.linalg.norm(points - true, axis=2) / np.maximum(eyes, eyes.mean() / 2)[:, None]
    seen = visible > 0.5
    return error[seen].mean(), error[:, :68][seen[:, :68]].mean()


def correlation(predicted, true):
    """Pearson's r; NaN where the truth does not vary, 0 where only the prediction does not."""
    if np.std(true) < LEAST_SPREAD:
        return float("nan")
    if np.std(predicted) < 1e-9:
        return 0.0
    return float(np.corrcoef(predicted, true)[0, 1])


def correlations(predicted, true):
    """The columns' correlations (K,) of (N,K), a list."""
    return [correlation(p, t) for p, t in zip(predicted.T, true.T)]


def slope(predicted, true):
    """By how much the prediction grows where the truth grows by 1; NaN where that does not vary."""
    if np.std(true) < LEAST_SPREAD:
        return float("nan")
    return float(np.cov(predicted, true)[0, 1] / np.var(true, ddof=1))


def gaze_direction(gaze):
    """(…,2) yaw, pitch in radians -> (…,3) unit vectors in head space."""
    yaw, pitch = gaze[..., 0], gaze[..., 1]
    return np.stack(
        [np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=-1
    )


def gaze_errors(predicted, true):
    """Angles (N,2) in degrees between gaze directions (N,2,2)."""
    cosine = (gaze_direction(predicted) * gaze_direction(true)).sum(axis=-1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def seen_eyes(truth):
    """Which eyes (N,2), left and right, have open lids that nothing hides: the others' gaze is a guess."""
    seen = [
        (truth["expression"][:, SHAPE_NAMES.index(blink)] < OPEN_EYE)
        & (truth["visible"][:, lids].mean(axis=1) > OPEN_EYE)
        for blink, lids in EYES
    ]
    return np.stack(seen, axis=1)


def rotation_error(predicted, true):
    """Mean angle in degrees between rotations (N,3,3)."""
    trace = np.einsum("nij,nij->n", predicted, true)
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1))).mean()


def seen_line(shape_r):
    """How many shapes a network sees and which it does not, of r by name, in words."""
    seen = sum(r >= SEEN_R for r in shape_r.values())
    unseen = ", ".join(name for name, r in shape_r.items() if r < UNSEEN_R)
    return f"r >= {SEEN_R:.2f}: {seen} of {len(shape_r)} shapes; below {UNSEEN_R:.2f}: {unseen or 'none'}"


def table(figures):
    """The figures as lines of text."""
    lines = [
        f"{figures['pictures']} pictures, {figures['faces']} faces, "
        f"face score right in {100 * figures['face_accuracy']:.1f} %"
    ]
    if figures["faces"]:
        lines += [
            f"points {100 * figures['point_error']:.2f} %, landmarks "
            f"{100 * figures['landmark_error']:.2f} % of the outer-eye distance",
            f"gaze {figures['gaze_degrees']:.2f} degrees, of the {100 * figures['seen_eyes']:.0f} % of "
            f"eyes that are open and in sight {figures['seen_gaze_degrees']:.2f}; pose "
            f"{figures['pose_degrees']:.2f} degrees, identity r {figures['identity_r']:.3f}",
            *(vertex_lines(figures) if "neutral_mm" in figures else []),
            f"expression r {figures['expression_r']:.3f} on average; {seen_line(figures['shape_r'])}",
            "shape, r, slope, mean error:",
            *(
                f"  {name:22s} {r:6.3f}  {figures['shape_slope'][name]:6.3f}"
                f"  {figures['shape_error'][name]:.3f}"
                for name, r in figures["shape_r"].items()
            ),
        ]
    return "\n".join([*lines, *pixel_lines(figures)])
