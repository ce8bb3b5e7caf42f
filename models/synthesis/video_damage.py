# SPDX-License-Identifier: GPL-3.0-or-later
"""What a video file at a low bit rate leaves of a picture.

A small encoder and decoder of the H.264 kind in one pass, without the bits: 4:2:0 colour, blocks of
4x4 predicted from their decoded neighbours or from the frame before, the standard's transform
(Malvar et al. 2003, "Low-complexity transform and quantization in H.264/AVC"), and its deblocking
filter (List et al. 2003, "Adaptive deblocking filter"). It costs a fraction of a millisecond where
a real encoder's start alone takes four.
"""

from __future__ import annotations

import cv2
import numba
import numpy as np

BLOCK = 4
FINEST_STEP = 0.625
"""Quantiser step of QP 0, 8-bit levels; six more double it."""
MACROBLOCK = 16
"""Between these the deblocking filter is strong."""
INTRA_ROUNDING, INTER_ROUNDING = 1 / 3, 1 / 6
"""Share of a step from which a coefficient is kept, so that many vanish."""
CHROMA_FINER, CHROMA_KNEE, CHROMA_SLOPE = 3, 30, 0.45
"""Colour's quantiser is this much finer, since the standard transforms its means once more; and
above the knee it rises at this rate, as the standard's table does."""
ALPHA_SCALE, BETA_SLOPE, BETA_START = 0.8, 0.5, 7.0
"""Thresholds of the deblocking filter, as List et al. approximate them: 0.8 (2^(QP/6) - 1) and
0.5 QP - 7."""
CLIP_SHARE = 0.17
"""Largest change beside a plain edge, as a share of the first threshold; fits the standard's
table within a level or two."""

_TRANSFORM = np.array([(1, 1, 1, 1), (2, 1, -1, -2), (1, -1, -1, 1), (1, -2, 2, -1)], np.float32)
_TRANSFORM /= np.linalg.norm(_TRANSFORM, axis=1, keepdims=True)


