# SPDX-License-Identifier: GPL-3.0-or-later
"""What cameras and files do to a picture: light and colour faults, blur, noise, compression.

`damage` runs while training, so that a clean picture looks different each time it is seen. It works
on 8-bit pictures and look-up tables, which keeps its mean below a millisecond at 128 px.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from .video_damage import video_frame

# How often each fault happens.
EXPOSURE_PROBABILITY = 0.75
WHITE_BALANCE_PROBABILITY = 0.50
CONTRAST_PROBABILITY = 0.50
SATURATION_PROBABILITY = 0.30
GREY_PROBABILITY = 0.10
UNEVEN_LIGHT_PROBABILITY = 0.20
DEFOCUS_PROBABILITY = 0.30
MOTION_PROBABILITY = 0.15
LOW_RESOLUTION_PROBABILITY = 0.40
SHARPEN_PROBABILITY = 0.12
NOISE_PROBABILITY = 0.40
SMEARED_PROBABILITY = 0.08
FADED_COLOUR_PROBABILITY = 0.08
JPEG_PROBABILITY, VIDEO_PROBABILITY = 0.38, 0.20

EXPOSURE_STOPS = 0.5
"""Standard deviation of the exposure error; beyond two stops a face is no longer recognisable."""
EXPOSURE_LIMIT = 1.8
GAMMA_SPREAD = 0.22
"""Standard deviation of log gamma: tone curves of cameras, screens and old prints."""
CONTRAST_RANGE = (0.6, 1.5)
HAZE_RANGE = (0.0, 0.22)
"""Veiling glare: black rises to this fraction of white."""
WHITE_BALANCE_SPREAD = 0.08
"""Standard deviation of each channel's log gain. Strong casts made the worst pictures in trials."""
CAST_PROBABILITY, CAST_SPREAD, CAST_GREEN = 0.12, 0.22, 0.35
"""Therefore they are rare, and lie where real ones do: from candle light to shade, and by a share
of it towards the green of old tubes."""
SATURATION_RANGE = (0.2, 1.6)
UNEVEN_LIGHT_RANGE = (0.35, 0.9)
"""Brightness of the darkest corner relative to the brightest."""
DEFOCUS_RANGE = (0.002, 0.018)
"""Blur radius as a fraction of the picture's side."""
MOTION_RANGE = (0.02, 0.09)
"""Length of the motion trail as a fraction of the picture's side."""
LOWEST_SIDE = 34
"""Picture side (px) at the lowest resolution: the face is then about 24 px wide."""
SHARPEN_RANGE = (0.3, 1.5)
NOISE_RANGE = (1.0, 18.0)
"""Standard deviation of sensor noise in 8-bit steps, drawn log-uniformly."""
FRAME_NOISE_RANGE = (0.3, 3.0)
"""The same of what every frame of a film has, and every other one differently."""
FULL_NOISE_SIDE = 96
"""Pictures of fewer pixels a side are given proportionally less noise."""
COLOUR_NOISE_SHARE = (0.15, 1.0)
"""How independent the channels' noise is: low after a camera's chroma denoising."""
GRAIN_PROBABILITY = 0.3
"""Noise that a denoiser or scaler has smeared into grain."""
QUALITY_RANGE = (12, 92)
SMALL_QUALITY = 45
"""What the lowest JPEG quality gains as pictures get smaller."""
QUANTISER_RANGE, SMALL_QUANTISER = (20, 43), 12
"""QP of video, and what the coarsest loses as pictures get smaller."""
PREDICTED_PROBABILITY, LARGEST_MOTION = 0.6, 6
"""Frames of a video that are made of the frame before, and how far (px) that may have moved."""
FADED_COLOUR_SIDE = (8, 40)
"""Cells of colour across a picture whose colour is much coarser than its brightness."""
NOISE_BANK_SIDE = 1024
NOISE_BANK_SEED = 7
UPSCALING = (cv2.INTER_LINEAR, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_NEAREST)
GREY_WEIGHTS = (0.299, 0.587, 0.114)


