# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages that the runner stands on. Loads with the standard library alone, so that it can
say which of them are not there."""

from __future__ import annotations

import importlib
import sys

PACKAGES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "cv2": "opencv-python-headless",
    "av": "av",
    "onnxruntime": "onnxruntime",
    "tqdm": "tqdm",
}
"""Names to import by, and to install by."""


def versions() -> dict[str, str]:
    """Version of every package, by the name that it is installed by. Raises ImportError."""
    return {
        package: str(importlib.import_module(module).__version__)
        for module, package in PACKAGES.items()
    }


def why_not(error: ImportError) -> str:
    """One sentence about an import that failed: what is missing, and what to do."""
    broken = [package for module, package in PACKAGES.items() if not _loads(module)]
    if not broken:
        reason = str(error).strip().partition("\n")[0]
        return f"Mien is not whole ({reason}); install it again."
    return (
        f"The Python {sys.executable} cannot load {', '.join(broken)}: install what"
        " requirements/vision.txt lists into it, or have Mien use another Python."
    )


def _loads(module: str) -> bool:
    try:
        importlib.import_module(module)
    except Exception:  # what a broken package raises is anybody's guess
        return False
    return True
