"""gunicorn for Django: the number of workers that its documentation gives, with threads so that connections are kept.

SPDX-License-Identifier: MIT
"""

import os

workers = 2 * len(os.sched_getaffinity(0)) + 1
worker_class = "gthread"
threads = 4
keepalive = 75
backlog = 4096
worker_connections = 4000
