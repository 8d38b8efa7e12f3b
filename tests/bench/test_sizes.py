"""Which files count as what a program has to be shipped with.

SPDX-License-Identifier: MIT
"""

import os

from lib import sizes

MAPS = """\
55d4b7a40000-55d4b7a42000 r--p 00000000 fe:00 2114 /usr/sbin/some.server
55d4b8c11000-55d4b8c32000 rw-p 00000000 00:00 0 [heap]
7f31a0a00000-7f31a0a32000 r--p 00000000 fe:00 5121 /usr/lib/x86_64-linux-gnu/libgnutls.so.30.34.3
7f31a0a32000-7f31a0b65000 r-xp 00032000 fe:00 5121 /usr/lib/x86_64-linux-gnu/libgnutls.so.30.34.3
7f31a1000000-7f31a1026000 r--p 00000000 fe:00 4711 /usr/lib/x86_64-linux-gnu/libc.so.6
7f31a1300000-7f31a1302000 r-xp 00000000 fe:00 6001 /opt/with a space/_json.cpython-311-x86_64-linux-gnu.so
7f31a1400000-7f31a1402000 r-xp 00000000 fe:00 6002 /usr/lib/x86_64-linux-gnu/libnss_systemd.so.2
7f31a1500000-7f31a1502000 r--s 00000000 fe:00 6003 /usr/lib/jvm/java/lib/modules
7f31a1600000-7f31a1602000 r--p 00000000 fe:00 6004 /usr/lib/locale/C.utf8/LC_CTYPE
7f31a1700000-7f31a1702000 rw-s 00000000 00:01 6005 /dev/zero (deleted)
7f31a1800000-7f31a1802000 rw-p 00000000 00:00 0
7ffd3a5f2000-7ffd3a5f4000 r-xp 00000000 00:00 0 [vdso]
"""


def test_libraries_are_what_is_mapped_and_named_so():
    folder = "/usr/lib/x86_64-linux-gnu/"
    assert sizes.libraries_in(MAPS) == {folder + "libgnutls.so.30.34.3", folder + "libc.so.6", "/opt/with a space/_json.cpython-311-x86_64-linux-gnu.so"}


def test_each_file_counts_once_unless_it_is_named_or_everywhere(tmp_path):
    def library(name, size):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * size)
        return str(path)

    first, common, beneath, near = library("liba.so.1.0", 1000), library("libc.so.6", 200), library("own/libb.so", 30), library("own2/libb.so", 4)
    link, hard = tmp_path / "liba.so.1", tmp_path / "libhard.so"
    link.symlink_to(first)
    os.link(first, hard)
    mapped = {first, str(link), str(hard), common, beneath, near}
    assert sizes.libraries_bytes(mapped, [], set()) == 1234
    assert sizes.libraries_bytes(mapped, [str(tmp_path / "own")], {common}) == 1004
    assert sizes.libraries_bytes(mapped, [str(link)], {common}) == 34  # under none of its names
    assert sizes.libraries_bytes(set(), [], set()) == 0


def test_the_c_library_is_everywhere():
    mapped = {os.path.realpath(path) for path in sizes.mapped_libraries([os.getpid(), 1 << 30])}
    everywhere = sizes.packaged(sizes.EVERYWHERE)
    assert "libc.so.6" in {os.path.basename(path) for path in mapped & everywhere}
    assert any(path.endswith("/libgcc_s.so.1") for path in everywhere)
    assert not any("libz." in path or "libcrypt." in path for path in everywhere)
