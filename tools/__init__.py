# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands behind build.py. Standard library only, as build.py itself."""
