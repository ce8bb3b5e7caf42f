# SPDX-License-Identifier: GPL-3.0-or-later
"""What the network says of a face."""

from typing import NamedTuple

import torch


class Reconstruction(NamedTuple):
    """What the network says about N crops, as the losses take it; `finished` as users do.

    points (N,P,2) crop coordinates, x right, y down, -1..1; point_sigma (N,P) same units;
    identity (N,60) standard deviations; expression (N,52), not clamped; gaze (N,2,2) radians;
    rotation (N,3,3) head to crop camera; face_logit (N,).
    """

    points: torch.Tensor
    point_sigma: torch.Tensor
    identity: torch.Tensor
    expression: torch.Tensor
    gaze: torch.Tensor
    rotation: torch.Tensor
    face_logit: torch.Tensor

    def finished(self):
        """The outputs of the ONNX file by name, in its order.

        As the fields, but expression lies in 0..1 and face (N,) is a probability.
        """
        outputs = self._asdict() | {"expression": self.expression.clamp(0, 1)}
        outputs["face"] = torch.sigmoid(outputs.pop("face_logit"))
        return outputs
