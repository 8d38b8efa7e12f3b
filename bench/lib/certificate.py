"""The certificate that all peers serve: of an EC key on P-256, signed by itself, made once and kept in build/bench/certificate/.

SPDX-License-Identifier: MIT
"""

import os
import subprocess
import tempfile

from . import build

FOLDER = os.path.join(build.ROOT, "build", "bench", "certificate")
DAYS = 365
LEFT_SECONDS = 7 * 86400  # one that ends sooner is made anew


def _is_good(cert):
    done = subprocess.run(["openssl", "x509", "-in", cert, "-noout", "-checkend", str(LEFT_SECONDS)], capture_output=True, check=False)
    return done.returncode == 0


def pair(folder=FOLDER):
    """The paths of the certificate and of its key, made if need be."""
    cert, key = (os.path.join(folder, name) for name in ("cert.pem", "key.pem"))
    if os.path.exists(cert) and os.path.exists(key) and _is_good(cert):
        return cert, key
    os.makedirs(folder, exist_ok=True)
    # Made beside and moved: another run may be looking for it.
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        new = [os.path.join(fresh, name) for name in ("cert.pem", "key.pem")]
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", str(DAYS)]
        command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-out", new[0], "-keyout", new[1]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"openssl made no certificate: {done.stderr.strip()[-300:]}")
        for source, target in zip(new, (cert, key)):
            os.replace(source, target)
    return cert, key
