# SPDX-License-Identifier: GPL-3.0-or-later
"""How long Blender takes to receive a take: `python -m blender_addon.benchmark [--json]`.

Writes 52 shapes over 1000 frames onto a mesh of the head's size, several times, and prints the
median in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

SHAPES, FRAMES, VERTICES = 52, 1000, 5000
ROUNDS = 7


def main() -> None:
    import bpy

    parser = argparse.ArgumentParser(prog="python -m blender_addon.benchmark")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    options = parser.parse_args()
    times = [_write_once() for _ in range(ROUNDS)]
    result = {
        "blender": bpy.app.version_string,
        "shapes": SHAPES,
        "frames": FRAMES,
        "write_ms": round(statistics.median(times) * 1000, 2),
        "slowest_ms": round(max(times) * 1000, 2),
    }
    if options.json:
        print(json.dumps(result))
    else:
        print(
            "Blender {blender}: {shapes} shapes x {frames} keys in {write_ms} ms "
            "(median; slowest {slowest_ms} ms)".format(**result)
        )


def _write_once() -> float:
    """Seconds to write every key onto a fresh mesh; checks that Blender then shows them."""
    import bpy

    from .scene.curves import Channel, write_action

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    mesh = bpy.data.meshes.new("head")
    mesh.vertices.add(VERTICES)
    head = bpy.data.objects.new("head", mesh)
    bpy.context.scene.collection.objects.link(head)
    head.shape_key_add(name="Basis")
    for index in range(SHAPES):
        head.shape_key_add(name=f"shape {index}")
    keys = mesh.shape_keys
    weights = np.random.default_rng(0).random((FRAMES, SHAPES))
    frames = np.arange(1, FRAMES + 1)
    start = time.perf_counter()
    channels = [
        Channel(f'key_blocks["{block.name}"].value', column)
        for block, column in zip(keys.key_blocks[1:], weights.T)
    ]
    write_action(keys, "bench", frames, channels)
    elapsed = time.perf_counter() - start
    bpy.context.scene.frame_set(FRAMES // 2)
    shown = [block.value for block in keys.key_blocks[1:]]
    np.testing.assert_allclose(shown, weights[FRAMES // 2 - 1], atol=1e-5)
    return elapsed


if __name__ == "__main__":
    main()
