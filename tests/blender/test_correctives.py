# SPDX-License-Identifier: GPL-3.0-or-later
"""Correctives that follow the shapes they name."""

import fabricate
import numpy as np
import pytest

from blender_addon.scene.apply import apply_to_new_head
from blender_addon.scene.correctives import rule_of
from blender_addon.take import read_take

MEETING, HALFWAY = "mouthSmileLeft+jawOpen", "eyeBlinkLeft@50"
ROWS = (0, 5, 13, 23)


@pytest.fixture
def made(empty_scene, tmp_path):
    """A take whose correctives state a rule each, and its arrays; what it says of them is wrong."""
    arrays = fabricate.small_take(corrective_names=[MEETING, HALFWAY])
    arrays["corrective_weights"] = np.full_like(arrays["corrective_weights"], 0.77)
    take = read_take(fabricate.write(tmp_path / "nod.mien.npz", arrays))
    return arrays, apply_to_new_head(empty_scene.context, take, "nod")


def shown_weights(head) -> dict[str, float]:
    """What Blender makes of all keys, with their drivers."""
    import bpy

    shown = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    return {block.name: block.value for block in shown.data.shape_keys.key_blocks}


def test_names_state_rules():
    shapes = fabricate.SHAPE_NAMES
    assert rule_of(MEETING, shapes).shapes == ("mouthSmileLeft", "jawOpen")
    assert rule_of(HALFWAY, shapes).shapes == ("eyeBlinkLeft",)
    for name in ("residual 1", "jawOpen", "jawOpen+", "+jawOpen", "@50", "chin@50", "jawOpen@25",
                 "jawOpen+chin", "jawOpen+mouthSmileLeft@50", "Basis"):  # fmt: skip
        assert rule_of(name, shapes) is None, name


def test_the_weights_follow_the_performance(made):
    import bpy

    arrays, imported = made
    column = fabricate.SHAPE_NAMES.index
    for row in ROWS:
        bpy.context.scene.frame_set(row + 1)
        shown, weights = shown_weights(imported.head), arrays["weights"][row]
        smile, jaw = weights[column("mouthSmileLeft")], weights[column("jawOpen")]
        blink = weights[column("eyeBlinkLeft")]
        assert shown[MEETING] == pytest.approx(smile * jaw, abs=1e-5)
        assert shown[HALFWAY] == pytest.approx(4 * blink * (1 - blink), abs=1e-5)


def test_no_curve_competes_with_a_driver(made):
    _, imported = made
    keys = imported.head.data.shape_keys
    driven = {curve.data_path for curve in keys.animation_data.drivers}
    assert driven == {f'key_blocks["{name}"].value' for name in (MEETING, HALFWAY)}
    action = keys.animation_data.action
    if hasattr(action, "slots"):
        curves = action.layers[0].strips[0].channelbag(action.slots[0]).fcurves
    else:
        curves = action.fcurves
    assert len(curves) == 52
    assert not driven & {curve.data_path for curve in curves}


def test_the_weights_follow_the_hand(made):
    import bpy

    _, imported = made
    keys = imported.head.data.shape_keys
    keys.animation_data.action = None
    for jaw, smile, blink in ((1.0, 0.5, 0.5), (0.3, 0.2, 1.0), (0.0, 1.0, 0.1)):
        keys.key_blocks["jawOpen"].value = jaw
        keys.key_blocks["mouthSmileLeft"].value = smile
        keys.key_blocks["eyeBlinkLeft"].value = blink
        bpy.context.view_layer.update()
        shown = shown_weights(imported.head)
        assert shown[MEETING] == pytest.approx(jaw * smile, abs=1e-6)
        assert shown[HALFWAY] == pytest.approx(4 * blink * (1 - blink), abs=1e-6)


def test_beyond_the_nominal_range_the_rule_holds(empty_scene, tmp_path):
    import bpy

    arrays = fabricate.small_take(corrective_names=[MEETING, HALFWAY])
    column = fabricate.SHAPE_NAMES.index
    arrays["weights"][5, column("jawOpen")] = 1.4
    arrays["weights"][5, column("mouthSmileLeft")] = 1.3
    arrays["weights"][7, column("mouthSmileLeft")] = -0.5
    arrays["weights"][7, column("jawOpen")] = 1.4
    arrays["weights"][5, column("eyeBlinkLeft")] = 1.2
    take = read_take(fabricate.write(tmp_path / "wide.mien.npz", arrays))
    imported = apply_to_new_head(empty_scene.context, take, "wide")
    bpy.context.scene.frame_set(6)
    assert shown_weights(imported.head)[MEETING] == pytest.approx(1.4 * 1.3, abs=1e-5)
    assert shown_weights(imported.head)[HALFWAY] == 0.0
    bpy.context.scene.frame_set(8)
    assert shown_weights(imported.head)[MEETING] == pytest.approx(-0.5 * 1.4, abs=1e-5)


def test_the_drivers_need_no_trust(made):
    """Blender computes simple expressions itself, also where Python in files may not run."""
    _, imported = made
    objects = (imported.head.data.shape_keys, imported.rig)
    drivers = [curve.driver for thing in objects for curve in thing.animation_data.drivers]
    assert len(drivers) == 2 + 2 + 1
    for driver in drivers:
        assert driver.is_valid and driver.is_simple_expression, driver.expression


def test_they_survive_saving_and_opening(made, tmp_path):
    import bpy

    _, imported = made
    name = imported.head.name
    bpy.context.scene.frame_set(6)
    before = shown_weights(imported.head)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "nod.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "nod.blend"), use_scripts=False)
    bpy.context.scene.frame_set(6)
    assert shown_weights(bpy.data.objects[name]) == pytest.approx(before, abs=1e-6)
