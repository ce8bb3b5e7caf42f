# SPDX-License-Identifier: GPL-3.0-or-later
"""`models average`: what lies between two checkpoints."""

from dataclasses import replace

import pytest
import torch

from models.__main__ import main
from models.reconstruction.checkpoint import load_checkpoint, network_from, save_checkpoint
from models.reconstruction.config import NetworkConfig
from models.reconstruction.network import ReconstructionNetwork

CONFIG = NetworkConfig(points=70, widths=(8, 8, 8, 8), pixel_widths=())
PIXELS = replace(CONFIG, pixel_widths=(8, 8, 8, 8))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """One without per-pixel heads, one with; the latter's own weights are not its averaged ones."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    save_checkpoint(folder / "faces.pt", ReconstructionNetwork(CONFIG))
    other = ReconstructionNetwork(PIXELS)
    save_checkpoint(folder / "pixels.pt", ReconstructionNetwork(PIXELS), average=other.state_dict())
    return folder / "faces.pt", folder / "pixels.pt"


@pytest.mark.parametrize("words, share", [([], 0.5), (["--share", "0.25"], 0.25), (["--share", "0"], 0.0)])
def test_weights_lie_between_and_parts_of_one_are_kept(checkpoints, tmp_path, words, share):
    first, second = (network_from(load_checkpoint(path)).state_dict() for path in checkpoints)
    for order in (checkpoints, checkpoints[::-1]):
        out = tmp_path / "mean.pt"
        assert main(["average", *map(str, order), "-o", str(out), *words]) == 0
        network = network_from(load_checkpoint(out))
        assert network.config == PIXELS
        of_second = share if order == checkpoints else 1 - share
        for name, value in network.state_dict().items():
            if name in first and value.is_floating_point():
                expected = first[name] * (1 - of_second) + second[name] * of_second
                torch.testing.assert_close(value, expected)
            elif name not in first:
                assert name.startswith("pixel_head.") and torch.equal(value, second[name])


def test_what_has_no_mean_is_one_sentence(checkpoints, tmp_path, capsys):
    first, second = map(str, checkpoints)
    wider, out = tmp_path / "wider.pt", tmp_path / "out.pt"
    save_checkpoint(wider, ReconstructionNetwork(replace(CONFIG, mouth_hidden=8)))
    missing = str(tmp_path / "none" / "out.pt")
    for words in (
        [first, str(wider), "-o", str(out)],
        [first, str(tmp_path / "none.pt"), "-o", str(out)],
        [first, second, "-o", str(out), "--share", "1.5"],
        [first, second, "-o", missing],
    ):
        assert main(["average", *words]) == 2
    assert not out.exists()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 4 and all(line.startswith("models average:") for line in lines)
