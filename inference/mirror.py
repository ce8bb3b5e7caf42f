# SPDX-License-Identifier: GPL-3.0-or-later
"""A face looked at in the mirror as well: the network's two answers err differently, and their
mean errs less. For stills, and where a face is taken up: there a second look costs nothing that
anybody notices."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from inference.face import Face, look
from inference.network import Network, Prediction
from models.head import load_head

MIRROR = np.diag([-1.0, 1.0, 1.0]).astype(np.float32)

SAME = 0.08
"""Mean distance of the two answers' points, in face sizes, up to which they mean the same face."""

DOUBT = 8.0
CONFIRMED = 0.55
"""What such a distance takes off a face's quality, and what must be left of it. Of the main faces
on photographs 0.6 and more is left (of 99 in 100 more than 0.75), and in blurred clips; of what
else passes for a face in pictures without any, seldom more than 0.5."""


def seen_both_ways(network: Network, image: np.ndarray, face: Face) -> Face:
    """The mean of what the network says of the face and of its mirror image.

    The face as it is, where the mirror shows the network something else.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: as seen in its own crop.
    """
    other, points = seen_mirrored(network, image, face)
    if apart(points, face) > SAME:
        return face
    prediction = mean(face.prediction, other)
    sigma = prediction.point_sigma[0].astype(np.float64) * (face.crop.side / 2)
    return Face(face.crop, prediction, (points + face.points) / 2, sigma)


def is_confirmed(network: Network, image: np.ndarray, face: Face) -> bool:
    """Whether the mirror image leaves no doubt that this is a face.

    Of what is none, the network is sometimes rather sure, but seldom of the same both ways.
    """
    (straight,) = look(network, image, [face.crop])  # the face may be the mean of both already
    _, points = seen_mirrored(network, image, straight)
    return straight.quality - DOUBT * apart(points, straight) >= CONFIRMED


def seen_mirrored(
    network: Network, image: np.ndarray, face: Face
) -> tuple[Prediction, np.ndarray]:
    """What the network says of the face's mirror image, as said of the face, and the points (P, 2)
    in frame pixels."""
    crop = np.ascontiguousarray(face.crop.cut(image)[None, :, ::-1])
    other = mirrored(network(crop))
    return other, face.crop.to_frame(other.points[0].astype(np.float64))


def apart(points: np.ndarray, face: Face) -> float:
    """Mean distance of points (P, 2) from the face's own, in face sizes."""
    return float(np.linalg.norm(points - face.points, axis=1).mean() / face.size)


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
