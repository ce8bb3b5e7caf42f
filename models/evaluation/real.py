# SPDX-License-Identifier: GPL-3.0-or-later
"""Running on a folder of real pictures with labels: through the runner, or from label boxes.

The folder holds labels.json, {"img/a.jpg": {"faces": [{"box": [x,y,w,h], "points68": [...]}]}},
and the pictures it names.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np

from models.reconstruction.config import CROP_MARGIN, CROP_SIZE
from models.reconstruction.crop import Crops, face_crops

from .landmarks import POINTS, LabelledFace, match, points_from, score

LOOKS = 2  # from a box: a first look without roll, then one placed by the points it gave


def load_labels(folder):
    """Picture key -> labelled faces; raises FileNotFoundError or ValueError."""
    path = Path(folder) / "labels.json"
    if not path.is_file():
        raise FileNotFoundError(f"there are no labels {path}")
    try:
        entries = json.loads(path.read_text())
        labels = {
            key: [
                LabelledFace(np.array(face["box"], float), points_from(face["points68"]))
                for face in entry["faces"]
            ]
            for key, entry in entries.items()
        }
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} does not hold labelled faces: {error!r}") from error
    if not any(labels.values()):
        raise ValueError(f"{path} holds no labelled face")
    return labels


def through_runner(folder, labels):
    """Figures of `python -m inference landmarks`, which finds the faces itself.

    With the shipped weights. Raises ValueError if the runner fails; it has then said why.
    """
    with tempfile.TemporaryDirectory() as place:
        answer = Path(place) / "predictions.json"
        pictures = str(Path(folder) / "img")
        command = [sys.executable, "-m", "inference", "landmarks", pictures, "-o", str(answer)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise ValueError(f"`inference landmarks` ended with exit code {done.returncode}")
        predictions = json.loads(answer.read_text())
    return score_predictions(labels, predictions.get("predictions", predictions))


def score_predictions(labels, predictions):
    """Figures of the runner's answer; its keys are relative to img/ or to the folder."""
    faces, matched = [], []
    for key, labelled in sorted(labels.items()):
        said = predictions.get(key, predictions.get(key.removeprefix("img/"), []))
        faces += labelled
        matched += match(labelled, [points_from(face["points68"]) for face in said])
    return score(faces, matched)


def from_boxes(folder, labels, predict):
    """Figures of a network on crops around the label boxes, without any detection.

    For watching a training: every face counts as found.
    """
    faces, images = [], []
    for key, labelled in sorted(labels.items()):
        image = cv2.imread(str(Path(folder) / key), cv2.IMREAD_COLOR)
        if image is None:
            raise ValueError(f"{Path(folder) / key} is not a readable picture")
        faces += labelled
        images += [cv2.cvtColor(image, cv2.COLOR_BGR2RGB)] * len(labelled)
    crops = box_crops(np.stack([face.box for face in faces]))
    for _ in range(LOOKS):
        answer = predict(np.stack(list(map(cut, images, crops.picture_from_pixel(CROP_SIZE)))))
        points = crops.to_picture(answer["points"][:, :POINTS].astype(float))
        crops = face_crops(points)
    return score(faces, list(points))


def box_crops(boxes):
    """Upright crops with the usual margin around boxes (N,4) x, y, width, height px."""
    side = CROP_MARGIN * boxes[:, 2:].max(axis=1)
    return Crops(boxes[:, :2] + boxes[:, 2:] / 2, side, np.zeros(len(boxes)))


def cut(image, picture_from_pixel):
    """One crop (128,128,3) uint8; a picture much finer than the crop is averaged first."""
    scale = np.sqrt(abs(np.linalg.det(picture_from_pixel[:, :2])))  # picture px per crop px
    if scale > 1:
        # By the size and not by the factor, which OpenCV would go by where the size is rounded.
        size = np.maximum(np.rint(np.array(image.shape[1::-1]) / scale), 1).astype(int)
        shrunk = cv2.resize(image, size.tolist(), interpolation=cv2.INTER_AREA)
        ratio = size / image.shape[1::-1]
        picture_from_pixel = picture_from_pixel * ratio[:, None]
        picture_from_pixel[:, 2] += 0.5 * ratio - 0.5
        image = shrunk
    return cv2.warpAffine(
        image,
        picture_from_pixel,
        (CROP_SIZE, CROP_SIZE),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
