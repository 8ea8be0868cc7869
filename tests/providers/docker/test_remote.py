"""An engine elsewhere: over TLS with a certificate of ours, and through ssh.

The engine is this machine's, behind a TLS door of the test's own, or behind a program `ssh` that
does what the real one would once it has logged in.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from orchestrate.providers.docker.engine import client
from tests.providers.docker.conftest import Make
from tests.support.docker.engine import engine
from tests.support.real import need_program

pytestmark = pytest.mark.system


def bridge() -> str:
    """An address of the engine's machine that is not loopback: its bridge."""
    (subnet,) = (c["Subnet"] for c in engine().api.inspect_network("bridge")["IPAM"]["Config"])
    return str(IPv4Network(subnet)[1])


def test_over_tls_it_deploys_as_anywhere(make_docker: Make, tmp_path: Path) -> None:
    files = certificates(tmp_path)
    with tls_door(files) as port:
        docker = make_docker(
            config={
                "host": f"tcp://127.0.0.1:{port}",
                "tls": {name: str(files[name]) for name in ("ca", "cert", "key")},
                "publish": bridge(),
            }
        )
        revision = docker.live("1.0.0", 2)
        assert docker.ask().version == "1.0.0"
        replica = docker.provider.observe().replicas(revision.key)[0]
        assert str(replica.address).startswith(f"http://{bridge()}:")
        assert replica.pid is None, "a pid of another machine says nothing here"
        docker.another().dismantle()
        docker.config = {}


def test_over_tls_a_stranger_is_turned_away(make_docker: Make, tmp_path: Path) -> None:
    files, others = certificates(tmp_path / "ours"), certificates(tmp_path / "theirs")
    with tls_door(files) as port:
        docker = make_docker()
        docker.config = {
            "host": f"tcp://127.0.0.1:{port}",
            "tls": {name: str(others[name]) for name in ("ca", "cert", "key")},
            "publish": bridge(),
        }
        bad = [finding for finding in docker.another().probe() if not finding.ok]
        docker.config = {}
    assert [finding.name for finding in bad] == ["engine"]
    assert bad[0].fix is not None and "TLS" in bad[0].fix


def test_through_ssh_it_deploys_as_anywhere(
    make_docker: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = need_program("docker", "apt-get install docker.io")
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "ssh"
    stand_in.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n'
        f"exec {shutil.which(program)} --host {engine().host} system dial-stdio\n",
        encoding="ascii",
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=":")
    docker = make_docker(config={"host": "ssh://deploy@docker.example.com", "publish": bridge()})
    docker.live("1.0.0", 1)
    assert docker.ask().version == "1.0.0"
    asked = (tmp_path / "asked").read_text(encoding="ascii")
    assert "-l deploy" in asked and "-- docker.example.com docker system dial-stdio" in asked
    docker.another().dismantle()
    docker.config = {}
    client(docker.provider.host).close()  # and its ssh, which would live as long as this process


def certificates(folder: Path) -> dict[str, Path]:
    """An authority, and one certificate of it for both sides."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, own = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "orchestrate tests")])
    now = datetime.now(UTC)
    made = {}
    for which, key, ca in (("ca", authority, True), ("cert", own, False)):
        subject = name if ca else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
        made[which] = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]),
                critical=False,
            )
            .sign(authority, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )
    made["key"] = own.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for which, data in made.items():
        (folder / f"{which}.pem").write_bytes(data)
    return {which: folder / f"{which}.pem" for which in made}


@contextmanager
def tls_door(files: dict[str, Path]) -> Iterator[int]:
    """A port that lets those with a certificate through to the engine's socket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files["cert"], files["key"])
    context.load_verify_locations(files["ca"])
    context.verify_mode = ssl.CERT_REQUIRED
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def listen() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    thread = threading.Thread(target=pass_on, args=(context, plain), daemon=True)
                    thread.start()
                    threads.append(thread)

        first = threading.Thread(target=listen)
        first.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            first.join()


def pass_on(context: ssl.SSLContext, plain: socket.socket) -> None:
    """One request and its answer at a time, until either side closes."""
    with plain, socket.socket(socket.AF_UNIX) as inner:
        inner.connect(engine().host.removeprefix("unix://"))
        with suppress(OSError), context.wrap_socket(plain, server_side=True) as outer:
            back = threading.Thread(target=copy, args=(inner, outer), daemon=True)
            back.start()
            copy(outer, inner)
            back.join(timeout=10)


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
