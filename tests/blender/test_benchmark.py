# SPDX-License-Identifier: GPL-3.0-or-later
"""What the project promises of long takes, by the command that measures it."""

import json

import fabricate
import pytest

from blender_addon import benchmark

MOST_MS, MOST_MB = 2000, 500


@pytest.mark.parametrize("kind", ["keys alone", "a whole take"])
def test_ten_thousand_frames(kind, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "ROUNDS", 2)
    arguments = ["--json"]
    if kind == "a whole take":
        path = fabricate.write(tmp_path / "real.mien.npz", fabricate.real_take())
        arguments += ["--take", str(path)]
    benchmark.main(arguments)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    told = json.loads(lines[-1])
    assert told["frames"] == 10_000 and told["shapes"] == 52
    assert 0 < told["write_ms"] < MOST_MS
    assert told["memory_mb"] is None or 10 < told["memory_mb"] < MOST_MB
