# SPDX-License-Identifier: GPL-3.0-or-later
import cv2
import numpy as np
import pytest

from inference.cuts import CutDetector
from inference.footage import open_footage, read_picture

STILL = 6
"""Frames before something happens: the detector has then seen how little does."""


def cuts(images) -> list[int]:
    """Indices of the images that begin a new shot."""
    detector = CutDetector()
    return [i for i, image in enumerate(images) if detector(image)]


def scenery(seed: int, height: int = 270, width: int = 480) -> np.ndarray:
    """Coloured clouds and a few things before them: no two seeds look alike."""
    rng = np.random.default_rng(seed)
    clouds = cv2.GaussianBlur(rng.normal(0, 1, (height, width, 3)), (0, 0), height / 12)
    image = cv2.normalize(clouds, None, 30, 220, cv2.NORM_MINMAX).astype(np.uint8)
    for _ in range(6):
        centre = tuple(int(value) for value in rng.uniform(0, [width, height]))
        colour = tuple(int(value) for value in rng.integers(0, 256, 3))
        cv2.circle(image, centre, int(rng.uniform(0.05, 0.2) * height), colour, -1, cv2.LINE_AA)
    return image


def framed(image: np.ndarray, zoom: float = 1.0, shift: tuple[float, float] = (0, 0)) -> np.ndarray:
    """``image`` through a camera that zooms and points off its middle (in picture sides)."""
    height, width = image.shape[:2]
    middle = np.array([width, height]) / 2
    origin = middle * (1 - zoom) - np.array(shift) * [width, height] * zoom
    view = np.column_stack([zoom * np.eye(2), origin])
    return cv2.warpAffine(image, view, (width, height), borderMode=cv2.BORDER_REFLECT)


def exposed(image: np.ndarray, gain: float, offset: float = 0.0) -> np.ndarray:
    return np.clip(image * gain + offset, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def portrait(astronaut):
    return read_picture(astronaut)


@pytest.fixture(scope="module")
def talking(carphone):
    return [frame.image for frame in open_footage(carphone)]


@pytest.fixture(params=["scenery", "portrait"])
def picture(request):
    return scenery(0) if request.param == "scenery" else request.getfixturevalue("portrait")


def test_a_cut_and_a_cut_back():
    first, second = scenery(1), scenery(2)
    images = [first] * STILL + [second] + [first] * STILL + [second] * STILL
    assert cuts(images) == [STILL, STILL + 1, 2 * STILL + 1]


@pytest.mark.parametrize("seed", range(0, 12, 2))
def test_a_cut_in_a_shaken_and_noisy_picture(seed):
    rng = np.random.default_rng(seed)
    pictures = [scenery(seed)] * 10 + [scenery(seed + 1)] * 10
    images = [
        exposed(framed(image, 1.2, rng.uniform(-0.01, 0.01, 2)), 1.0, rng.normal(0, 6, image.shape))
        for image in pictures
    ]
    assert cuts(images) == [10]


def test_cuts_between_real_footage(talking, portrait):
    second = cv2.resize(portrait[:419], (176, 144), interpolation=cv2.INTER_AREA)
    images = talking[:30] + [framed(second, 1 + 0.01 * i) for i in range(10)] + talking[60:]
    assert cuts(images) == [30, 40]


def test_a_jump_cut_to_another_framing_of_the_same_person(talking):
    closer = [framed(image, 1.6, (0.1, 0.1)) for image in talking[70:100]]
    assert cuts(talking[:30] + closer) == [30]


def test_bars_beside_the_footage_do_not_hide_a_cut():
    images = [scenery(3)] * STILL + [scenery(4)] * STILL
    barred = [np.pad(image, ((0, 0), (480, 480), (0, 0))) for image in images]
    assert cuts(barred) == [STILL]


@pytest.mark.parametrize("level", [2.0, 250.0])
def test_frames_without_a_picture_say_nothing(level):
    rng = np.random.default_rng(0)
    first, second = scenery(5), scenery(6)
    empty = [exposed(rng.normal(level, 2, first.shape), 1.0) for _ in range(2)]
    assert cuts([empty[0], first, *empty, first]) == []
    assert cuts([first, *empty, second, second]) == [3]


def test_footage_without_cuts_has_none(talking):
    assert cuts(talking) == []
    assert cuts(talking[::4]) == []  # and moves four times as fast
    assert cuts([image[10:120, 30:140] for image in talking[::2]]) == []  # head fills the picture


def shake(image):
    rng = np.random.default_rng(0)
    return [framed(image, 1.2, rng.uniform(-0.04, 0.04, 2)) for _ in range(30)]


def pan(image):
    return [framed(image, 1.8, (0.04 * i - 0.2, 0.0)) for i in range(11)]


def zoom(image):
    return [framed(image, 1.07**i) for i in (*range(8), *range(8, 0, -1))]


def flash(image):
    return [exposed(image, 1.7, 25)] + [image] * 5 + [exposed(image, 0.4)] * 3 + [image]


def noise(image):
    rng = np.random.default_rng(0)
    return [exposed(image, 0.3, rng.normal(0, 12, image.shape)) for _ in range(10)]


def fade(image):
    levels = np.linspace(1.0, 0.0, 15)
    return [exposed(image, level) for level in (*levels, *levels[::-1])]


def dissolve(image):
    other = cv2.resize(scenery(9), image.shape[1::-1])
    return [cv2.addWeighted(image, 1 - share, other, share, 0) for share in np.linspace(0, 1, 25)]


def something_large_passes(image):
    """A plain thing, half as wide as the picture, crosses it in less than half a second."""
    height, width = image.shape[:2]
    frames = []
    for place in np.linspace(-0.3, 1.3, 12):
        frame = image.copy()
        middle = (int(place * width), height // 2)
        cv2.ellipse(frame, middle, (width // 4, height // 2), 0, 0, 360, (150, 110, 90), -1)
        frames.append(frame)
    return frames


@pytest.mark.parametrize(
    "what_happens", [shake, pan, zoom, flash, noise, fade, dissolve, something_large_passes]
)
def test_what_is_no_cut(what_happens, picture):
    happening = what_happens(picture)
    before = [happening[0]] if what_happens is pan else [picture] * STILL
    assert cuts(before + happening) == []
