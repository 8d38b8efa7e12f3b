"""script/slow_attacks in its short form: others are answered while the server is attacked, and everything is given back.

How fast they are answered is for people to read: nothing here depends on it.

SPDX-License-Identifier: MIT
"""

import os
import pathlib
import subprocess

import pytest

from conftest import BUILD, SANITIZE

SOURCE = pathlib.Path(os.environ.get("WEIR_SOURCE", pathlib.Path(__file__).parents[2]))
ATTACKS = ["slow headers", "slow body", "slow read", "range"]


def test_slow_attacks(root):
    if SANITIZE:
        pytest.skip("what a sanitizer keeps is not given back")
    command = [SOURCE / "script/slow_attacks", "--quick", "--tour", BUILD / "examples/tour", "--root", root]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("|")]
    assert rows == ["attack", *ATTACKS]
