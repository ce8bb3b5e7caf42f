# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m models average`: the mean of two checkpoints' weights, as a checkpoint.

Two networks that went on from the same weights lie so near to each other that what lies between
them is as good a network (Wortsman et al. 2022, "Model soups", arXiv 2203.05482): half of what each
has learnt, and of what that cost.
"""

from dataclasses import replace


def add_arguments(parser):
    parser.add_argument("first", help="a checkpoint of `models train`")
    parser.add_argument("second", help="another that began with the same weights")
    parser.add_argument("-o", "--output", required=True, help="the checkpoint to write")
    parser.add_argument(
        "--share", type=float, default=0.5,
        help="of the second one in the mean (0.5); with 0 nothing is taken from it but parts that the"
        " first one does not have, as the per-pixel heads",
    )  # fmt: skip


def run(arguments):
    from .checkpoint import load_checkpoint, network_from, require_folder_of, save_checkpoint

    if not 0 <= arguments.share <= 1:
        raise ValueError("--share is a share from 0 to 1")
    require_folder_of(arguments.output)
    networks = [network_from(load_checkpoint(path)) for path in (arguments.first, arguments.second)]
    save_checkpoint(arguments.output, mean_of(*networks, arguments.share))
    print(f"wrote {arguments.output}")


def mean_of(first, second, share):
    """A ReconstructionNetwork whose weights and running figures lie by `share` (0..1) of the way
    from those of `first` to those of `second`; parts that only one of them has are as it has them.

    Raises ValueError for networks whose shared parts differ in size.
    """
    from .checkpoint import take_weights
    from .network import ReconstructionNetwork

    config = first.config
    if not config.pixel_widths:
        config = replace(config, pixel_widths=second.config.pixel_widths)
    if replace(second.config, pixel_widths=config.pixel_widths) != config:
        raise ValueError("these checkpoints are of networks of other sizes: they have no mean")
    weights, others = first.state_dict(), second.state_dict()
    mean = others | weights
    for name in weights.keys() & others.keys():
        if weights[name].is_floating_point():
            mean[name] = weights[name].lerp(others[name], share)
    network = ReconstructionNetwork(config).eval()
    take_weights(network, mean)
    return network