def damage(image: np.ndarray, rng: np.random.Generator,
           grain: np.random.Generator | None = None) -> np.ndarray:
    """Return a copy of `image` (H,W,3) uint8 RGB as a poor camera and file would have kept it.

    The order is that of a real chain: light, lens, sensor, processing, file, colour conversion.
    grain: makes it a frame of a film. All but the noise then comes from rng, so that another frame
    is spoilt alike from the same state of rng; the noise comes from grain, and each has some.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"expected uint8 (H,W,3), not {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    if grain is not None:
        image = film_grain(image, grain)
    if rng.random() < UNEVEN_LIGHT_PROBABILITY:
        image = _uneven_light(image, rng)
    image = _tone(image, rng)
    if rng.random() < DEFOCUS_PROBABILITY:
        image = _defocus(image, rng)
    if rng.random() < MOTION_PROBABILITY:
        image = _motion_blur(image, rng)
    shrunk = rng.random() < LOW_RESOLUTION_PROBABILITY
    if shrunk:
        image = _shrink(image, rng)
    if rng.random() < NOISE_PROBABILITY:
        image = _noise(image, rng, grain)
    if rng.random() < SMEARED_PROBABILITY:
        # What phones leave of a noisy picture: no grain, no pores, edges like brush strokes.
        image = cv2.medianBlur(image, 3 if rng.random() < 0.7 else 5)
    if rng.random() < SHARPEN_PROBABILITY:
        image = _sharpen(image, rng)
    if rng.random() < FADED_COLOUR_PROBABILITY:
        image = _smear_colour(image, rng)
    file = rng.random()
    if file < JPEG_PROBABILITY:
        image = _compress(image, rng)
    elif file < JPEG_PROBABILITY + VIDEO_PROBABILITY:
        image = _film(image, rng)
    if shrunk:
        method = UPSCALING[rng.integers(len(UPSCALING))]
        image = cv2.resize(image, (width, height), interpolation=method)
    colour = rng.random()
    if colour < GREY_PROBABILITY:
        image = _saturate(image, 0.0)
    elif colour < GREY_PROBABILITY + SATURATION_PROBABILITY:
        image = _saturate(image, rng.uniform(*SATURATION_RANGE))
    return np.ascontiguousarray(image)


def film_grain(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A copy of `image` (H,W,3) uint8 with the sensor noise that no frame of a film is without."""
    noise = np.exp(rng.uniform(*np.log(FRAME_NOISE_RANGE)))
    return cv2.add(image, noise * _noise_field(*image.shape[:2], rng), dtype=cv2.CV_8U)


