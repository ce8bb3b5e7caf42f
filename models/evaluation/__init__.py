# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures: on real faces with labels, on held-out rendered ones, and of speed."""
