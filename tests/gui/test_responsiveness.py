# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender answers while a capture runs: how long the add-on keeps it busy, in a real window.

Two figures, found in two ways (see `Clock` in driver.py): the time of every call of Blender into
the add-on, and the gaps between the ticks of a timer, which see Blender's own drawing and other
programs too. Without a GPU, and with the runner on the same cores, those are most of the gaps.
"""

import json

import pytest
from test_window import BUSY, CAPTURE, CAPTURE_SECONDS, IDLE, choose

pytestmark = pytest.mark.speed

LONGEST_CALL_MS = 30.0
PARTS_SHOWN = 25


def watch(window, capsys, title: str, act) -> list[dict]:
    """The calls into the add-on while something is done, longest first; figures are printed."""
    window.run("clock.start()")
    act()
    seen = window.run("clock.stop()")
    calls = sorted(seen["calls"], key=lambda call: -call["ms"])
    gaps = sorted(seen["gaps"])
    with capsys.disabled():
        print(f"\n{title}: {len(calls)} calls; longest (ms; computing; queued besides):")
        for call in calls[:5]:
            figures = (f"{call[name]:8.1f}" for name in ("ms", "cpu_ms", "queued_ms"))
            print(f"  {' '.join(figures)}  {call['name']}")
        middle, high = gaps[len(gaps) // 2], gaps[int(len(gaps) * 0.95)]
        print(
            f"  ticks every 5 ms: {len(gaps)} gaps, median {middle:.0f}, 95 % below {high:.0f}, "
            f"longest {gaps[-1]:.0f} ms"
        )
        for call in calls[:2]:
            for part in call.get("parts", [])[:PARTS_SHOWN]:
                print(f"    {part['ms']:8.1f} ms in {part['times']:4} x {part['name']}")
    return calls


def test_no_call_keeps_blender_busy_while_capturing(window, capsys):
    window.run("bpy.context.scene.mien.when_done = 'NONE'")

    def capture() -> None:
        window.click(CAPTURE)
        window.wait(BUSY)
        window.wait(IDLE, CAPTURE_SECONDS)

    def rest() -> None:
        window.run("def steps():\n    yield 5.0")

    watch(window, capsys, "at rest", rest)
    looking = watch(window, capsys, "looking at footage", lambda: choose(window, "clip.mp4"))
    capturing = watch(window, capsys, "capturing", capture)
    assert capturing and window.run("len(bpy.context.scene.mien.takes)") == 1

    def apply() -> None:
        window.click("mien.apply_take(")
        window.wait("len(bpy.data.shape_keys) > 0")

    watch(window, capsys, "applying", apply)
    longest = max(looking + capturing, key=lambda call: call["ms"])
    assert longest["ms"] <= LONGEST_CALL_MS, json.dumps(longest)
