"""What the measuring scripts share: builds, servers and their clients, /proc, and the commitments.

SPDX-License-Identifier: MIT
"""
