# SPDX-License-Identifier: GPL-3.0-or-later
"""Training pictures with exact labels: people, skin, light, cameras, rendering."""
