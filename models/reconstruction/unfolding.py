# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint made of exported files again, so that training goes on from what ships.

Checkpoints are too large for the repository; the ONNX files in it hold the same numbers, but batch
normalisation is folded into the convolutions. It is taken apart again so that every layer answers
as before *and* is normalised: what a layer without normalisation gives on training pictures has,
channel by channel, a mean and a variance; these become the running figures of its normalisation,
and whatever undoes them its scale and offset.
"""

import json
import os

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from models.head import load_head

from .config import NetworkConfig
from .export import METADATA_KEY
from .network import ReconstructionNetwork

READING = ("Conv", "MatMul", "Gemm", "BatchNormalization")  # operators that hold weights
# How the exporter names a module that is called a second time (the right eye's readers).
AGAIN = "_1"
BATCH = 64


def network_of(paths, image):
    """The network that the ONNX files of `models export` were written from, in evaluation mode.

    paths: the files, each with some of the network's parts; image: uint8 (N,128,128,3) training
    crops, whose statistics normalisation takes over. Returns it and the set of its parts (top-level
    names) that no file holds, which are as a new network has them. Raises FileNotFoundError, or
    ValueError where a file is not of the first one's network.
    """
    for path in paths:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"there is no file {path}")
    network = ReconstructionNetwork(config_of(paths[0])).eval()
    layers, folded = dict(network.named_modules()), {}
    known = set()
    for path in paths:
        for layer, operator, values in weights_in(path):
            if layer not in layers:
                raise ValueError(f"{path} holds {layer}, which the network does not have")
            try:
                folded |= take(layers[layer], layer, operator, values)
            except RuntimeError as error:
                raise ValueError(f"{layer} in {path} is of another size: {error}") from error
            known.add(layer.split(".")[0])
    normalise_again(network, layers, folded, torch.from_numpy(np.ascontiguousarray(image)))
    return network, {name for name, _ in network.named_children()} - known


def config_of(path):
    """The NetworkConfig of an exported file; that of the head for files that do not say it."""
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    if METADATA_KEY not in metadata:
        raise ValueError(f"{path} is no file of `models export`")
    config = json.loads(metadata[METADATA_KEY]).get("network")
    return NetworkConfig.from_dict(config) if config else NetworkConfig.of(load_head())


def weights_in(path):
    """Names of layers, operators and constant inputs of the nodes of an ONNX file that have any."""
    graph = onnx.load(path).graph
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in constants:
            constants[node.output[0]] = constants[node.input[0]]
    for node in graph.node:
        values = [constants[name] for name in node.input if name in constants]
        again = any(part.endswith(AGAIN) for part in node.name.split("/"))
        if node.op_type in READING and values and not again:
            yield layer_of(node), node.op_type, [torch.from_numpy(np.array(v)) for v in values]


def layer_of(node):
    """The module that a node was traced from: its path, of which each part repeats the former.

    "/second_look/eye/features/features.0/features.0.0/Conv" is second_look.eye.features.0.0.
    """
    path = []
    for part in node.name.strip("/").split("/")[:-1]:
        inside = path and part.startswith(f"{path[-1]}.")
        path = [*path[:-1], part] if inside else [*path, part]
    return ".".join(path)


@torch.no_grad()
def take(layer, name, operator, values):
    """Give a layer its numbers; returns {name: offset} for one whose normalisation is folded."""
    if operator == "BatchNormalization":
        for own, value in zip((layer.weight, layer.bias, layer.running_mean, layer.running_var), values):
            own.copy_(value)
        return {}
    layer.weight.copy_(values[0].T if operator == "MatMul" else values[0])
    if layer.bias is not None:
        layer.bias.copy_(values[1])
    elif operator == "Conv":
        return {name: values[1]}
    return {}


@torch.no_grad()
def normalise_again(network, layers, folded, image):
    """Set the normalisation behind the convolutions `folded` (name -> offset) from pictures."""
    sums, hooks = {}, []
    for name, offset in folded.items():
        norm = layers[f"{name.rpartition('.')[0]}.1"]
        if not isinstance(norm, nn.BatchNorm2d):
            raise ValueError(f"{name} has an offset but no normalisation")
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        norm.bias.copy_(offset)
        hooks.append(norm.register_forward_pre_hook(adding_up(sums)))
    for part in image.split(BATCH):
        network(part)
    for hook in hooks:
        hook.remove()
    for norm, (count, first, second) in sums.items():
        mean = first / count
        variance = second / count - mean.square()
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)


def adding_up(sums):
    """A hook that adds to sums[layer], channel by channel, its inputs' number, sum and squares."""

    def hook(layer, inputs):
        values = inputs[0].transpose(0, 1).flatten(1).double()
        count = torch.full_like(values[:, 0], values.shape[1])
        sums[layer] = sums.get(layer, 0) + torch.stack(
            [count, values.sum(dim=1), values.square().sum(dim=1)]
        )

    return hook
