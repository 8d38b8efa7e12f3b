"""Memory and processor time of a whole tree of processes.

SPDX-License-Identifier: MIT
"""

import subprocess
import sys
import time

import pytest
from lib.tree import Overgrown, Sampler, Tree

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), end="", flush=True)
child.wait()
print("reaped", flush=True)
sys.stdin.read()
"""
CHILD = "import sys, time; held = b'x' * (64 << 20); end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint('ready', flush=True); time.sleep(600)"


@pytest.fixture(name="parent")
def fixture_parent():
    with subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        pids = Tree(process.pid).pids()  # now: a child whose parent is killed is not found any more
        yield process
        for pid in pids[::-1]:
            subprocess.run(["kill", str(pid)], check=False)


def test_children_count(parent):
    tree = Tree(parent.pid)
    memory = tree.memory()
    assert len(tree.pids()) == memory.processes == 2
    assert memory.private > 64 << 20 and memory.private <= memory.proportional <= memory.resident
    assert tree.peak_bytes() >= memory.private
    assert tree.cpu_seconds() >= 0.3


def test_the_time_of_a_child_that_ended_is_not_lost(parent):
    tree = Tree(parent.pid)
    before = tree.cpu_seconds()
    subprocess.run(["kill", str(tree.pids()[1])], check=True)
    assert parent.stdout.readline() == "reaped\n"
    assert tree.pids() == [parent.pid]
    assert tree.cpu_seconds() >= before


def test_a_server_that_takes_too_much_is_ended(parent):
    with pytest.raises(Overgrown), Sampler(Tree(parent.pid), parent.kill, guard=1 << 20, step=0.01):
        assert parent.wait(60) != 0
        raise OSError("what its client made of it")


def test_the_most_is_kept(parent):
    with Sampler(Tree(parent.pid), parent.kill, step=0.01) as sampler:
        while sampler.most.private < 64 << 20:
            time.sleep(0.01)
        subprocess.run(["kill", str(Tree(parent.pid).pids()[1])], check=True)
        parent.stdout.readline()
    assert sampler.most.private >= 64 << 20 and sampler.most.processes == 2


GROWING = """
import time
held = []
print('ready', flush=True)
for _ in range(8):
    held.append(b'x' * (8 << 20))
    end = time.process_time() + 0.2
    while time.process_time() < end: pass
time.sleep(600)
"""


def test_settled_is_when_the_children_rest_too():
    with subprocess.Popen([sys.executable, "-c", PARENT, GROWING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            assert Tree(process.pid).settle(least=0.1, most=60, step=1.0).private > 64 << 20
        finally:
            for pid in Tree(process.pid).pids()[::-1]:
                subprocess.run(["kill", str(pid)], check=False)


def test_a_tree_that_never_rests_gives_its_last_figures():
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        try:
            assert Tree(process.pid).settle(least=0.1, most=0.5, step=0.1).processes == 1
        finally:
            process.kill()
