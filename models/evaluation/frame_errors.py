# SPDX-License-Identifier: GPL-3.0-or-later
"""How a network's errors change from frame to frame of rendered films, without runner and solve.

A jitter is a change of the error, not of the answer: a face may move. Each frame is read from the
crop that the points of the frame before give, as following a face does.
"""

from pathlib import Path

import av
import numpy as np
from scipy.spatial.transform import Rotation

from models.reconstruction.config import CROP_SIZE
from models.reconstruction.crop import crop_rotation, face_crops
from models.synthesis.sequence import Truth, films_in

from .geometry import gaze_direction
from .real import cut
from .stability import BLINK_HIDES_GAZE, OWN_SHAPES, eye_distance, shapes_of

LANDMARKS = 68


def network_on_films(folder, predict):
    """Figures and text of a predictor (as load_predictor gives it) on the films of a folder.

    Of points (shares of the eye distance), weights, gaze and head (degrees): the mean size of the
    error, and the root mean square of its change from one frame to the next, of all films and of
    those whose face holds still. ValueError without any film.
    """
    films = [(read_film(video), Truth.load(path)) for video, path in films_in(Path(folder))]
    errors = [errors_of(*film, predict) for film in films]
    figures = {"error": mean_sizes(errors), "frame_to_frame": changes(errors)}
    held = [error for error, (_, truth) in zip(errors, films) if truth.kind == "still"]
    if held:
        figures["frame_to_frame_held"] = changes(held)
    return figures, table(figures)


def read_film(path):
    """The frames (T,H,W,3) uint8 RGB of a film."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def errors_of(frames, truth, predict):
    """Answer minus truth of a film, by name: points (T,68,2) shares of the eye distance, weights
    (T,44), gaze (T,2,3) differences of unit vectors, in degrees, NaN behind closed lids; head (T,3)
    degrees, a rotation vector in the camera's frame."""
    rows = {name: [] for name in ("points", "weights", "gaze", "head")}
    middle = truth.intrinsics[:2, 2]
    focal = np.array([truth.intrinsics[0, 0]])
    unit = eye_distance(truth.points[:, :LANDMARKS])
    open_eyes = truth.weights[:, shapes_of("blinks")] < BLINK_HIDES_GAZE
    place = truth.points[0]
    for index, frame in enumerate(frames):
        crops = face_crops(place[None])
        said = predict(cut(frame, crops.picture_from_pixel(CROP_SIZE)[0])[None])
        place = crops.to_picture(said["points"].astype(float))[0]
        true_rotation = crop_rotation(truth.rotation[index][None], crops, focal, middle)[0]
        turn = Rotation.from_matrix(said["rotation"][0] @ true_rotation.T).as_rotvec()
        gaze = gaze_direction(said["gaze"][0]) - gaze_direction(truth.gaze[index])
        rows["points"].append((place[:LANDMARKS] - truth.points[index, :LANDMARKS]) / unit)
        rows["weights"].append((said["expression"][0] - truth.weights[index])[OWN_SHAPES])
        rows["gaze"].append(np.where(open_eyes[index][:, None], np.degrees(gaze), np.nan))
        rows["head"].append(np.degrees(turn))
    return {name: np.array(values) for name, values in rows.items()}


def sizes(name, values):
    """Sizes of errors or their changes: vectors' lengths, of weights their absolute values."""
    return np.abs(values) if name == "weights" else np.linalg.norm(values, axis=-1)


def mean_sizes(errors):
    """Mean size of the errors of several films, by name."""
    return {
        name: float(np.mean([np.nanmean(sizes(name, error[name])) for error in errors]))
        for name in errors[0]
    }


def changes(errors):
    """Root mean square, over the frames of several films, of the errors' changes, by name."""
    figures = {}
    for name in errors[0]:
        steps = [sizes(name, np.diff(error[name], axis=0)).ravel() for error in errors]
        figures[name] = float(np.sqrt(np.nanmean(np.concatenate(steps) ** 2)))
    return figures


def table(figures):
    """The figures as lines of text."""
    names = {
        "error": "mean error", "frame_to_frame": "its change from frame to frame, RMS",
        "frame_to_frame_held": "the same of held faces",
    }  # fmt: skip
    return "\n".join(
        f"network alone, {names[kind]}: points {100 * row['points']:.3f} % of the eye distance, "
        f"weights {row['weights']:.4f}, gaze {row['gaze']:.3f} deg, head {row['head']:.3f} deg"
        for kind, row in figures.items()
    )
