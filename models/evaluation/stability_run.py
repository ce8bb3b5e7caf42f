# SPDX-License-Identifier: GPL-3.0-or-later
"""`evaluate stability`: rendered films, still photographs and real clips through the runner.

The runner and the score script of real clips run as processes of their own.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from models.head import SHAPE_NAMES, gaze_matrix
from models.synthesis.sequence import FRAME_RATE, SHAKE, Truth, films_in
from models.synthesis.sequence_camera import still_film, write_film

from .stability import (
    Measured,
    Track,
    film_figures,
    film_table,
    points_of,
    still_figures,
    still_line,
)

STILL_FRAMES = 100
STILL_SEED = 5
CLIP_SUFFIXES = (".mp4", ".mov", ".mkv", ".avi", ".webm")
SCORED = {
    "detection": ".2f", "jitter_p20_x1000": ".2f", "lag_frames": "+.2f", "lag_corr": ".2f",
    "amp": ".2f",
}  # fmt: skip


def rendered_films(folder, quality):
    """Figures and text of a folder of films that `render --sequences` made."""
    films = []
    pairs = films_in(Path(folder))
    for video, truth_path in tqdm(pairs, unit="film", disable=not sys.stderr.isatty()):
        truth = Truth.load(truth_path)
        taken, found, others = capture(video, quality)
        if len(found) != len(truth):
            raise ValueError(f"the take of {video} has {len(found)} frames, not {len(truth)}")
        films.append(Measured(truth.kind, true_track(truth), taken, others, found, truth.shift))
    figures = film_figures(films)
    return figures, film_table(figures)


def true_track(truth):
    """The track of a truth."""
    gaze = gaze_matrix(truth.gaze)[..., 2]
    return Track(truth.weights, gaze, truth.rotation, points_of(truth.points))


def still_photograph(path, quality):
    """Figures and text of a photograph filmed from a hand: camera noise and a shake of 1 px."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise ValueError(f"{path} is not a readable picture")
    picture = picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2]
    rng = np.random.default_rng(STILL_SEED)
    frames, shift = still_film(picture, STILL_FRAMES, FRAME_RATE, SHAKE, rng)
    with tempfile.TemporaryDirectory() as place:
        video = Path(place) / "still.mp4"
        write_film(video, frames, FRAME_RATE)
        taken, found, _ = capture(video, quality)
    if found.sum() < STILL_FRAMES / 2:
        raise ValueError(f"a face was found in {found.sum()} of {STILL_FRAMES} frames of {path}")
    figures = still_figures(taken[found], shift[found])
    return figures, still_line(f"still {Path(path).name}", figures)


def capture(video, quality):
    """The track of a film as the runner takes it, where it found a face (T,) bool, and earlier
    weights (T,52) by name. ValueError if the runner fails."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "take.mien.npz"
        run_runner("capture", str(video), "-o", str(path), "--quality", quality)
        with np.load(path, allow_pickle=False) as take:
            arrays = {name: take[name] for name in take.files}
    return read_take(arrays)


def read_take(arrays):
    """Track, found (T,), and the weights before smoothing and the network's own by name, of the
    arrays of a take."""
    names = json.loads(arrays["header"].tobytes())["shape_names"]
    order = [names.index(name) for name in SHAPE_NAMES]

    def turns(name):
        quaternions = arrays[name].astype(float)
        flat = Rotation.from_quat(quaternions.reshape(-1, 4), scalar_first=True).as_matrix()
        return flat.reshape(*quaternions.shape[:-1], 3, 3)

    track = Track(
        arrays["weights"][:, order].astype(float), turns("eye_rotation")[..., 2],
        turns("head_rotation"), arrays["points68"].astype(float),
    )  # fmt: skip
    others = {
        "before smoothing": arrays["weights_raw"][:, order],
        "network alone": arrays["seen_expression"][:, order],
    }
    return track, arrays["found"], others


def run_runner(*words):
    """Runs `python -m inference`; ValueError if it fails."""
    command = [sys.executable, "-m", "inference", *words]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise ValueError(f"`inference {words[0]} {words[1]}` failed: {said[-1] if said else '?'}")


def real_clips(folder):
    """Figures and text of real clips: the runner's tracks beside MediaPipe's.

    folder: the clips. Beside it lie score_video.py, mediapipe_NAME.npz (its tracking of a clip) and
    mediapipe_static_NAME.npz (its answer for each frame by itself, the reference of lag and amp).
    """
    folder = Path(folder).resolve()
    script = folder.parent / "score_video.py"
    clips = sorted(p for p in folder.iterdir() if p.suffix in CLIP_SUFFIXES)
    if not clips or not script.is_file():
        raise ValueError(f"{folder} holds no clips, or there is no {script}")
    figures = {}
    with tempfile.TemporaryDirectory() as place:
        for clip in clips:
            track = Path(place) / f"{clip.stem}.npz"
            run_runner("track", str(clip), "-o", str(track))
            reference = folder.parent / f"mediapipe_static_{clip.stem}.npz"
            peer = folder.parent / f"mediapipe_{clip.stem}.npz"
            figures[clip.stem] = {
                name: score(script, path, reference) if path.is_file() else {}
                for name, path in (("mien", track), ("mediapipe", peer))
            }
    return figures, clip_table(figures)


def score(script, track, reference):
    """The score script's figures of one track."""
    words = ["--ref", str(reference)] if reference.is_file() else []
    command = [sys.executable, str(script), str(track), *words, "--json"]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    if done.returncode:
        raise ValueError(f"{script} failed on {track.name}: {done.stderr.strip()[-200:]}")
    answer = json.loads(done.stdout)
    if not answer.get("lag_corr"):  # the reference found no face: there is nothing to lag behind
        answer["lag_frames"] = answer["lag_corr"] = None
    return {name: answer.get(name) for name in SCORED}


def clip_table(figures):
    """Markdown: a row a clip, Mien's figures and MediaPipe's."""
    rows = [
        "| clip | found | jitter (calmest fifth) | lag | lag r | amplitude |",
        "|---|---|---|---|---|---|",
    ]

    def both(name, form):
        said = [figure[who].get(name) for who in ("mien", "mediapipe")]
        return " / ".join("-" if value is None else format(value, form) for value in said)

    for clip, figure in figures.items():
        cells = [both(name, form) for name, form in SCORED.items()]
        rows.append(f"| {clip} | {' | '.join(cells)} |")
    return "\n".join(["real clips, Mien / MediaPipe's tracking", *rows])
