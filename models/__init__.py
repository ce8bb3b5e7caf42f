# SPDX-License-Identifier: GPL-3.0-or-later
"""The models: head, network, training pictures, training and measures. Imports nothing itself."""
