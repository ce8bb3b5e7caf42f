# SPDX-License-Identifier: GPL-3.0-or-later
"""A face looked at in the mirror as well: the network's two answers err differently, and their
mean errs less. For stills, where a second look costs nothing that anybody notices."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from inference.face import Face
from inference.network import Network, Prediction
from models.head import load_head

MIRROR = np.diag([-1.0, 1.0, 1.0]).astype(np.float32)

SAME = 0.08
"""Mean distance of the two answers' points, in face sizes, up to which they mean the same face."""


def seen_both_ways(network: Network, image: np.ndarray, face: Face) -> Face:
    """The mean of what the network says of the face and of its mirror image.

    The face as it is, where the mirror shows the network something else.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: as seen in its own crop.
    """
    crop = np.ascontiguousarray(face.crop.cut(image)[None, :, ::-1])
    other = mirrored(network(crop))
    points = face.crop.to_frame(other.points[0].astype(np.float64))
    if np.linalg.norm(points - face.points, axis=1).mean() > SAME * face.size:
        return face
    prediction = mean(face.prediction, other)
    sigma = prediction.point_sigma[0].astype(np.float64) * (face.crop.side / 2)
    return Face(face.crop, prediction, (points + face.points) / 2, sigma)


def mirrored(prediction: Prediction) -> Prediction:
    """What the network says of mirrored crops, as said of the crops themselves."""
    head = load_head()
    return Prediction(
        points=prediction.points[:, head.point_mirror] * np.float32([-1, 1]),
        point_sigma=prediction.point_sigma[:, head.point_mirror],
        identity=prediction.identity * head.identity_mirror,
        expression=prediction.expression[:, head.shape_mirror],
        gaze=prediction.gaze[:, ::-1] * np.float32([-1, 1]),
        rotation=MIRROR @ prediction.rotation @ MIRROR,
        face=prediction.face,
    )


def mean(one: Prediction, other: Prediction) -> Prediction:
    """The mean of two answers about one crop each."""
    fields = {name: (getattr(one, name) + getattr(other, name)) / 2 for name in vars(one)}
    turns = Rotation.from_matrix(np.concatenate([one.rotation, other.rotation]).astype(float))
    rotation = turns.mean().as_matrix()[None].astype(np.float32)
    return Prediction(**fields | {"rotation": rotation})
