# SPDX-License-Identifier: GPL-3.0-or-later
"""Mien's runner: from footage of a face to a take, in its own process."""

__version__ = "0.1.0"
