# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole-clip solve."""

from inference.solve.camera import Camera
from inference.solve.clip import solve_clip
from inference.solve.performance import Performance
from inference.solve.settings import Quality, Settings

__all__ = ["Camera", "Performance", "Quality", "Settings", "solve_clip"]
