# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the add-on's panels live."""


class MienPanel:
    """Where the add-on's panels live."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Mien"
