"""Certificates for one test: an authority that nobody trusts, a server's for 127.0.0.1, a client's."""

from __future__ import annotations

import shutil
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.children import finished


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def server_context(self, *, client_wanted: bool = False) -> ssl.SSLContext:
        """What a server with these does, asking for a client's certificate or not."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.authority))
        context.load_cert_chain(self.server, self.server_key)
        if client_wanted:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def issued(folder: Path) -> Certificates:
    """Make an authority, and have it sign a server's and a client's certificate."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is missing: nothing is tried by TLS")

    def run(*words: str) -> None:
        done = finished([openssl, *words], cwd=folder)
        assert done.returncode == 0, done.stderr

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    run(*new, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", "basicConstraints=CA:FALSE")
    run(*new, *signed, "-subj", "/CN=server", "-addext", "subjectAltName=IP:127.0.0.1", *out("server"))
    run(*new, *signed, "-subj", "/CN=client", *out("client"))
    paths = (folder / name for name in ("ca.pem", "server.pem", "server.key", "client.pem", "client.key"))
    return Certificates(*paths)


def out(name: str) -> tuple[str, ...]:
    """Say where key and certificate go."""
    return ("-keyout", f"{name}.key", "-out", f"{name}.pem")