def video_frame(image: np.ndarray, qp: float, motion: tuple[int, int] | None = None) -> np.ndarray:
    """The picture (H,W,3) uint8 RGB as a frame of a video; a new array.

    qp: quantiser, 0 (fine) to 51. motion (x,y) px: by how much the frame before, from which this
    one is predicted, is displaced; None: a frame of its own.
    """
    height, width = image.shape[:2]
    bottom, right = -height % (2 * BLOCK), -width % (2 * BLOCK)
    padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    luma, *chroma = cv2.split(cv2.cvtColor(padded, cv2.COLOR_RGB2YCrCb))
    half = (padded.shape[1] // 2, padded.shape[0] // 2)
    planes = [_coded(luma, qp, motion)]
    chroma_qp = min(qp, CHROMA_KNEE) + CHROMA_SLOPE * max(0, qp - CHROMA_KNEE) - CHROMA_FINER
    shift = None if motion is None else (motion[0] // 2, motion[1] // 2)
    for plane in chroma:
        small = _coded(cv2.resize(plane, half, interpolation=cv2.INTER_AREA), chroma_qp, shift)
        planes.append(cv2.resize(small, padded.shape[1::-1], interpolation=cv2.INTER_LINEAR))
    decoded = cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)
    return np.ascontiguousarray(decoded[:height, :width])


def _coded(plane: np.ndarray, qp: float, motion: tuple[int, int] | None) -> np.ndarray:
    """A plane (H,W) uint8, coded and decoded."""
    step = np.float32(FINEST_STEP * 2 ** (qp / 6))
    source = plane.astype(np.float32)
    if motion is None:
        decoded = _code(source, source, False, step, _TRANSFORM)
    else:
        x, y = motion
        before = np.roll(source, (y, x), (0, 1))
        before = _deblocked(_code(before, before, False, step, _TRANSFORM), qp)
        decoded = _code(source, np.roll(before, (-y, -x), (0, 1)), True, step, _TRANSFORM)
    return np.clip(_deblocked(decoded, qp) + 0.5, 0, 255).astype(np.uint8)


def _deblocked(plane: np.ndarray, qp: float) -> np.ndarray:
    alpha = np.float32(ALPHA_SCALE * (2 ** (qp / 6) - 1))
    beta = np.float32(max(0.0, BETA_SLOPE * qp - BETA_START))
    _deblock(plane, alpha, beta)
    _deblock(plane.T, alpha, beta)
    return plane


@numba.njit(cache=True, nogil=True, fastmath=True)
def _code(source, before, inter, step, transform):
    """Each block's prediction plus its quantised difference; (H,W) float32."""
    height, width = source.shape
    out = np.empty((height, width), np.float32)
    block = np.empty((BLOCK, BLOCK), np.float32)
    half = np.empty((BLOCK, BLOCK), np.float32)
    rounding = np.float32(INTER_ROUNDING if inter else INTRA_ROUNDING)
    for top in range(0, height, BLOCK):
        for left in range(0, width, BLOCK):
            if inter:
                for y in range(BLOCK):
                    for x in range(BLOCK):
                        out[top + y, left + x] = before[top + y, left + x]
            else:
                _predict(source, out, top, left)
            for y in range(BLOCK):
                for x in range(BLOCK):
                    block[y, x] = source[top + y, left + x] - out[top + y, left + x]
            for y in range(BLOCK):
                for k in range(BLOCK):
                    total = np.float32(0)
                    for x in range(BLOCK):
                        total += block[y, x] * transform[k, x]
                    half[y, k] = total
            alive = False
            for k in range(BLOCK):
                for m in range(BLOCK):
                    total = np.float32(0)
                    for y in range(BLOCK):
                        total += half[y, k] * transform[m, y]
                    level = np.floor(abs(total) / step + rounding) * step
                    block[m, k] = level if total > 0 else -level
                    alive |= level > 0
            if not alive:
                continue
            for m in range(BLOCK):
                for x in range(BLOCK):
                    total = np.float32(0)
                    for k in range(BLOCK):
                        total += block[m, k] * transform[k, x]
                    half[m, x] = total
            for y in range(BLOCK):
                for x in range(BLOCK):
                    total = np.float32(0)
                    for m in range(BLOCK):
                        total += half[m, x] * transform[m, y]
                    out[top + y, left + x] = min(max(out[top + y, left + x] + total, 0), 255)
    return out


@numba.njit(cache=True, nogil=True, fastmath=True)
def _predict(source, out, top, left):
    """Fill a block of `out` from its decoded neighbours: their mean, or the row above or the column
    beside carried on, or both slanted down to the right; whichever comes closest."""
    if top == 0 and left == 0:
        out[:BLOCK, :BLOCK] = 128
        return
    mean, count = np.float32(0), 0
    for k in range(BLOCK):
        if top > 0:
            mean += out[top - 1, left + k]
            count += 1
        if left > 0:
            mean += out[top + k, left - 1]
            count += 1
    mean /= count
    best, least = 0, np.float32(1e30)
    for mode in range(4):
        if (mode == 1 and top == 0) or (mode == 2 and left == 0) or (
                mode == 3 and (top == 0 or left == 0)):
            continue
        cost = np.float32(0)
        for y in range(BLOCK):
            for x in range(BLOCK):
                cost += abs(source[top + y, left + x] - _guess(out, top, left, y, x, mode, mean))
        if cost < least:
            best, least = mode, cost
    for y in range(BLOCK):
        for x in range(BLOCK):
            out[top + y, left + x] = _guess(out, top, left, y, x, best, mean)


@numba.njit(cache=True, nogil=True, fastmath=True, inline="always")
def _guess(out, top, left, y, x, mode, mean):
    if mode == 0:
        return mean
    if mode == 1:
        return out[top - 1, left + x]
    if mode == 2:
        return out[top + y, left - 1]
    if x > y:
        return out[top - 1, left + x - y - 1]
    return out[top + y - x - 1, left - 1]


@numba.njit(cache=True, nogil=True, fastmath=True)
def _deblock(plane, alpha, beta):
    """Smooth over the vertical edges of blocks, in place, where no edge of the picture stands."""
    height, width = plane.shape
    most = CLIP_SHARE * alpha
    for y in range(height):
        for x in range(BLOCK, width, BLOCK):
            p1, p0, q0, q1 = plane[y, x - 2], plane[y, x - 1], plane[y, x], plane[y, x + 1]
            if abs(p0 - q0) >= alpha or abs(p1 - p0) >= beta or abs(q1 - q0) >= beta:
                continue
            if x % MACROBLOCK == 0 and abs(p0 - q0) < alpha / 4:
                p2, q2 = plane[y, x - 3], plane[y, x + 2]
                plane[y, x - 1] = (p2 + 2 * p1 + 2 * p0 + 2 * q0 + q1) / 8
                plane[y, x] = (p1 + 2 * p0 + 2 * q0 + 2 * q1 + q2) / 8
                plane[y, x - 2] = (p2 + p1 + p0 + q0) / 4
                plane[y, x + 1] = (p0 + q0 + q1 + q2) / 4
            else:
                change = min(max((4 * (q0 - p0) + p1 - q1) / 8, -most), most)
                plane[y, x - 1] = p0 + change
                plane[y, x] = q0 - change