def _tone(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, white balance, gamma, contrast and haze, as one table a channel."""
    value = np.linspace(0.0, 1.0, 256, dtype=np.float32)
    gain = np.ones(3, np.float32)
    changed = False
    if rng.random() < EXPOSURE_PROBABILITY:
        stops = np.clip(rng.normal(0.0, EXPOSURE_STOPS), -EXPOSURE_LIMIT, EXPOSURE_LIMIT)
        # Applied to gamma-encoded values, one stop of light is about 2^(1/2.2).
        gain *= 2.0 ** (stops / 2.2)
        changed = True
    if rng.random() < WHITE_BALANCE_PROBABILITY:
        cast = rng.normal(0.0, WHITE_BALANCE_SPREAD, 3)
        if rng.random() < CAST_PROBABILITY:
            warmth, green = rng.normal(0.0, CAST_SPREAD, 2) * (1.0, CAST_GREEN)
            cast += (warmth, green, -warmth)
        gain *= np.exp(cast).astype(np.float32)
        changed = True
    table = np.clip(value[:, None] * gain, 0.0, 1.0)
    if rng.random() < CONTRAST_PROBABILITY:
        table = table ** np.exp(rng.normal(0.0, GAMMA_SPREAD))
        middle = rng.uniform(0.35, 0.65)
        table = (table - middle) * rng.uniform(*CONTRAST_RANGE) + middle
        haze = rng.uniform(*HAZE_RANGE) * (rng.random() < 0.3)
        table = haze + table * (1.0 - haze)
        changed = True
    if not changed:
        return image
    table = np.clip(table * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table.reshape(1, 256, 3))


def _uneven_light(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A smooth ramp of brightness over the picture, as from one window or a dark lens corner."""
    corners = rng.uniform(*UNEVEN_LIGHT_RANGE, size=(2, 2))
    corners = (corners / corners.max()).astype(np.float32)
    ramp = cv2.resize(corners, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    return cv2.multiply(image, cv2.merge((ramp, ramp, ramp)), dtype=cv2.CV_8U)


def _defocus(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gaussian for small or averaged blur, a disc for an open lens."""
    radius = rng.uniform(*DEFOCUS_RANGE) * image.shape[0]
    if rng.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), max(radius, 0.3))
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach:reach + 1, -reach:reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0.0, 1.0).astype(np.float32)
    return cv2.filter2D(image, -1, disc / disc.sum(), borderType=cv2.BORDER_REPLICATE)


def _motion_blur(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A straight trail in any direction."""
    length = rng.uniform(*MOTION_RANGE) * image.shape[0]
    angle = rng.uniform(0.0, np.pi)
    reach = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    # Fixed-point end points (4 fractional bits) keep short trails from snapping to the axes.
    start, end = ((np.array([reach, reach]) + sign * step) * 16 for sign in (-1, 1))
    cv2.line(kernel, tuple(int(v) for v in start), tuple(int(v) for v in end), 255, 1,
             cv2.LINE_AA, 4)
    weights = kernel.astype(np.float32) / max(1, int(kernel.sum()))
    return cv2.filter2D(image, -1, weights, borderType=cv2.BORDER_REPLICATE)


def _shrink(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lower resolution, between the smallest usable and full size."""
    height, width = image.shape[:2]
    scale = rng.uniform(min(1.0, LOWEST_SIDE / height), 1.0)
    size = max(4, round(width * scale)), max(4, round(height * scale))
    method = cv2.INTER_AREA if rng.random() < 0.8 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=method)


@cache
def _noise_bank() -> np.ndarray:
    """Standard normal numbers (side,side,3), float32: drawing them anew would be slow."""
    return np.random.default_rng(NOISE_BANK_SEED).standard_normal(
        (NOISE_BANK_SIDE, NOISE_BANK_SIDE, 3), dtype=np.float32)


def _noise_field(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Standard normal numbers (height,width,3) from anywhere in the bank."""
    if height > NOISE_BANK_SIDE or width > NOISE_BANK_SIDE:
        raise ValueError(f"pictures up to {NOISE_BANK_SIDE} px can be damaged, not {height}x{width}")
    top = rng.integers(NOISE_BANK_SIDE - height + 1)
    left = rng.integers(NOISE_BANK_SIDE - width + 1)
    return _noise_bank()[top:top + height, left:left + width]


def _noise(image: np.ndarray, rng: np.random.Generator,
           grain: np.random.Generator | None) -> np.ndarray:
    """Sensor noise, its size shared out between brightness and colour, sometimes as grain."""
    height, width = image.shape[:2]
    field = _noise_field(height, width, rng if grain is None else grain)
    if rng.random() < GRAIN_PROBABILITY:
        sigma = rng.uniform(0.4, 1.0)
        # A Gaussian of this width divides the deviation by about 2 sqrt(pi) sigma.
        field = cv2.GaussianBlur(field, (0, 0), sigma) * max(1.0, 2 * np.sqrt(np.pi) * sigma)
    # Few pixels are each the mean of many: full noise on them would leave nothing of a face.
    share_of_full = min(1.0, height / FULL_NOISE_SIDE)
    amount = np.exp(rng.uniform(*np.log(NOISE_RANGE))) * share_of_full
    share = rng.uniform(*COLOUR_NOISE_SHARE)
    mix = np.full((3, 3), (1.0 - share) / np.sqrt(3.0)) + share * np.eye(3)
    mix *= amount / np.sqrt((mix ** 2).sum(axis=1, keepdims=True))
    coloured = cv2.transform(field, mix)
    return cv2.add(image, coloured, dtype=cv2.CV_8U)


def _sharpen(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Unsharp masking as phones do it."""
    amount = rng.uniform(*SHARPEN_RANGE)
    soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 1.6))
    return cv2.addWeighted(image, 1.0 + amount, soft, -amount, 0.0)


def _compress(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """JPEG at the picture's present size; where that is small, blocks grow large, as in video.

    OpenCV takes the channels for BGR; that only swaps the small weights of red and blue.
    """
    lowest = QUALITY_RANGE[0] + SMALL_QUALITY * max(0.0, 1.0 - image.shape[0] / FULL_NOISE_SIDE)
    quality = int(rng.uniform(lowest, QUALITY_RANGE[1] + 1))
    stored, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not stored:
        raise RuntimeError("OpenCV could not encode a JPEG picture")
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def _film(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A frame of a video at the picture's present size."""
    smallness = max(0.0, 1.0 - image.shape[0] / FULL_NOISE_SIDE)
    quantiser = rng.uniform(QUANTISER_RANGE[0], QUANTISER_RANGE[1] - SMALL_QUANTISER * smallness)
    motion = None
    if rng.random() < PREDICTED_PROBABILITY:
        motion = tuple(rng.integers(-LARGEST_MOTION, LARGEST_MOTION + 1, 2).tolist())
    return video_frame(image, quantiser, motion)


def _smear_colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Colour that runs over the edges, as on tape, cheap sensors and after strong denoising."""
    luma, red, blue = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    size = (image.shape[1], image.shape[0])
    cells = rng.uniform(*FADED_COLOUR_SIDE)
    coarse = [int(np.clip(round(cells * side / max(size)), 2, side)) for side in size]
    smeared = [cv2.resize(cv2.resize(plane, coarse, interpolation=cv2.INTER_AREA), size,
                          interpolation=cv2.INTER_LINEAR) for plane in (red, blue)]
    return cv2.cvtColor(cv2.merge((luma, *smeared)), cv2.COLOR_YCrCb2RGB)


def _saturate(image: np.ndarray, amount: float) -> np.ndarray:
    """Mix with the grey picture: 0 is grey, 1 unchanged."""
    grey = np.tile(np.array(GREY_WEIGHTS), (3, 1)) * (1.0 - amount)
    return cv2.transform(image, grey + amount * np.eye(3))
