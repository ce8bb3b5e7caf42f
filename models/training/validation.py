# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures on held-out chunks while training."""

from models.evaluation.geometry import clean_batches, held_out_chunks, measure
from models.reconstruction.network import answers

VALIDATION_CHUNKS = 3  # of each pool; some 770 pictures
COLUMNS = (
    "point_error", "landmark_error", "expression_r", "gaze_degrees", "pose_degrees",
    "segmentation_iou", "canonical_mm", "depth_mm", "normal_degrees", "face_accuracy",
)  # fmt: skip


class Validation:
    """Measures a network on the held-out chunks that the pools have at that moment."""

    def __init__(self, shares):
        self.folders = [share.folder for share in shares]

    def figures(self, network, device):
        """COLUMNS -> float of a network in evaluation mode; empty without held-out chunks."""
        chunks = validation_chunks(self.folders)
        if not chunks:
            return {}
        figures = measure(clean_batches(chunks), lambda image: answers(network, image, device))
        return {name: figures[name] for name in COLUMNS}


def validation_chunks(folders):
    """The first of the chunks that each of some pools leaves out of training."""
    return [c for folder in folders for c in held_out_chunks(folder)[:VALIDATION_CHUNKS]]
