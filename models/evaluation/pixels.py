# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of the per-pixel answers on rendered pictures: regions, coarse geometry, normals.

The network's answers are read, between its cells, at the centres of the labels' own cells.
"""

import cv2
import numpy as np

from models.reconstruction.config import SEGMENTATION_CLASSES, UNKNOWN_CLASS
from models.reconstruction.crop import cells_in_crop

OUTPUTS = ("segmentation", "canonical", "depth", "normal")
LABELS = (
    "crop_from_whole", "segmentation", "canonical", "depth", "normal", "relief", "seen", "lifted",
)  # fmt: skip
MOST_CHANNELS = 4  # that cv2 warps at once


class PixelMeasure:
    """Adds up the errors of batches; `figures` at the end."""

    def __init__(self):
        self.confusion = np.zeros(2 * (len(SEGMENTATION_CLASSES),), np.int64)
        self.errors = {"canonical_mm": [], "depth_mm": [], "normal_degrees": [], "relief_degrees": []}

    def add(self, said, batch):
        """said: arrays named as OUTPUTS, of which geometry may be missing; batch: see
        training.batches.assemble."""
        for row in range(len(batch["image"])):
            label = {name: batch[name][row] for name in LABELS}
            answer = {name: said[name][row] for name in OUTPUTS if name in said}
            regions = answer["segmentation"]
            side = len(label["segmentation"])
            to_answer = cells_in_crop(label["crop_from_whole"], regions.shape[-1], side)
            chosen = at_cells(regions, to_answer, side).argmax(axis=0)
            self.confusion += confusion_matrix(chosen, label["segmentation"])
            if "depth" in answer and batch["face"][row] > 0.5:
                self.add_geometry(answer, label)

    def add_geometry(self, answer, label):
        """The errors of one picture's cells that show the head."""
        seen, side = label["seen"], len(label["seen"])
        to_answer = cells_in_crop(label["crop_from_whole"], answer["depth"].shape[-1], side)
        canonical, depth, normal = (
            at_cells(answer[name].reshape(-1, *answer["depth"].shape), to_answer, side)[:, seen].T
            for name in ("canonical", "depth", "normal")
        )
        away = np.linalg.norm(canonical - label["canonical"][seen], axis=1)
        deep = np.abs(depth[:, 0] - label["depth"][seen])
        smooth = label["normal"][seen]
        true = smooth + label["relief"][seen]
        self.errors["canonical_mm"].append(1e3 * away)
        self.errors["depth_mm"].append(1e3 * deep)
        self.errors["normal_degrees"].append(angle(normal, true))
        lifted = label["lifted"][seen]
        self.errors["relief_degrees"].append(angle(smooth, true)[lifted])

    def figures(self):
        """class_iou by name, segmentation_iou (mean over classes that occur); means over the cells
        that show a head: canonical_mm, depth_mm, normal_degrees (of normals with relief, where it
        is known, else without), relief_degrees (what the true normals without relief would err by,
        where it is known); NaN where nothing was said or known."""
        class_iou = intersection_over_union(self.confusion)
        figures = {"class_iou": class_iou, "segmentation_iou": mean_or_nan(class_iou.values())}
        for name, parts in self.errors.items():
            errors = np.concatenate(parts) if parts else np.empty(0)
            figures[name] = float(errors.mean()) if len(errors) else float("nan")
        return figures


def at_cells(answer, to_answer, side):
    """An answer (C,S,S) read between its cells where to_answer (2,3) leads from the indices of
    side x side cells -> (C,side,side)."""
    channels = np.ascontiguousarray(np.moveaxis(answer, 0, 2), np.float32)
    parts = []
    for first in range(0, channels.shape[2], MOST_CHANNELS):
        warped = cv2.warpAffine(
            np.ascontiguousarray(channels[:, :, first : first + MOST_CHANNELS]),
            to_answer,
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        parts.append(warped.reshape(side, side, -1))
    return np.moveaxis(np.concatenate(parts, axis=2), 2, 0)


def angle(one, other):
    """Degrees (K,) between vectors (K,3)."""
    cosine = (one * other).sum(axis=1)
    cosine /= np.maximum(np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1), 1e-9)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def mean_or_nan(values):
    """Mean of the finite values, NaN if there are none."""
    values = [v for v in values if np.isfinite(v)]
    return float(np.mean(values)) if values else float("nan")


def confusion_matrix(predicted, true):
    """(C,C) counts, rows true classes, columns predicted ones; unknown cells left out."""
    count = len(SEGMENTATION_CLASSES)
    known = true != UNKNOWN_CLASS
    index = true[known].astype(np.int64) * count + predicted[known]
    return np.bincount(index, minlength=count * count).reshape(count, count)


def intersection_over_union(confusion):
    """Class name -> IoU for the classes that occur."""
    hit = np.diag(confusion)
    union = confusion.sum(0) + confusion.sum(1) - hit
    return {
        name: float(hit[i] / union[i])
        for i, name in enumerate(SEGMENTATION_CLASSES)
        if confusion[i].sum() > 0
    }


def pixel_lines(figures):
    """The figures as lines of text; none of what was not measured."""
    text = []
    if figures["class_iou"]:
        classes = "  ".join(f"{name} {value:.3f}" for name, value in figures["class_iou"].items())
        text.append(f"segmentation IoU {figures['segmentation_iou']:.3f}: {classes}")
    if np.isfinite(figures["depth_mm"]):
        text.append(
            f"where the head is seen: place on the mean head {figures['canonical_mm']:.2f} mm, "
            f"depth {figures['depth_mm']:.2f} mm, normals {figures['normal_degrees']:.2f} degrees"
        )
    if np.isfinite(figures["relief_degrees"]):
        text[-1] += f" (true ones without relief: {figures['relief_degrees']:.2f} degrees)"
    return text
