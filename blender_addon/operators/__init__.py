# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators, by what they are about. The work itself is done elsewhere."""

from . import apply, capture, drop, follow, head, look, refine, render, takes

_MODULES = (follow, look, capture, takes, apply, refine, render, head, drop)


def register():
    for module in _MODULES:
        module.register()


def unregister():
    for module in reversed(_MODULES):
        module.unregister()
