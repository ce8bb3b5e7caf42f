# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest

from inference.gaps import Timeline, fade_between, hold_between, stretches
from inference.smooth import (
    Noise,
    OneEuro,
    first_difference,
    penalised_fit,
    second_difference,
    smooth,
    stillness,
)

NOISE = Noise(0.002, 0.015)
TIME = np.arange(240) / 30
ONE_SHOT = np.zeros(len(TIME), int)


def smoothed(values, weight=None, time=TIME):
    values = np.asarray(values, float)
    weight = np.ones(len(values)) if weight is None else weight
    return smooth(values[:, None], weight, time[: len(values)], NOISE)[:, 0]


def blink_at(moment):
    return 0.9 * np.exp(-((TIME - moment) ** 2) / (2 * 0.03**2))


def test_penalised_fit_solves_its_normal_equations():
    rng = np.random.default_rng(0)
    time = np.cumsum(rng.uniform(0.5, 2.0, 12))
    values = rng.normal(size=(12, 2))
    weight, penalty = rng.uniform(0.1, 1, 12), rng.uniform(1, 9, 10)
    still = rng.uniform(1, 9, 11)
    left = np.diag(weight)
    for difference, strength in (
        (first_difference(time), still),
        (second_difference(time), penalty),
    ):
        count, width = difference.shape
        matrix = np.zeros((count, 12))
        for row in range(count):
            matrix[row, row : row + width] = difference[row]
        left += matrix.T @ np.diag(strength) @ matrix
    expected = np.linalg.solve(left, weight[:, None] * values)
    assert np.allclose(penalised_fit(values, weight, time, penalty, still), expected)


def test_speed_is_penalised_like_acceleration_at_rest_and_less_in_motion():
    assert np.allclose(stillness(np.full(3, 81.0), 81.0), 9.0)
    strong, strong_too, weak, weak_too = stillness(np.array([81.0, 81.0, 1.0]), 81.0)
    assert strong == strong_too == 9.0 and weak == weak_too < 0.1 * np.sqrt(81.0) ** 2 / 9


def test_second_difference_is_exact_for_a_parabola_at_uneven_times():
    time = np.array([0.0, 1.0, 1.5, 4.0])
    difference = second_difference(time)
    parabola = 3 * time**2 - time
    assert np.allclose([difference[i] @ parabola[i : i + 3] for i in range(2)], 6.0)


def test_differences_are_exact_for_a_line_at_uneven_times():
    time = np.array([0.0, 1.0, 1.5, 4.0])
    difference = first_difference(time)
    assert np.allclose([difference[i] @ (3 * time)[i : i + 2] for i in range(3)], 3.0)


def test_slow_motion_is_followed_within_the_noise():
    line = 0.2 + 0.1 * TIME
    assert np.abs(smoothed(line) - line).max() < 2.5 * NOISE.least


@pytest.mark.parametrize("sigma", [0.005, 0.015])
def test_noise_at_rest_is_taken_away(sigma):
    noise = np.random.default_rng(1).normal(0, sigma, len(TIME))
    assert smoothed(0.3 + noise).std() < 0.4 * sigma


def test_blink_stays_sharp_between_calm_stretches():
    noise = np.random.default_rng(2).normal(0, 0.01, len(TIME))
    truth = blink_at(4.0)
    result = smoothed(truth + noise)
    assert result.max() == pytest.approx(truth.max(), abs=0.05)
    assert np.argmax(result) == np.argmax(truth)
    calm = np.abs(TIME - 4.0) > 0.5
    assert (result - truth)[calm].std() < 0.005


def test_frames_without_evidence_are_bridged():
    truth = 0.4 + 0.2 * np.sin(TIME)
    values, weight = truth.copy(), np.ones(len(TIME))
    values[100:110], weight[100:110] = 77.0, 0.0
    assert np.abs(smoothed(values, weight) - truth).max() < 0.01


def test_reversed_time_gives_the_reversed_result():
    values = blink_at(3.0) + np.random.default_rng(3).normal(0, 0.01, len(TIME))
    assert np.allclose(smoothed(values), smoothed(values[::-1])[::-1], atol=1e-6)


def test_one_euro_is_calm_at_rest_and_quick_in_motion():
    filter_weights = OneEuro(cutoff=1.5, slope=8.0)
    seen = np.ones(len(TIME), bool)
    noise = np.random.default_rng(4).normal(0, 0.01, (len(TIME), 1))
    assert filter_weights(0.3 + noise, seen, TIME)[30:].std() < 0.008
    step = np.where(TIME < 4, 0.0, 0.9)[:, None]
    result = filter_weights(step, seen, TIME)[:, 0]
    onset = int(np.argmax(step))
    assert result[onset + 2] > 0.7 and result[: onset].max() == 0.0


def test_one_euro_holds_what_it_saw_last():
    seen = np.ones(len(TIME), bool)
    seen[100:120] = False
    values = np.where(seen, 0.5, np.nan)[:, None]
    values[~seen] = 9.0
    assert np.allclose(OneEuro(1.0, 1.0)(values, seen, TIME), 0.5)


def test_stretches_end_at_long_gaps_only():
    found = np.ones(len(TIME), bool)
    found[:5] = found[50:60] = found[100:130] = False
    parts = [(part.start, part.stop) for part in stretches(found, TIME, ONE_SHOT)]
    assert parts == [(5, 100), (130, 240)]
    assert stretches(np.zeros(10, bool), TIME[:10], ONE_SHOT[:10]) == []


def test_stretches_end_at_cuts():
    found = np.ones(len(TIME), bool)
    found[118:123] = False
    shot = np.repeat([0, 1, 2], [60, 60, 120])
    parts = [(part.start, part.stop) for part in stretches(found, TIME, shot)]
    assert parts == [(0, 60), (60, 118), (123, 240)]


def test_fading_and_holding_are_continuous():
    found = np.ones(len(TIME), bool)
    found[:30] = found[80:140] = found[220:] = False
    line = Timeline.of(found, TIME, ONE_SHOT)
    values = np.where(found, 1.0 + TIME, 0.0)[:, None]
    faded = fade_between(values, line)[:, 0]
    held = hold_between(values, line)[:, 0]
    assert np.array_equal(faded[found], values[found, 0])
    assert np.abs(np.diff(faded)).max() < 0.9 and faded[105] == 0.0 and faded[0] == 0.0
    assert (held[:30] == held[30]).all() and (held[220:] == held[219]).all()
    assert (held[80:120] == held[79]).all()
    assert np.abs(np.diff(held)).max() < 0.25


def test_nothing_moves_over_a_cut():
    found = np.ones(len(TIME), bool)
    found[50:70] = found[110:130] = False
    shot = np.zeros(len(TIME), int)
    shot[60:], shot[115:], shot[125:] = 1, 2, 3  # shot 2 shows no face at all
    line = Timeline.of(found, TIME, shot)
    values = np.where(found, np.where(TIME < TIME[60], 1.0, 2.0), 0.0)[:, None]
    held = hold_between(values, line)[:, 0]
    assert (held[:60] == 1.0).all() and (held[60:] == 2.0).all()
    faded = fade_between(values, line)[:, 0]
    assert (np.diff(faded[50:60]) < 0).all() and (np.diff(faded[60:70]) > 0).all()
    assert not faded[115:125].any() and faded[112] > 0.5 and faded[128] > 0.5
