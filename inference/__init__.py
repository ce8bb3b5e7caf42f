# SPDX-License-Identifier: GPL-3.0-or-later
"""Mien's runner: from footage of a face to a take, in its own process."""

import os

# The solve's matrices are small: threads of BLAS would only take turns with the network's and the
# decoder's. Numpy reads this once, when it is first imported; whoever sets it knows better.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# On Windows, packages for any Python 3 load python3.dll. Blender keeps it beside its own program
# and not beside its Python, where alone it would be looked for; the add-on says where it is. Loaded
# once, it is there for all.
if PYTHON_DLL := os.environ.get("MIEN_PYTHON_DLL"):
    import ctypes

    ctypes.CDLL(PYTHON_DLL)

__version__ = "0.1.0"
