"""A file system whose files fail as a test wants them to: the kernel's FUSE protocol spoken by a thread, over /dev/fuse.

The kernel hands errors of such a file on as those of a broken disk, and waits for a file that does not answer as it
waits for a network file system whose server is gone.

SPDX-License-Identifier: MIT
"""

import ctypes
import errno
import os
import stat
import struct
import threading

from faults import LIBC

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 25, 26, 27, 28, 29, 36, 42
IN_HEADER = struct.Struct("<IIQQIIII")
KEEP_CACHE = 2  # opening does not throw away, or wait for, what is being read
MNT_DETACH = 2


class FailingFiles:
    """Files below .folder, a block. Each name of `files` is a function (offset, size) that returns the bytes to be read
    there or raises OSError; it may wait. All are `size` bytes long."""

    def __init__(self, folder, files, size):
        self.folder = str(folder)
        self.names = list(files)
        self.files = files
        self.size = size
        self._readers = []

    def __enter__(self):
        self._fd = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self._fd},rootmode=40755,user_id=0,group_id=0,allow_other"
        if LIBC.mount(b"failing", self.folder.encode(), b"fuse", 0, options.encode()) != 0:
            number = ctypes.get_errno()
            os.close(self._fd)
            raise OSError(number, f"mount: {os.strerror(number)}")
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_):
        LIBC.umount2(self.folder.encode(), MNT_DETACH)
        self._thread.join()
        for reader in self._readers:
            reader.join()
        os.close(self._fd)

    def _serve(self):
        while True:
            try:
                message = os.read(self._fd, 1 << 20)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.EINTR):  # the request was taken back
                    continue
                return  # unmounted
            _, operation, unique, node, *_ = IN_HEADER.unpack_from(message)
            body = message[IN_HEADER.size:]
            if operation == READ:
                reader = threading.Thread(target=self._read, args=(unique, node, body))
                reader.start()
                self._readers.append(reader)
            elif operation not in (FORGET, BATCH_FORGET, INTERRUPT):
                self._answer(unique, *self._reply(operation, node, body))

    def _answer(self, unique, number, data=b""):
        try:
            os.write(self._fd, struct.pack("<IiQ", 16 + len(data), -number, unique) + data)
        except OSError:
            pass  # nobody waits for it any more

    def _attributes(self, node):
        mode = stat.S_IFDIR | 0o755 if node == 1 else stat.S_IFREG | 0o644
        return struct.pack("<6Q10I", node, self.size, self.size // 512, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)

    def _reply(self, operation, node, body):
        if operation == INIT:
            major, _, readahead, _ = struct.unpack_from("<4I", body)
            return 0, struct.pack("<4I2H2I2H2I12H", major, 31, readahead, 0, 16, 12, 1 << 16, 1, *[0] * 16)
        if operation == LOOKUP:
            name = body.rstrip(b"\0").decode()
            if name not in self.names:
                return errno.ENOENT, b""
            found = self.names.index(name) + 2
            return 0, struct.pack("<4Q2I", found, 0, 3600, 3600, 0, 0) + self._attributes(found)
        if operation == GETATTR:
            return 0, struct.pack("<QII", 3600, 0, 0) + self._attributes(node)
        if operation in (OPEN, OPENDIR):
            return 0, struct.pack("<QII", 1, KEEP_CACHE, 0)
        if operation == STATFS:
            return 0, struct.pack("<5Q10I", 1, 0, 0, 1, 0, 4096, 255, 4096, *[0] * 7)
        if operation in (RELEASE, RELEASEDIR, FLUSH, READDIR):
            return 0, b""
        return errno.ENOSYS, b""

    def _read(self, unique, node, body):
        _, offset, size = struct.unpack_from("<QQI", body)
        try:
            data = self.files[self.names[node - 2]](offset, min(size, max(0, self.size - offset)))
            self._answer(unique, 0, data)
        except OSError as error:
            self._answer(unique, error.errno)
