# SPDX-License-Identifier: GPL-3.0-or-later
"""The tab "Mien" in the sidebar of the 3D view: the steps of a capture, then the chosen head."""

from . import head, steps


def register():
    steps.register()
    head.register()


def unregister():
    head.unregister()
    steps.unregister()
