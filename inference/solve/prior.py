# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network says of the expression, as the solve believes it."""

from __future__ import annotations

import numpy as np

from inference.errors import UsageError
from inference.observations import Observations
from models.head import SHAPE_NAMES, look_weights

LOOKS = np.array([i for i, name in enumerate(SHAPE_NAMES) if name.startswith("eyeLook")])
"""Shapes of the lids that follow the gaze and nothing else."""

RESPONSE = {"eyeBlink": 0.80, "jawOpen": 0.89, "mouthSmile": 0.81}
"""How much the network's weights grow where the true ones grow by 1, on held-out rendered pictures
(`python -m models evaluate geometry` prints it): unsure of one picture, it errs towards rest, and
all frames together would make too small a motion of it. Only of shapes that it sees well (r above
.85); divided out of the others, the response would enlarge what is mostly noise."""

NETWORK_FLOOR = 0.03
"""What the network says of a shape that does nothing, on the whole: taken off, weights err less on
rendered films (`python -m models evaluate stability`)."""

REST_QUANTILE = 0.15
REST_SECONDS = 1.0
LARGEST_REST = 0.3
"""A face rests now and then: what the network says of a shape in all but a seventh of the frames of
a clip of this length is more likely how the person looks, and left to the identity. More than the
largest is an expression that is held."""

NEUTRAL_FRAMES = 2
LARGEST_CHOSEN_REST = 0.8
"""A neutral frame that a person chose is taken with so many neighbours on each side; more than the
largest cannot be a resting face, whatever was chosen."""


def expression_prior(observations: Observations, neutral: int | None = None) -> np.ndarray:
    """(S, 52) shape weights in [0, 1] of the S frames that show a face.

    neutral: footage frame in which the face is at rest; found from the clip unless given.

    Raises:
        UsageError: that frame shows no face.
    """
    found = observations.found
    weights = np.clip(observations.expression[found].astype(np.float64), 0.0, 1.0)
    rest = NETWORK_FLOOR + _rest(weights, observations, neutral)
    prior = np.minimum(without_rest(weights, rest) / _response(), 1.0)
    return with_looks(prior, observations.gaze[found])


def with_looks(weights: np.ndarray, gaze: np.ndarray) -> np.ndarray:
    """Shape weights (T, 52) with the lids following a gaze (T, 2, 2) rad."""
    looking = weights.copy()
    looking[:, LOOKS] = look_weights(gaze)[:, LOOKS]
    return looking


def _response() -> np.ndarray:
    """(52,) of every shape, 1 where nothing is known."""
    return np.array(
        [
            next((slope for start, slope in RESPONSE.items() if name.startswith(start)), 1.0)
            for name in SHAPE_NAMES
        ]
    )


def _rest(weights: np.ndarray, observations: Observations, neutral: int | None) -> np.ndarray:
    """(52,) what the network says of the face at rest, from its weights in the found frames."""
    found = observations.found
    if neutral is None:
        return usual_rest(weights, observations.time[found])
    frames = observations.frame[found]
    if neutral not in frames:
        raise UsageError(f"Frame {neutral} cannot be the neutral one: it shows no face.")
    near = np.abs(np.arange(len(frames)) - np.searchsorted(frames, neutral)) <= NEUTRAL_FRAMES
    return np.minimum(np.median(weights[near], axis=0), LARGEST_CHOSEN_REST)


def usual_rest(weights: np.ndarray, time: np.ndarray) -> np.ndarray:
    """(52,) what shape weights (T, 52) at times (T,) s never lose; nothing in a short clip."""
    if len(time) < 2 or time[-1] - time[0] < REST_SECONDS:
        return np.zeros(weights.shape[1])
    return np.minimum(np.quantile(weights, REST_QUANTILE, axis=0), LARGEST_REST)


def without_rest(weights: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Shape weights (T, 52) such that the rest (52,) becomes 0 and what was full stays full."""
    return np.maximum(weights - rest, 0.0) / (1.0 - rest)
