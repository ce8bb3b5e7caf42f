# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconstruction network: one picture of a face in, points and head parameters out (torch)."""
