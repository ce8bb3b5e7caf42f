# SPDX-License-Identifier: GPL-3.0-or-later
"""MediaPipe's Face Mesh on one picture, as often as it is asked: the peer of `evaluate speed`.

    PYTHON models/evaluation/peer_speed.py PICTURE

Run by `python -m models evaluate speed --peer PYTHON`, whose PYTHON is of an environment with
`pip install mediapipe==0.10.21`; nothing of the product depends on it. Every line on stdin is
answered by a line on stdout: the seconds of one look at the picture, as the next frame of a video
(its landmark network alone, with the finer eyes and lips; the detector ran once).
"""

import sys
import time

import cv2
import mediapipe


def main() -> int:
    picture = cv2.imread(sys.argv[1])
    if picture is None:
        print(f"{sys.argv[1]} is no picture", file=sys.stderr)
        return 2
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    with mediapipe.solutions.face_mesh.FaceMesh(refine_landmarks=True) as mesh:
        if not mesh.process(picture).multi_face_landmarks:
            print(f"MediaPipe finds no face in {sys.argv[1]}", file=sys.stderr)
            return 2
        for _ in sys.stdin:
            start = time.perf_counter()
            mesh.process(picture)
            print(time.perf_counter() - start, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
