"""The PostgreSQL that the table `db` asks: a cluster of the benchmark's own, which peers find by the environment.

SPDX-License-Identifier: MIT
"""

import atexit
import importlib.util
import os

from . import build

ROWS = 10000


def start():
    """Starts it, fills it, and names it in the environment, for all that is started from now on; it ends with this process.
    RuntimeError where there is no PostgreSQL."""
    path = os.path.join(build.ROOT, "tests", "wire", "postgres.py")
    spec = importlib.util.spec_from_file_location("postgres", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    cluster = module.Postgres()
    atexit.register(cluster.remove)
    cluster.start("log_connections=off", "shared_buffers=64MB")
    cluster.sql(
        "CREATE TABLE things (id int PRIMARY KEY, name text NOT NULL); "
        f"INSERT INTO things SELECT i, 'thing ' || i FROM generate_series(1, {ROWS}) i; ANALYZE things"
    )
    os.environ.update(PGHOST="127.0.0.1", PGPORT=str(cluster.port), PGUSER="tester", PGDATABASE="postgres", PGSSLMODE="disable")
    return cluster
