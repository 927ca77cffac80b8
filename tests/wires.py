"""Stands between a client and a server: a wire that goes dead without being cut, or that speaks TLS to the client."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Wire:
    """Passes on what it is sent, until it goes dead: nothing moves on the connections there are, and none of them is closed."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._target = ("127.0.0.1", port)
        self._tls = tls
        self._open: list[socket.socket] = []
        self._dead = threading.Event()
        self.accepted = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def go_dead(self) -> None:
        """Also for those who connect now: they are accepted, and hear nothing."""
        self._dead.set()

    def mend(self) -> None:
        """For new connections. What was in flight on the old ones is gone, and they stay as they are."""
        self._dead = threading.Event()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(near, self._dead), daemon=True).start()

    def _serve(self, near: socket.socket, dead: threading.Event) -> None:
        self._open.append(near)
        if dead.is_set():
            return
        with contextlib.suppress(OSError):
            if self._tls is not None:
                near = self._tls.wrap_socket(near, server_side=True)
                self._open.append(near)
            far = socket.create_connection(self._target)
            self._open.append(far)
            threading.Thread(target=self._pass_on, args=(near, far, dead), daemon=True).start()
            self._pass_on(far, near, dead)

    def _pass_on(self, source: socket.socket, sink: socket.socket, dead: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if dead.is_set():
                    return
                sink.sendall(data)
            for one in (source, sink):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for one in (self._server, *self._open):
            # A thread that waits in it wakes up by this alone.
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextmanager
def wire(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    opened = Wire(port, tls)
    try:
        yield opened
    finally:
        opened.close()


def own_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for this machine's loopback, and the file that makes a client trust it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    trusted, secret = folder / "ca.pem", folder / "key.pem"
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return context, trusted
