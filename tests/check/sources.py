"""What the checks by an analyzer share: the compile commands of src and adapters, a memory of what was found clean, and running two
files at a time.
SPDX-License-Identifier: MIT
"""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parents[2]


def commands(build):
    """The path and the compile command, without its output, of each C file of src and adapters."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if path.suffix == ".c" and any(path.is_relative_to(SOURCE / folder) for folder in ("src", "adapters")):
            words = shlex.split(entry["command"])
            at = words.index("-o")
            yield path, words[:at] + words[at + 2 :]


def digest(words, build, configuration):
    """Of the preprocessed text of a file, of the command and of what else the result depends on."""
    preprocess = [word for word in words if word != "-c"] + ["-E"]
    text = subprocess.run(preprocess, cwd=build, stdout=subprocess.PIPE, check=True).stdout
    return hashlib.sha256(b"\0".join([configuration, " ".join(words).encode(), text])).hexdigest()


def check_all(name, build, configuration, check):
    """Calls check(path, words), which returns a complaint or an empty string, for each file that has changed since it
    was found clean. Prints the complaints; returns the exit status."""
    memory = build / name
    memory.mkdir(exist_ok=True)

    def one(path, words):
        mark = memory / digest(words, build, configuration)
        if mark.exists():
            return ""
        complaint = check(path, words)
        if not complaint:
            mark.touch()
        return complaint

    with concurrent.futures.ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        found = [pool.submit(one, path, words) for path, words in commands(build)]
        complaints = [complaint for complaint in (job.result() for job in found) if complaint]
    for complaint in complaints:
        print(complaint, end="")
    print(f"{name}: {len(found)} files, {len(complaints)} with complaints")
    return 1 if complaints or not found else 0
