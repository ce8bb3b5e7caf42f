# SPDX-License-Identifier: GPL-3.0-or-later
"""The losses of the per-pixel answers, each about 1 at a young network's error.

Answers are read where the labels lie, between their own cells: so soft borders between cells count,
and a border's label is as exact as the pool has it.
"""

import torch
from torch.nn import functional

from models.reconstruction.config import SEGMENTATION_CLASSES, UNKNOWN_CLASS
from models.reconstruction.pixels import GEOMETRY

from .sizes import pseudo_huber

# The overlap already sees to small regions, and where a spoilt picture leaves their borders unsure it
# draws them too large, as then is best: eyes and glasses by a third. Of sharp pictures that would be
# too much, so the cross entropy leans to the other side; occluders both take for background.
CLASS_WEIGHTS = (0.7, 0.7, 0.6, 0.9, 1.4, 0.8, 0.8, 2.0)
OVERLAP_SHARE = 0.5  # of the segmentation loss; the rest is cross entropy
CANONICAL_SCALE = 0.01  # m; the next likewise are errors below which the square counts
DEPTH_SCALE = 0.008  # m
NORMAL_SCALE = 0.3  # chord of unit vectors; some 17 degrees
RELIEF_SCALE = 0.02  # chord; about what relief there is


def at_labels(answer, crop_from_whole, side):
    """Answers (N,C,S,S) read in side x side cells of the whole pictures -> (N,C,side,side).

    crop_from_whole (N,2,3) as in Crops.from_whole. Beyond the crop its edge is repeated.
    """
    shape = (len(answer), 1, side, side)
    places = functional.affine_grid(crop_from_whole, shape, align_corners=False)
    return functional.grid_sample(answer, places, padding_mode="border", align_corners=False)


def pixel_losses(answer, batch, class_weight):
    """PixelAnswer and batch -> scalars by name: segmentation, canonical, depth, normal, relief.

    class_weight (8,). The segmentation counts wherever it is known, the others where a face's
    head is seen.
    """
    places, classes = batch["crop_from_whole"], batch["segmentation"]
    logits = at_labels(answer.segmentation, places, classes.shape[1])
    said = torch.cat(
        [answer.canonical, answer.depth[:, None], answer.normal, answer.relief], dim=1
    )
    canonical, depth, normal, relief = at_labels(said, places, batch["seen"].shape[1]).split(
        GEOMETRY, dim=1
    )
    face = batch["face"][:, None, None] > 0.5
    seen, lifted = batch["seen"] & face, batch["lifted"] & face
    return {
        "segmentation": segmentation_loss(logits, classes, class_weight),
        "canonical": vector_loss(canonical, batch["canonical"], seen, CANONICAL_SCALE),
        "depth": vector_loss(depth, batch["depth"][..., None], seen, DEPTH_SCALE),
        "normal": vector_loss(normal, batch["normal"], seen, NORMAL_SCALE),
        "relief": vector_loss(relief, batch["relief"], lifted, RELIEF_SCALE),
    }


def vector_loss(said, true, known, scale):
    """Mean pseudo-Huber loss of vectors (N,C,H,W), (N,H,W,C) where known (N,H,W); 0 if nowhere.

    Of unit vectors the square of the chord is twice what their cosine lacks of 1.
    """
    error = (said.permute(0, 2, 3, 1)[known] - true[known]) / scale
    return pseudo_huber(error.square().sum(dim=1)).sum() / known.sum().clamp_min(1)


def segmentation_loss(logits, classes, class_weight):
    """Of (N,8,H,W) logits against (N,H,W) uint8 classes, 255 left out: cross entropy, and what the
    classes lack of full overlap; see `overlap_loss`."""
    known = classes != UNKNOWN_CLASS
    # Classes first: a softmax over so short a last axis is slow.
    logits, classes = logits.transpose(0, 1)[:, known], classes[known].long()
    if not len(classes):
        return logits.sum()  # 0, with a gradient
    said = logits.log_softmax(dim=0)
    true = said.gather(0, classes[None])[0]
    entropy = -(class_weight[classes] * true).mean()
    return (1 - OVERLAP_SHARE) * entropy + OVERLAP_SHARE * overlap_loss(said.exp(), classes)


def overlap_loss(probability, classes):
    """1 - soft intersection over union (Rahman, Wang 2016), over a batch's K cells.

    probability (8,K), classes (K,). The mean over the classes that occur: each counts the same,
    however small, as it does in the measure.
    """
    true = probability.gather(0, classes[None])[0]
    nothing = probability.new_zeros(len(SEGMENTATION_CLASSES))
    hit = nothing.index_add(0, classes, true)
    count = nothing.index_add(0, classes, torch.ones_like(true))
    union = probability.sum(dim=1) + count - hit
    occurs = count > 0
    return (1 - hit[occurs] / union[occurs]).mean()
