# SPDX-License-Identifier: GPL-3.0-or-later
"""Skins lifted off pictures whose albedo and light are known, and the bank of them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.head import SHAPE_NAMES
from models.synthesis import pool, skin_bank
from models.synthesis.light import Light
from models.synthesis.people import Person
from models.synthesis.renderer import PeopleRenderer
from models.synthesis.shading import develop
from models.synthesis.skin import Skin, SkinPainter
from models.synthesis.skin_bank import SkinBank
from models.synthesis.skin_chart import CHART_HEIGHT, CHART_WIDTH, spot
from models.synthesis.skin_lifting import (
    Unwrapper,
    Zones,
    complete,
    enlarged,
    learn_mean,
    lift,
    membrane,
    without_highlights,
)
from models.synthesis.view import FACING, frame_face

SIZE = (CHART_HEIGHT, CHART_WIDTH)
TONE = np.log([0.42, 0.24, 0.17])
SIDE_LIGHT = Light(np.full(3, 0.2), np.array([[-0.81, -0.3, -0.5]]), np.array([[1.1, 1.0, 0.9]]),
                   np.array([0.0, 0.0, -1.0]), np.zeros(3), 1.0)


@pytest.fixture(scope="module")
def renderer():
    return PeopleRenderer(bare=True)


@pytest.fixture(scope="module")
def unwrapper(renderer):
    return Unwrapper(renderer.head, renderer.occlusion)


@pytest.fixture(scope="module")
def zones(renderer, unwrapper):
    return Zones(renderer.head, unwrapper.chart)


def photograph(renderer, skin, light, seed):
    """A picture (S,S,3) uint8 of a person with a given skin, and its fit."""
    rng = np.random.default_rng(seed)
    actor = replace(renderer.actors.make(rng), skin=skin)
    weights = np.zeros(len(SHAPE_NAMES), np.float32)
    weights[SHAPE_NAMES.index("mouthSmileLeft")] = 0.3
    gaze = np.zeros((2, 2))
    vertices = actor.face(weights, gaze)
    view = frame_face(renderer.head, vertices, FACING, pool.IMAGE_SIDE, rng)
    scene = renderer.scene(actor, Person(actor.identity, weights, gaze), vertices, view, [], light)
    backdrop = np.full((pool.IMAGE_SIDE, pool.IMAGE_SIDE, 3), 90, np.uint8)
    # Every drawn pixel is kept: about as many as a chart has, between a portrait's and a scan's.
    picture = develop(renderer.draw(scene, backdrop, 0.9).linear, 1)
    large = view.enlarged(2)
    shift = np.array([*((large.side - 1) / 2 - large.intrinsics[:2, 2]), 0.0])
    assert np.abs(shift).max() < 1e-6
    return picture, {"identity": actor.identity, "weights": weights, "gaze": gaze,
                     "rotation": view.rotation, "translation": view.translation,
                     "focal": large.focal}


def matt(log):
    """A skin of known log albedo (H,W,3) without shine."""
    albedo = np.zeros((*SIZE, 4), np.float32)
    albedo[..., :3] = np.exp(log)
    return Skin(albedo, np.exp(TONE), 0.5, 0.0, {})


def spotted(unwrapper, seed):
    """Log albedo (H,W,3): the tone with red and dark spots of known places on cheeks and chin."""
    rng = np.random.default_rng(seed)
    marks = unwrapper.chart.marks
    log = np.tile(TONE, (*SIZE, 1))
    for first, second in ((36, 48), (45, 54), (40, 49), (47, 53), (57, 8), (27, 30)):
        place = (marks[first] + marks[second]) / 2 + rng.normal(0, 4, 2)
        colour = rng.uniform(-0.6, -0.2) * np.array([0.3, 1.0, 0.9])
        log = log + spot(place, 5.0, 5.0)[..., None] * colour
    return log


def test_light_is_taken_off(renderer, unwrapper, zones):
    truth = spotted(unwrapper, 0)
    picture, fit = photograph(renderer, matt(truth), SIDE_LIGHT, 5)
    raw = unwrapper.unwrap(picture, fit)
    skin = lift(raw, unwrapper, zones, np.zeros((*SIZE, 3), np.float32))
    plain = (skin.trust > 0.5) & (zones.plain > 0.5)
    assert plain.sum() > 15000

    def error(log):
        rest = (log - truth)[plain]
        return np.sqrt(((rest - rest.mean(axis=0)) ** 2).mean())

    # Light from one side spreads the photograph's logarithms far more than its skin's.
    lit, lifted = error(np.log(raw.colour)), error(skin.log)
    assert lit > 0.25
    assert lifted < 0.09
    # The spots lie where they were painted.
    lifted_red, red = ((log[..., 0] - log[..., 1])[plain] for log in (skin.log, truth))
    assert np.corrcoef(lifted_red, red)[0, 1] > 0.85


def test_a_whole_skin_is_near_the_truth(renderer, unwrapper, zones):
    truth = spotted(unwrapper, 1)
    picture, fit = photograph(renderer, matt(truth), SIDE_LIGHT, 6)
    mean = np.zeros((*SIZE, 3), np.float32)
    skin = lift(unwrapper.unwrap(picture, fit), unwrapper, zones, mean)
    low, detail = complete(skin, zones, mean)
    whole = enlarged(low) + detail
    assert np.isfinite(whole).all()
    rest = (whole - (truth - TONE))[zones.plain > 0.5]
    assert np.abs(np.median(rest, axis=0)).max() < 0.05
    assert np.sqrt((rest ** 2).mean()) < 0.12
    # Far from the face is nothing but the tone.
    assert np.abs(whole[:20]).max() < 0.1 and np.abs(whole[:, :20]).max() < 0.1


def test_the_mean_of_many_is_what_they_share(renderer, unwrapper, zones):
    shared = spotted(unwrapper, 2)
    lights = [replace(SIDE_LIGHT, lobe_directions=np.array([[x, -0.5, -0.6]]) / np.hypot(x, 0.78))
              for x in (-0.8, 0.0, 0.7)]
    photographs = [unwrapper.unwrap(*photograph(renderer, matt(shared), light, 10 + k))
                   for k, light in enumerate(lights)]
    mean = learn_mean(photographs, unwrapper, zones)
    np.testing.assert_allclose(mean, mean[:, ::-1], atol=1e-4)
    symmetric = (shared + shared[:, ::-1]) / 2 - TONE
    inside = zones.inner > 0.8
    redness, known = ((part[..., 0] - part[..., 1])[inside] for part in (mean, symmetric))
    assert np.corrcoef(redness, known)[0, 1] > 0.85


def test_highlights_go_and_the_skin_stays():
    albedo = np.tile(np.exp(TONE), (*SIZE, 1))
    gleam = spot((200, 150), 4.0, 4.0)[..., None]
    trust = np.ones(SIZE, np.float32)
    shiny = without_highlights(np.log(albedo + 0.25 * gleam).astype(np.float32), trust)
    before, after = np.log(albedo + 0.25 * gleam) - TONE, shiny - TONE
    assert np.abs(after).max() < 0.6 * np.abs(before).max()
    redder = np.tile(TONE, (*SIZE, 1)) + gleam * (0.1, -0.3, -0.3)
    kept = without_highlights(redder.astype(np.float32), trust)
    assert np.abs(kept - redder).max() < 0.05


def test_membrane_keeps_what_is_known():
    values = np.full((40, 56, 3), 0.7, np.float32)
    weight = np.zeros((40, 56), np.float32)
    weight[10:30, 10:30] = 1
    filled = membrane(values * weight[..., None], weight)
    np.testing.assert_allclose(filled[10:30, 10:30], 0.7, atol=1e-5)
    assert (filled[12:28, 31:33] > 0.4).all() and (filled < 0.71).all()
    assert np.abs(membrane(values, np.zeros_like(weight))).max() == 0


@pytest.fixture(scope="module")
def folder(renderer, tmp_path_factory):
    """A folder of photographs of painted people, and the file of their fits."""
    folder = tmp_path_factory.mktemp("photographs")
    rows = []
    for k in range(5):
        rng = np.random.default_rng([8, k])
        skin = renderer.actors.make(rng).skin
        picture, fit = photograph(renderer, replace(skin, shine=0.2), SIDE_LIGHT, 20 + k)
        cv2.imwrite(str(folder / f"{k}.png"), picture[..., ::-1])
        rows.append(fit | {"name": f"{k}.png", "residual": 0.01})
    fits = folder / "fits.npz"
    np.savez(fits, **{name: np.array([row[name] for row in rows]) for name in rows[0]})
    return folder, fits


@pytest.fixture(scope="module")
def bank(folder):
    return skin_bank.build(*folder)


def test_the_command_writes_the_bank(folder, bank, tmp_path, capsys):
    path = tmp_path / "skins.npz"
    photos, fits = folder
    assert skin_bank.main(["--photos", str(photos), "--fits", str(fits), "-o", str(path)]) == 0
    again = SkinBank.load(path)
    assert f"{len(bank)} skins" in capsys.readouterr().out
    assert 1 <= len(again) == len(bank) <= 5
    for name in ("tone", "beard", "score", "sharpness", "low"):
        np.testing.assert_array_equal(getattr(again, name), getattr(bank, name))
    np.testing.assert_array_equal(again.detail(0), bank.detail(0))
    assert again.detail(0).shape == (*SIZE, 3) and again.detail(0).dtype == np.uint8


def test_people_wear_the_skins(renderer, bank):
    painter = SkinPainter(renderer.head, bank)

    def paint(seed):
        return painter.paint(np.random.default_rng(seed), TONE, np.array([0.02, 0.015, 0.01]), 0.5,
                             (painter.layers.start["beard"], 0.0),
                             (painter.layers.start["scalp"], 0.0))

    skins = [paint(seed) for seed in range(8)]
    for seed, skin in enumerate(skins):
        assert np.isfinite(skin.albedo).all() and (skin.albedo[..., :3] > 0).all()
        assert skin.albedo[..., :3].max() <= 0.9
        np.testing.assert_array_equal(paint(seed).albedo, skin.albedo)
        # A drawn tone is kept in lightness, or the photographed person's is.
        tones = np.append(bank.tone.mean(axis=1), TONE.mean())
        assert np.abs(tones - np.log(skin.tone).mean()).min() < 0.02
    painted = SkinPainter(renderer.head)
    plain = painted.paint(np.random.default_rng(0), TONE, np.full(3, 0.02), 0.5, (0, 0.0), (0, 0.0))
    assert any(np.abs(skin.albedo - plain.albedo).mean() > 0.01 for skin in skins)


def test_creases_deepen_where_they_lie(renderer):
    painter = SkinPainter(renderer.head)
    skin = painter.paint(np.random.default_rng(0), TONE, np.full(3, 0.02), 0.5, (0, 0.0), (0, 0.0))
    rest = skin.albedo.copy()
    weights = np.zeros(len(SHAPE_NAMES))
    assert painter.creased(skin, weights) is skin
    weights[SHAPE_NAMES.index("browInnerUp")] = 1.0
    creased = painter.creased(skin, weights)
    np.testing.assert_array_equal(skin.albedo, rest)
    changed = np.abs(creased.albedo - rest).max(axis=2) > 0
    layer, _ = skin.folds["folds_forehead"]
    np.testing.assert_array_equal(changed, painter.layers.maps[layer] != 0)
    assert (creased.albedo <= rest + 1e-6).all()


@pytest.mark.parametrize("wrong", ["no photos", "no fits", "other file", "other photos", "text"])
def test_bad_input_is_one_sentence(wrong, folder, tmp_path, capsys):
    photos, fits = folder
    if wrong == "no photos":
        photos = tmp_path / "nowhere"
    elif wrong == "no fits":
        fits = tmp_path / "nothing.npz"
    elif wrong == "other photos":
        photos = tmp_path
    else:
        fits = tmp_path / "other.npz"
        if wrong == "text":
            fits.write_text("no archive")
        else:
            np.savez(fits, points=np.zeros(3))
    words = ["--photos", str(photos), "--fits", str(fits), "-o", str(tmp_path / "skins.npz")]
    assert skin_bank.main(words) == 2
    message = capsys.readouterr().err.strip()
    assert message and "\n" not in message and "Traceback" not in message
    assert not (tmp_path / "skins.npz").exists()


def test_another_file_is_no_bank(tmp_path):
    path = tmp_path / "skins.npz"
    np.savez(path, points=np.zeros(3))
    with pytest.raises(ValueError, match="not a bank of skins"):
        SkinBank.load(path)
    path.write_text("no archive")
    with pytest.raises(ValueError, match="not a bank of skins"):
        SkinBank.load(path)
    with pytest.raises(FileNotFoundError):
        SkinBank.load(tmp_path / "missing.npz")
