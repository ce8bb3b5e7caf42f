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
from dataclasses import replace

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import nn

from .config import NetworkConfig
from .export import IN_16_BITS, METADATA_KEY, SCALE
from .network import ReconstructionNetwork, part_of

PREFIX = "network."  # of the names of constants that the exporter leaves as they are
# How the exporter names a module that is called a second time (the right eye's readers).
AGAIN = "_1"
BATCH = 64
SAME = 1e-2  # of a weight's largest number: far more than folding and 16 bits change


def network_of(paths, image):
    """The network that the ONNX files of `models export` were written from, in evaluation mode.

    paths: the files, each with some of the network's parts; image: uint8 (N,128,128,3) training
    crops, whose statistics normalisation takes over. Returns it and the set of its parts (top-level
    names) that no file holds, which are as a new network has them. Files may come from trainings of
    different parts (`train --only`) of one network. Raises FileNotFoundError, or ValueError where a
    file is not of the first one's network.
    """
    for path in paths:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"there is no file {path}")
    network = ReconstructionNetwork(joint(map(config_of, paths))).eval()
    layers, own = dict(network.named_modules()), network.state_dict()
    known, offsets = set(), {}
    for path in paths:
        constants, nodes = contents(path)
        for name, value in constants.items():
            if name.startswith(PREFIX) and IN_16_BITS not in name and not name.endswith(SCALE):
                put(own, known, name.removeprefix(PREFIX), value, path)
        for layer, operator, values in nodes:
            weight = values[0].T if operator == "MatMul" else values[0]
            put(own, known, f"{layer}.weight", weight, path)
            if operator == "Conv":
                offsets[layer] = torch.from_numpy(np.array(values[1]))
    normalise_again(network, layers, offsets, torch.from_numpy(np.ascontiguousarray(image)))
    return network, set(map(part_of, own)) - set(map(part_of, known))


def config_of(path):
    """The NetworkConfig of an exported file."""
    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise ValueError(f"{path} is no ONNX file") from error
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    config = json.loads(metadata.get(METADATA_KEY, "{}")).get("network")
    if not config:
        raise ValueError(f"{path} does not say which network it holds; export it again")
    return NetworkConfig.from_dict(config)


def joint(configs):
    """The config of a network with the optional parts that any of several networks has."""
    first, *others = configs
    for config in others:
        first = replace(
            first, refinement=first.refinement or config.refinement,
            pixel_widths=first.pixel_widths or config.pixel_widths,
        )  # fmt: skip
    return first


def contents(path):
    """The constants of an ONNX file by name, and layer, operator and constants of those of its
    nodes whose constants have lost their names: folded convolutions and transposed matrices."""
    graph = onnx.load(path).graph
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    for node in graph.node:
        given = [constants[name] for name in node.input if name in constants]
        if node.op_type in ("Identity", "Cast") and given:
            constants[node.output[0]] = given[0].astype(np.float32)
        elif node.op_type == "Mul" and len(given) == 2:  # the scale of what is stored in 16 bits
            constants[node.output[0]] = given[0] * given[1]
    nodes = []
    for node in graph.node:
        held = [name for name in node.input if name in constants and not name.startswith(PREFIX)]
        again = any(part.endswith(AGAIN) for part in node.name.split("/"))
        if node.op_type in ("Conv", "MatMul") and held and not again:
            nodes.append((layer_of(node), node.op_type, [constants[name] for name in held]))
    return constants, nodes


def put(state, known, name, value, path):
    """Copy an array into a network's state and its name into the set of those that are known;
    ValueError where there is no such place, or where the name is known with other numbers."""
    if name not in state or state[name].shape != value.shape:
        raise ValueError(f"{path} holds {name} {value.shape}, which the network does not have")
    given, held = torch.from_numpy(np.array(value)), state[name]
    if name in known and (given - held).abs().max() > SAME * held.abs().max():
        raise ValueError(f"{path} holds another {part_of(name)} than the file before it; restore each alone")
    held.copy_(given)
    known.add(name)


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
def normalise_again(network, layers, offsets, image):
    """Set the normalisation behind convolutions (name -> folded offset) from pictures."""
    sums, hooks = {}, []
    for name, offset in offsets.items():
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
