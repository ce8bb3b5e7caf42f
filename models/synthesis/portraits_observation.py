# SPDX-License-Identifier: GPL-3.0-or-later
"""What Mien's own network sees in the portraits: the second look, after MediaPipe's first.

    python -m inference landmarks PHOTOS -o FACES.json
    python -m models.synthesis.portraits_observation FACES.json --photos PHOTOS -o OBSERVED.npz

Every face is looked at in several crops and in the mirror. On AFW the mean errs no less than the
first crop with its mirror image alone (4.10 %), but it takes out of the labels what chance of the
crop's place puts in: a quarter of a percent of the eye distance. Writes name (N,), points (N,P,2) float32 px with the
centre of the top-left pixel at (0, 0), and sigma (N,P) float32 px.
"""

import argparse
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

import models.head
from models.evaluation.predictor import load_predictor
from models.evaluation.real import cut
from models.head import Head, load_head
from models.reconstruction.config import CROP_SIZE
from models.reconstruction.crop import Crops, face_crops

WEIGHTS = Path(models.head.__file__).resolve().parent.parent / "weights" / "mien.onnx"
# How the crops of one face differ: shift right and down in sides, ratio of the sides, roll in rad.
# All within what training showed the network.
LOOKS = np.array([
    (0, 0, 1.00, 0), (0, 0, 1.08, 0), (0, 0, 0.93, 0), (0.04, 0.04, 1.00, 0.08),
    (-0.04, -0.04, 1.00, -0.08), (0.04, -0.04, 1.05, 0.04), (-0.04, 0.04, 0.96, -0.04),
])  # fmt: skip


def observe(predict, head: Head, image: np.ndarray, points68: np.ndarray):
    """The tracked points (P,2) px of one face and their standard deviation (P,) px.

    predict: as `load_predictor` gives it; image (H,W,3) uint8 RGB; points68 (68,2) px: where the
    face is, roughly.
    """
    crops = _crops(points68)
    pictures = np.stack([cut(image, place) for place in crops.picture_from_pixel(CROP_SIZE)])
    answer = predict(np.concatenate([pictures, pictures[:, :, ::-1]]))
    there, mirrored = np.split(answer["points"].astype(float), 2)
    mirrored = mirrored[:, head.point_mirror] * [-1, 1]
    points = np.concatenate([crops.to_picture(there), crops.to_picture(mirrored)])
    sigma, other = np.split(answer["point_sigma"].astype(float), 2)
    spread = np.concatenate([sigma, other[:, head.point_mirror]])
    spread *= np.tile(crops.side, 2)[:, None] / 2
    # One network's errors hardly differ from look to look, so its doubt is not divided by their
    # number; what does differ adds to it.
    return points.mean(axis=0), np.sqrt((spread**2).mean(axis=0) + points.var(axis=0).sum(axis=1) / 2)


def _crops(points68: np.ndarray) -> Crops:
    """The crops (LOOKS) of a face."""
    straight = face_crops(points68[None])
    side = straight.side[0]
    turned = Crops(np.zeros((1, 2)), np.array([2.0]), straight.roll)
    shift = turned.to_picture(LOOKS[None, :, :2])[0] * side
    return Crops(straight.centre + shift, side * LOOKS[:, 2], straight.roll + LOOKS[:, 3])


def largest_face(faces: list[dict]) -> np.ndarray | None:
    """points68 (68,2) px of the largest of a picture's faces as `inference landmarks` writes them."""
    marks = [np.array(face["points68"], float) for face in faces]
    return max(marks, key=lambda points: np.prod(np.ptp(points, axis=0)), default=None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faces", type=Path, help="what `python -m inference landmarks` wrote")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    predict, head = load_predictor(arguments.weights), load_head()
    found = {name: largest_face(faces) for name, faces in json.loads(arguments.faces.read_text()).items()}
    found = {name: marks for name, marks in found.items() if marks is not None}
    if not found:
        print(f"{arguments.faces} holds no faces.", file=sys.stderr)
        return 2
    seen = []
    for name, marks in tqdm(found.items(), unit="portrait", disable=not sys.stderr.isatty()):
        image = cv2.cvtColor(cv2.imread(str(arguments.photos / name)), cv2.COLOR_BGR2RGB)
        seen.append(observe(predict, head, image, marks))
    points, sigma = (np.stack(part).astype(np.float32) for part in zip(*seen, strict=True))
    np.savez(arguments.output, name=np.array(list(found)), points=points, sigma=sigma)
    print(f"{len(found)} portraits observed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
