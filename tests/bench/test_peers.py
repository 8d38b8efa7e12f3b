"""The manifests of the peers, and that each says where its settings come from.

SPDX-License-Identifier: MIT
"""

import os
import subprocess

import pytest
from lib import build, peer
from lib.programs import PROGRAMS
from lib.secure import PROTOCOLS

KINDS = ("weir", "floor", "framework", "library", "file server")


@pytest.mark.parametrize("name", peer.names())
def test_manifest_is_whole(name):
    found = peer.Peer(name, "/samples")
    manifest = found.manifest
    assert found.kind in KINDS
    assert manifest["about"] and manifest["run"]["command"]
    assert manifest["version"], "a report has to name the version"
    absent = manifest.get("absent", {})
    assert set(manifest["programs"]) | set(absent) <= set(PROGRAMS)
    assert not set(manifest["programs"]) & set(absent)
    if found.kind in ("framework", "library", "weir") and "tables" not in manifest:
        # A row of a database is the program of peers of the table of those alone.
        assert set(manifest["programs"]) | set(absent) | {"row"} == set(PROGRAMS), "a program that is missing needs a reason"
    for template in [name for part in (None, "secure", "compression", "uploads", "live", "fanout") for name in found.section(part).get("templates", [])]:
        assert os.path.exists(os.path.join(found.folder, template))
    assert all(path.startswith("/") for path in (manifest.get("live", {}).get(name, "/") for name in ("echo", "topic")))
    assert set(manifest.get("secure", {}).get("protocols", ())) <= set(PROTOCOLS)
    assert all(os.path.exists(os.path.join(build.ROOT, "bench", "tables", f"{name}.py")) for name in manifest.get("tables", ()))
    assert set(manifest.get("expect", {})) <= set(manifest["programs"])


@pytest.mark.parametrize("name", peer.names())
def test_readme_says_where_the_settings_come_from(name):
    with open(os.path.join(peer.FOLDER, name, "README.md"), encoding="utf-8") as file:
        assert "settings" in file.read().lower()


def test_words_are_filled_in():
    found = peer.Peer("floor", "/samples")
    assert found.expand("--port @PORT@ --root @ROOT@ -p@RUN@", (80, 443, 81), "/run") == "--port 80 --root /samples -p/run"
    assert found.expand("@TLS_PORT@ @H2C_PORT@", (80, 443, 81)) == "443 81"


def test_a_peer_may_be_in_some_tables_only():
    assert peer.Peer("go", "/samples").is_in("tls") and not peer.Peer("go", "/samples").is_in("plaintext")
    assert peer.Peer("nginx", "/samples").is_in("tls") and peer.Peer("nginx", "/samples").is_in("plaintext")


def test_what_is_not_right_over_a_protocol_is_not_measured_over_it():
    found = peer.Peer("nginx", "/samples")
    assert found.speaks("h2") and not peer.Peer("floor", "/samples").speaks("h2")
    found.wrong["h2"] = "the reply is of HTTP/1.1"
    assert not found.speaks("h2") and found.speaks("https")


def test_an_unknown_word_is_a_fault_of_the_manifest():
    with pytest.raises(KeyError):
        peer.Peer("floor", "/samples").expand("@NOTHING@")


def test_sizes_leave_debugging_information_out(tmp_path):
    found = peer.Peer("floor", "/samples")
    source, program, text = tmp_path / "a.c", tmp_path / "a", tmp_path / "text"
    source.write_text("int main(void) { return 0; }\n")
    text.write_bytes(b"x" * 1000)
    subprocess.run(["cc", "-g3", "-o", str(program), str(source)], check=True)
    found.manifest["size"] = {"paths": [str(program)]}
    assert 1000 < found.size() < program.stat().st_size
    found.manifest["size"] = {"paths": [str(text)]}  # what is no program counts whole
    assert found.size() == 1000
    found.manifest["size"] = {"paths": []}
    assert found.size() is None
