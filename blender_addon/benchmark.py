# SPDX-License-Identifier: GPL-3.0-or-later
"""How long Blender takes to receive a take: `python -m blender_addon.benchmark [--json]`.

Writes 52 shapes over 1,000 and 10,000 frames onto a mesh of the head's size, several times, and
prints the median. The memory is what the process has grown by at most while the longer one was
written for the first time; on systems that do not tell, none is printed.

    python -m blender_addon.benchmark --take TAKE [--json]

applies the take to a head of its own instead, its motion repeated to 10,000 frames, and prints the
time and memory of all of it: pose, eyes, camera and sliders too.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

SHAPES, VERTICES = 52, 5000
SHORT, LONG = 1000, 10_000
ROUNDS = 7
MEBIBYTE = 1 << 20


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    import bpy

    parser = argparse.ArgumentParser(prog="python -m blender_addon.benchmark")
    parser.add_argument("--take", type=Path, help="apply this take, repeated")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    options = parser.parse_args(arguments)
    if options.take is None:
        _write_once(SHORT)  # what is loaded at the first use of anything is not the take's
        memory = _growth(_write_once, LONG)
        results = [_result(frames, _write_once, frames) for frames in (SHORT, LONG)]
        results[-1]["memory_mb"] = memory
    else:
        take = _repeated(options.take, LONG)
        memory = _growth(_apply_once, take)
        results = [_result(LONG, _apply_once, take) | {"memory_mb": memory}]
    for measured in results:
        result = {"blender": bpy.app.version_string, "shapes": SHAPES, **measured}
        print(json.dumps(result) if options.json else _sentence(result))


def _result(frames: int, work, subject) -> dict:
    times = [work(subject) for _ in range(ROUNDS)]
    return {
        "frames": frames,
        "write_ms": round(statistics.median(times) * 1000, 2),
        "slowest_ms": round(max(times) * 1000, 2),
    }


def _sentence(result: dict) -> str:
    words = (
        "Blender {blender}: {shapes} shapes x {frames} keys in {write_ms} ms "
        "(median; slowest {slowest_ms} ms)".format(**result)
    )
    memory = result.get("memory_mb")
    return words if memory is None else f"{words}, {memory} MB more memory"


def _write_once(frames: int) -> float:
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
    weights = np.random.default_rng(0).random((frames, SHAPES))
    start = time.perf_counter()
    channels = [
        Channel(f'key_blocks["{block.name}"].value', column)
        for block, column in zip(keys.key_blocks[1:], weights.T)
    ]
    write_action(keys, "bench", np.arange(1, frames + 1), channels)
    elapsed = time.perf_counter() - start
    bpy.context.scene.frame_set(frames // 2)
    shown = [block.value for block in keys.key_blocks[1:]]
    np.testing.assert_allclose(shown, weights[frames // 2 - 1], atol=1e-5)
    return elapsed


def _apply_once(take) -> float:
    """Seconds to apply a take to a head that is there; checks that Blender then shows it."""
    import bpy

    from .scene.apply import apply_to_head
    from .scene.character import add_posable_head

    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    head = add_posable_head(bpy.context, take, "bench").head
    start = time.perf_counter()
    apply_to_head(bpy.context, head, take, "bench")
    elapsed = time.perf_counter() - start
    row = len(take.time) // 2
    bpy.context.scene.frame_set(row + 1)
    blocks = head.data.shape_keys.key_blocks
    shown = [blocks[name].value for name in take.header.shape_names]
    np.testing.assert_allclose(shown, take.weights[row], atol=1e-5)
    return elapsed


def _repeated(path: Path, frames: int):
    """A take whose motion goes to and fro until it has so many frames."""
    from .take import read_take

    take = read_take(path)
    rows = np.arange(len(take.time))
    there_and_back = np.concatenate([rows, rows[::-1]])
    rows = np.resize(there_and_back, frames)
    per_frame = ("found", "confidence", "weights", "weights_raw", "head_rotation")
    per_frame += ("head_position", "eye_rotation", "corrective_weights", "points68")
    return replace(
        take,
        time=np.arange(frames) / float(take.header.source.frame_rate),
        frame=np.arange(frames, dtype=np.int32),
        **{name: getattr(take, name)[rows] for name in per_frame},
    )


def _growth(work, subject) -> float | None:
    """By how many megabytes the process grows at most during some work."""
    gc.collect()
    before = _memory("VmRSS")
    _forget_peak()
    work(subject)
    peak = _memory("VmHWM")
    return None if before is None or peak is None else round((peak - before) / MEBIBYTE, 1)


def _memory(field: str) -> int | None:
    """Bytes by the kernel's account of this process; None where there is no such account."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    kilobytes = next((line.split()[1] for line in lines if line.startswith(f"{field}:")), None)
    return None if kilobytes is None else int(kilobytes) * 1024


def _forget_peak() -> None:
    """Let the account of the largest size start anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


if __name__ == "__main__":
    main()
