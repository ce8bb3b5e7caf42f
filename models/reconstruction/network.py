# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole network: backbone, pyramid and heads."""

import numpy as np
import torch
from torch import nn

from .backbone import Backbone, FeaturePyramid
from .config import EXPRESSION_SOURCES, NetworkConfig
from .heads import ExpressionReadout, FusionHead, HighHead, PointHead
from .looks import Looks
from .pixels import PixelHead
from .reconstruction import Reconstruction
from .refinement import Refinement
from .second_look import SecondLook


class ReconstructionNetwork(nn.Module):
    """One picture of a face in, everything Mien knows about it out."""

    def __init__(self, config=NetworkConfig()):
        super().__init__()
        self.config = config
        self.backbone = Backbone(config.widths, config.depths)
        self.pyramid = FeaturePyramid(config.widths, config.pyramid, config.top_down)
        self.point_head = PointHead(config.pyramid, config.points, config.point_hidden)
        fusion, top, shared = (config.expression_from == name for name in EXPRESSION_SOURCES)
        hidden = config.identity_hidden + (config.expression_hidden if shared else 0)
        self.high_head = HighHead(config.widths[3], hidden, shared)
        if fusion:
            self.fusion_head = FusionHead(config.widths[0], config.pyramid, config.expression_hidden)
        elif top:
            self.top_head = ExpressionReadout(config.widths[3], config.expression_hidden)
        if config.pixel_widths:
            self.pixel_head = PixelHead(config.widths, config.pyramid, config.pixel_widths)
        if config.second_look:
            self.second_look = SecondLook(config)
        if config.refinement:
            self.refinement = Refinement(
                config.points, config.widths[0], config.pyramid, config.impression
            )
        self.looks = Looks()

    def forward(self, image, with_face=True, with_pixels=True):
        """uint8 (N,128,128,3) RGB -> Reconstruction, PixelAnswer; None for what it does not have or
        is not asked for."""
        levels = self.backbone(image)
        features = (image, levels, *self.pyramid(levels))
        face = self.reconstruct(*features) if with_face else None
        pixels = None
        if with_pixels and self.config.pixel_widths:
            pixels = self.pixel_head(*features)
        return face, pixels

    def reconstruct(self, image, levels, pyramid16, pyramid8):
        """Pictures with their backbone and pyramid levels -> Reconstruction."""
        points, sigma = self.point_head(pyramid16, pyramid8)
        identity, rotation, face_logit, *shared = self.high_head(levels[3])
        if self.config.expression_from == "fusion":
            expression, gaze = self.fusion_head(levels[0], pyramid16, pyramid8)
        else:
            expression, gaze = shared or self.top_head(levels[3])
        impression = ()
        if self.config.second_look:
            points, expression, gaze, *impression = self.second_look(
                image, points, expression, gaze, rotation
            )
        said = Reconstruction(points, sigma, identity, expression, gaze, rotation, face_logit)
        if self.config.refinement:
            said = self.refinement(image, levels[0], pyramid16, said, *impression)
        return said._replace(expression=self.looks(said.expression, said.gaze))


@torch.no_grad()
def answers(network, image, device):
    """What a network in evaluation mode says, as arrays named as the outputs of the ONNX files.

    image: uint8 array (N,128,128,3) RGB; device: where the network is.
    """
    reconstruction, pixels = network(torch.from_numpy(np.ascontiguousarray(image)).to(device))
    named = reconstruction.finished() | (pixels.finished() if pixels else {})
    return {name: value.float().cpu().numpy() for name, value in named.items()}


def part_of(weight):
    """The name of the network's top-level part that a weight of this name belongs to."""
    return weight.partition(".")[0]
