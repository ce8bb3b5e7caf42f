# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: plain dictionaries of tensors and numbers, loaded without running any code."""

import os
from dataclasses import asdict

import torch

from .config import NetworkConfig
from .network import ReconstructionNetwork

FORMAT = "mien-checkpoint"
VERSION = 6  # the shipped network's; `models restore` makes one of the shipped files


def save_checkpoint(path, network, **more):
    """Write `network` and `more` (tensors and plain values) to `path`, whole or not at all.

    Written beside and renamed, so that a kill at any moment leaves the former file intact.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "network_config": asdict(network.config),
        "network": network.state_dict(),
        **more,
    }
    beside = f"{path}.partial"
    torch.save(content, beside)
    os.replace(beside, path)


def require_folder_of(path):
    """Raise FileNotFoundError if there is no folder to write `path` into."""
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder} to write {path} into")


def load_checkpoint(path):
    """The dictionary written by `save_checkpoint`, on the CPU.

    Raises FileNotFoundError, or ValueError for a file that is no checkpoint of ours.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no checkpoint {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise ValueError(f"{path} is not a readable checkpoint: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is not a Mien checkpoint")
    if content["version"] != VERSION:
        raise ValueError(f"{path} has checkpoint version {content['version']}, not {VERSION}")
    return content


def take_weights(network, weights):
    """Give a network the weights (name -> tensor) of a checkpoint; ValueError if they do not fit."""
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"these weights are of another network: {error}") from error


def network_from(content):
    """The network of a loaded checkpoint, in evaluation mode; averaged weights if it has them.

    Raises ValueError if they are of a network with other parts.
    """
    network = ReconstructionNetwork(NetworkConfig.from_dict(content["network_config"]))
    take_weights(network, content.get("average", content["network"]))
    return network.eval()
