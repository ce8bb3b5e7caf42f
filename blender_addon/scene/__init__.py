# SPDX-License-Identifier: GPL-3.0-or-later
"""A take turned into a Blender scene. `apply` holds the ways in."""
