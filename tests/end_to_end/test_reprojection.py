# SPDX-License-Identifier: GPL-3.0-or-later
"""A real take in Blender: its camera sees the head where the take says it is."""

import json
import subprocess

import build

MOST = 1.0  # pixels at 512


def test_the_head_lies_over_the_footage_in_blender(carphone_take):
    command = [build.BLENDER.python, "-m", "blender_addon.reprojection", carphone_take, "--json"]
    done = subprocess.run(
        [str(word) for word in (*command, "--frames", 12)],
        cwd=build.ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["frames"] == 12
    assert told["points68"] < MOST and told["all_points"] < MOST
    # Where tracking saw them is the solve's business, but it is the same face.
    assert told["tracked"] < 0.01 * 512
