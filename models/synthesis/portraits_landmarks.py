# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's face mesh on a folder of pictures: a first, rough registration of the portraits.

    python models/synthesis/portraits_landmarks.py FOLDER -o LANDMARKS.npz

Used at training time only, in an environment of its own (`pip install mediapipe==0.10.21`, which
pins numpy < 2); nothing of the product depends on it. Writes name (N,) and points (N,478,2) float32
px, the centre of the top-left pixel at (0, 0), for the pictures in which a face is found.
"""

import argparse
import sys
from pathlib import Path

import cv2
import mediapipe
import numpy as np

SMALL_PICTURE = 300  # px: narrower pictures are doubled first, MediaPipe finds more faces then
ACCEPTED_CONFIDENCE = 0.3


def detect(mesh, path: Path) -> np.ndarray | None:
    image = cv2.imread(str(path))
    height, width = image.shape[:2]
    if width < SMALL_PICTURE:
        image = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    found = mesh.process(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).multi_face_landmarks
    if not found:
        return None
    landmarks = found[0].landmark
    return np.array([[p.x * width - 0.5, p.y * height - 0.5] for p in landmarks], np.float32)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    files = sorted(f for f in arguments.folder.iterdir() if f.suffix in (".jpg", ".png"))
    if not files:
        print(f"There are no pictures in {arguments.folder}.", file=sys.stderr)
        return 2
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=1, refine_landmarks=True,
        min_detection_confidence=ACCEPTED_CONFIDENCE,
    )  # fmt: skip
    found = {file.name: detect(mesh, file) for file in files}
    found = {name: points for name, points in found.items() if points is not None}
    np.savez(arguments.output, name=np.array(list(found)), points=np.stack(list(found.values())))
    print(f"{len(found)} faces in {len(files)} pictures")
    return 0


if __name__ == "__main__":
    sys.exit(main())
