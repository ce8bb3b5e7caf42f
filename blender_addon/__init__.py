# SPDX-License-Identifier: GPL-3.0-or-later
"""Mien: facial capture from a video or a single photo.

Blender calls `register` and `unregister`. Nothing of Blender is imported before that, so that
`take` and `job` can be used, and tested, by any Python with numpy.
"""


def _parts():
    """The modules that register classes, in the order in which they need one another."""
    from . import operators, panels, preferences, properties, thumbnails

    return preferences, thumbnails, properties, operators, panels


def register():
    for part in _parts():
        part.register()


def unregister():
    for part in reversed(_parts()):
        part.unregister()
