# SPDX-License-Identifier: GPL-3.0-or-later
"""Shapes and bones found in the spellings of the tools that characters come from."""

import re

import fabricate
import pytest

from blender_addon.scene.naming import find_head_bone, match_shapes
from blender_addon.scene.regions import OTHER_REGION, REGION_TITLES, region_of

WANTED = fabricate.SHAPE_NAMES


def parted(name: str) -> list[str]:
    """eyeBlinkLeft as eye, Blink, Left."""
    return re.findall(r"[A-Z]?[a-z]+|[A-Z]", name)


def short_side(name: str, mark: str) -> str:
    """eyeBlinkLeft as eyeBlink_L, with mark "_"."""
    return re.sub("(Left|Right)$", lambda match: mark + match[0][0], name)


SPELLINGS = {
    "ARKit, ReadyPlayerMe, Faceit, MPFB": lambda name: name,
    "Unity, VRM perfect sync, Live Link Face": lambda name: name[0].upper() + name[1:],
    "iFacialMocap": lambda name: short_side(name, "_"),
    "Blender's own sides": lambda name: short_side(name, "."),
    "camel with a letter": lambda name: short_side(name, ""),
    "Character Creator": lambda name: "_".join(parted(short_side(name, "_"))).title(),
    "iClone, numbered": lambda name: f"A{WANTED.index(name) + 1:02}_" + "_".join(parted(name)),
    "no capitals": str.lower,
    "all capitals": str.upper,
    "snake": lambda name: "_".join(parted(name)).lower(),
    "spaced": lambda name: " ".join(parted(name)),
    "FBX node": lambda name: f"blendShape1.{name}",
    "a group's name": lambda name: "Face.M F00 " + short_side(name, "_"),
    "copied": lambda name: f"{name}.001",
    "hung on": lambda name: f"{name}_Mesh",
    "side first": lambda name: re.sub("^(.*)(Left|Right)$", r"\2_\1", name),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_all_shapes_are_known_in_the_spelling_of(spelling):
    spell = SPELLINGS[spelling]
    names = ["Basis", *(spell(name) for name in WANTED)]
    matches = match_shapes(WANTED, names)
    assert matches == {name: (spell(name),) for name in WANTED}


def test_character_creators_own_words():
    names = """Brow_Drop_L Brow_Drop_R Brow_Raise_Inner_L Brow_Raise_Inner_R Brow_Raise_Outer_L
        Cheek_Raise_R Eye_Blink_L Eye_Blink_R Eye_L_Look_L Eye_L_Look_R Eye_R_Look_L Eye_R_Look_Up
        Jaw_Open Jaw_L Jaw_R Mouth_L Mouth_Down_Lower_L Mouth_Up_Upper_R Mouth_Roll_In_Upper
        Cheek_Puff_L Cheek_Puff_R V_Open Head_Turn_L Nose_Scrunch""".split()
    matches = match_shapes(WANTED, names)
    assert matches == {
        "browDownLeft": ("Brow_Drop_L",),
        "browDownRight": ("Brow_Drop_R",),
        "browInnerUp": ("Brow_Raise_Inner_L", "Brow_Raise_Inner_R"),
        "browOuterUpLeft": ("Brow_Raise_Outer_L",),
        "cheekPuff": ("Cheek_Puff_L", "Cheek_Puff_R"),
        "cheekSquintRight": ("Cheek_Raise_R",),
        "eyeBlinkLeft": ("Eye_Blink_L",),
        "eyeBlinkRight": ("Eye_Blink_R",),
        "eyeLookInLeft": ("Eye_L_Look_R",),
        "eyeLookInRight": ("Eye_R_Look_L",),
        "eyeLookOutLeft": ("Eye_L_Look_L",),
        "eyeLookUpRight": ("Eye_R_Look_Up",),
        "jawLeft": ("Jaw_L",),
        "jawOpen": ("Jaw_Open",),
        "jawRight": ("Jaw_R",),
        "mouthLeft": ("Mouth_L",),
        "mouthLowerDownLeft": ("Mouth_Down_Lower_L",),
        "mouthRollUpper": ("Mouth_Roll_In_Upper",),
        "mouthUpperUpRight": ("Mouth_Up_Upper_R",),
    }


def test_a_movement_of_the_middle_may_be_there_in_halves():
    halves = ["browInnerUp_L", "browInnerUp_R", "cheekPuff_L"]
    assert match_shapes(WANTED, halves) == {"browInnerUp": ("browInnerUp_L", "browInnerUp_R")}
    whole = match_shapes(WANTED, [*halves, "browInnerUp"])
    assert whole == {"browInnerUp": ("browInnerUp",)}


@pytest.mark.parametrize(
    "name",
    [
        "Basis",
        "MTH_A",
        "Fcl_MTH_Angry",
        "Fcl_EYE_Close_L",
        "mouth_cornerPull_L",
        "CTRL_L_eye_cheekRaise",
        "CTRL_C_jaw",
        "mouthSmile",  # ReadyPlayerMe has it beside the two sides: both at once
        "mouthOpen",
        "viseme_aa",
        "eyesClosed",
        "browInnerUpLeft",  # one half alone
        "jawOpen_corrective",
        "mouth_jawOpen_smile",
        "upper_mouth_L",
        "teeth_jaw_R",
        "jawOpen+mouthFunnel",
        "eyeBlinkLeft@50",
        "",
        "...",
    ],
)
def test_what_is_no_such_shape_matches_none(name):
    assert match_shapes(WANTED, [name]) == {}


def test_of_several_the_nearest_wins_whatever_their_order():
    names = ["old_eyeBlinkLeft", "Eye_Blink_L", "eyeBlinkLeft", "EyeBlinkLeft.001"]
    for turn in range(len(names)):
        turned = names[turn:] + names[:turn]
        assert match_shapes(WANTED, turned) == {"eyeBlinkLeft": ("eyeBlinkLeft",)}
    assert match_shapes(WANTED, ["old_eyeBlink_L", "Eye_Blink_L"])["eyeBlinkLeft"] == (
        "Eye_Blink_L",
    )
    alike = ["EyeBlink_L", "eye_blink_l"]
    assert match_shapes(WANTED, alike)["eyeBlinkLeft"] == ("EyeBlink_L",)
    assert match_shapes(WANTED, alike[::-1])["eyeBlinkLeft"] == ("eye_blink_l",)


def test_a_lone_jaw_needs_company_to_bear_a_prefix():
    assert match_shapes(WANTED, ["Hero_Jaw_L"]) == {}
    company = ["Hero_Jaw_L", "Hero_Jaw_Open"]
    assert match_shapes(WANTED, company)["jawLeft"] == ("Hero_Jaw_L",)


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["neck", "head", "jaw"], "head"),
        (["mixamorig:Neck", "mixamorig:Head", "mixamorig:HeadTop_End"], "mixamorig:Head"),
        (["CC_Base_NeckTwist01", "CC_Base_Head"], "CC_Base_Head"),
        (["DEF-head", "ORG-head", "MCH-ROT-head", "head"], "head"),
        (["DEF-head"], "DEF-head"),
        (["head.x", "c_head.x"], "c_head.x"),
        (["J_Bip_C_Neck", "J_Bip_C_Head"], "J_Bip_C_Head"),
        (["Bip001 Head", "Bip001 HeadNub"], "Bip001 Head"),
        (["Head_M"], "Head_M"),
        (["forehead", "head_end", "spine.006"], ""),
        ([], ""),
    ],
)
def test_the_bone_that_turns_the_head(names, found):
    assert find_head_bone(names) == found


def test_every_shape_has_its_region_in_any_spelling():
    titles = {name: region_of(name) for name in WANTED}
    assert set(titles.values()) == set(REGION_TITLES) - {OTHER_REGION}
    assert titles["browInnerUp"] == "Brows" and titles["cheekPuff"] == "Nose and Cheeks"
    for spell in SPELLINGS.values():
        assert {name: region_of(spell(name)) for name in WANTED} == titles
    assert region_of("corrective 1") == OTHER_REGION
