# SPDX-License-Identifier: GPL-3.0-or-later
"""Training: from pools of clean pictures to a checkpoint."""
