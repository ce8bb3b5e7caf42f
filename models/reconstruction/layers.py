# SPDX-License-Identifier: GPL-3.0-or-later
"""Building blocks: dense 3x3 convolutions with batch normalisation and ReLU.

Dense convolutions in channels_last and bfloat16 reach the processor's peak in training (depthwise
ones do not); batch normalisation and ReLU disappear into the convolution when it is exported.
"""

import torch
from torch import nn
from torch.nn import functional

FIRST_OUTPUT_SCALE = 0.1  # answers begin near their biases, which are a mean face at rest


def convolution(channels_in, channels_out, kernel=3, stride=1, activate=True):
    """Convolution, batch normalisation and, if `activate`, ReLU; 'same' padding."""
    layers = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
    if activate:
        layers.append(nn.ReLU(inplace=True))
    return NormalisedConvolution(*layers)


class NormalisedConvolution(nn.Sequential):
    """A convolution, its batch normalisation, and what follows them.

    Where it trains by fixed figures (`train --fixed-normalisation`), normalisation is a factor and
    an offset for each channel and goes into the convolution's own: in training on the CPU, passes
    over the features cost more than the convolutions.
    """

    def forward(self, features):
        convolve, normalise, *rest = self
        if not self.training or normalise.training:
            return super().forward(features)
        factor = normalise.weight * (normalise.running_var + normalise.eps).rsqrt()
        weight = convolve.weight * factor[:, None, None, None]
        offset = normalise.bias - normalise.running_mean * factor
        features = functional.conv2d(features, weight, offset, convolve.stride, convolve.padding)
        for layer in rest:
            features = layer(features)
        return features


def output_layer(inputs, outputs):
    """A fully connected layer whose answers begin near zero."""
    layer = nn.Linear(inputs, outputs)
    with torch.no_grad():
        layer.weight *= FIRST_OUTPUT_SCALE
        layer.bias.zero_()
    return layer


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; halves the resolution if `stride` is 2 (He et al. 2016).

    The shortcut averages before its 1x1 convolution, so that no pixel is thrown away.
    """

    def __init__(self, channels_in, channels_out, stride=1):
        super().__init__()
        self.residual = nn.Sequential(
            convolution(channels_in, channels_out, stride=stride),
            convolution(channels_out, channels_out, activate=False),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            pool = nn.AvgPool2d(stride) if stride != 1 else nn.Identity()
            projection = convolution(channels_in, channels_out, kernel=1, activate=False)
            self.shortcut = nn.Sequential(pool, projection)

    def forward(self, features):
        return functional.relu(self.residual(features) + self.shortcut(features))


class GridReadout(nn.Module):
    """Numbers read from a feature map without pooling its places away.

    A 1x1 convolution reduces the channels; the flattened map goes through one hidden layer. Keeping
    the grid keeps where things are, which an average over the map loses and points need. The
    hidden layer is normalised: its inputs are all positive, so that without it a few early steps
    push every hidden unit below zero for good.
    """

    def __init__(self, channels_in, cells, reduced, hidden, outputs):
        super().__init__()
        self.reduce = convolution(channels_in, reduced, kernel=1)
        self.hidden = nn.Linear(reduced * cells * cells, hidden, bias=False)
        self.normalise = nn.BatchNorm1d(hidden)
        self.output = output_layer(hidden, outputs)

    def forward(self, features):
        flat = self.reduce(features).flatten(1)
        return self.output(functional.relu(self.normalise(self.hidden(flat))))


def unit(vectors):
    """(N,3,…) vectors to length one; the tiny offset keeps a zero vector finite."""
    return vectors / (vectors.square().sum(dim=1, keepdim=True) + 1e-12).sqrt()
