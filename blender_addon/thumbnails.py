# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures for the panel: what footage shows, and the colours of confidence."""

from __future__ import annotations

from pathlib import Path

import bpy
import bpy.utils.previews

# From a frame without a face (red) to one that is surely seen (green), linear colour.
NO_FACE, SURE = (0.55, 0.05, 0.04, 1.0), (0.10, 0.42, 0.13, 1.0)
CLEAR = (0.0, 0.0, 0.0, 0.0)
LEVELS = 10
SWATCH_PIXELS = 32

_previews: bpy.utils.previews.ImagePreviewCollection | None = None


def show(name: str, picture: Path) -> None:
    """Take a picture up under a name; it replaces the one before."""
    forget(name)
    # Read at once: the file is a temporary one.
    _previews.load(name, str(picture), "IMAGE").icon_size  # noqa: B018


def forget(name: str) -> None:
    """Have no picture of this name any more."""
    if name in _previews:
        del _previews[name]


def icon_of(name: str) -> int:
    """The icon of a picture, 0 if there is none of this name."""
    return _previews[name].icon_id if name in _previews else 0


def nothing() -> int:
    """An icon that shows nothing, in the place of a picture to come."""
    return _plain("nothing", CLEAR)


def swatch(level: int) -> int:
    """The icon of a level of confidence from 0 (no face) to 9."""
    share = level / (LEVELS - 1)
    colour = tuple(low + (high - low) * share for low, high in zip(NO_FACE, SURE))
    return _plain(f"confidence {level}", colour)


def _plain(name: str, colour: tuple[float, ...]) -> int:
    """The icon of a name, all of one colour (4,)."""
    if name not in _previews:
        preview = _previews.new(name)
        # What a panel draws large is the image, what it draws small the icon.
        preview.icon_size = preview.image_size = (SWATCH_PIXELS, SWATCH_PIXELS)
        preview.icon_pixels_float = preview.image_pixels_float = colour * SWATCH_PIXELS**2
    return _previews[name].icon_id


def register():
    global _previews
    _previews = bpy.utils.previews.new()


def unregister():
    global _previews
    bpy.utils.previews.remove(_previews)
    _previews = None
