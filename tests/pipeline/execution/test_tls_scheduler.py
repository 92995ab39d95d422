"""A scheduler with the user's own certificates: others are not heard, and what is wrong is named."""

from __future__ import annotations

import contextlib
import datetime
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from distributed import Client, Security

from pipeline.cli.main import main
from pipeline.errors import FAILED, OK
from tests.remedies.following import Case, Says, check
from tests.support.command_line import FAST, ttprep, write_clip, write_manifest

SMALL = FAST + "  frames: {width: 64, height: 48}\n"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "cert.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.touch(mode=0o600)
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return pem, private


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    certificate(folder)
    write_clip(folder / "v" / "a.mp4", 12, size=(64, 48))
    return folder


@pytest.fixture(scope="module")
def address(place: Path) -> Iterator[str]:
    """A scheduler and a worker, as `dask scheduler --tls-…` starts them."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    found = f"tls://127.0.0.1:{port}"
    files = [str(place / n) for n in ("cert.pem", "cert.pem", "key.pem")]
    tls = [w for pair in zip(("--tls-ca-file", "--tls-cert", "--tls-key"), files, strict=True) for w in pair]
    python = [sys.executable, "-m"]
    head = [*python, "distributed.cli.dask_scheduler", "--host", found, *tls, "--no-dashboard"]
    worker = [*python, "distributed.cli.dask_worker", found, *tls, "--nthreads", "1", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(words, **quiet) for words in (head, worker)]  # type: ignore[call-overload]
    security = Security(
        tls_ca_file=files[0], tls_client_cert=files[1], tls_client_key=files[2], require_encryption=True
    )
    try:
        with Client(found, security=security, timeout=60) as client:
            client.wait_for_workers(1, timeout=60)
        yield found
    finally:
        for process in reversed(started):
            process.send_signal(signal.SIGINT)
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()


def test_a_run_with_the_certificates_is_served_and_one_without_is_not(place: Path, address: str) -> None:
    write_manifest(place, f"{SMALL}cluster: {{tls: {{ca: cert.pem, cert: cert.pem, key: key.pem}}}}\n")
    words = ("run", "--stage", "frames", "--store", "s", "--scheduler", address, "v")
    done = ttprep(*words, cwd=place)
    assert done.returncode == OK, done.stderr
    # of the command line
    write_manifest(place, SMALL)
    files = ("--tls-ca", "cert.pem", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
    done = ttprep("run", "--store", "s2", "--stage", "frames", *files, "--scheduler", address, "v", cwd=place)
    assert done.returncode == OK, done.stderr
    # another's certificates, and none
    (place / "other").mkdir()
    certificate(place / "other")
    strange = [w.replace("cert.pem", "other/cert.pem").replace("key.pem", "other/key.pem") for w in files]
    done = ttprep("run", "--store", "s3", *strange, "--scheduler", address, "v", cwd=place)
    assert done.returncode == FAILED
    assert "no Dask scheduler answers at tls://" in done.stderr
    with pytest.raises((OSError, TimeoutError)):
        Client(address.replace("tls", "tcp"), timeout=2)


def test_what_is_wrong_with_the_files_is_named(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Followed up to the scheduler, which is none here; the run with one is above."""
    monkeypatch.chdir(place)
    write_manifest(place, SMALL)
    none = "tls://127.0.0.1:1"
    files = ("--tls-ca", "cert.pem", "--tls-cert", "cert.pem", "--tls-key", "key.pem")
    words = ("run", "--store", "s4", "--stage", "frames", "v", "--scheduler")

    def refused(*more: str) -> str:
        done = ttprep(*words, *more, cwd=place)
        assert done.returncode != OK
        return str(done.stderr)

    Says("{} asks for certificates; give --tls-ca, --tls-cert and --tls-key").of(refused(none))
    Says("{} takes no certificates; write tls:// for its protocol").of(refused("tcp://127.0.0.1:1", *files))
    missing = [w.replace("key.pem", "no.pem") for w in files]
    assert "no.pem: cannot be read (No such file or directory); check the path" in refused(none, *missing)
    (place / "cert.pem").chmod(0o600)
    no_key = [w.replace("key.pem", "cert.pem") for w in files]
    Says("{}, {}, {}: are no certificates with their key ({}); name PEM files").of(refused(none, *no_key))
    (place / "key.pem").chmod(0o644)
    (command,) = Says("others may read this private key; run `{}`").of(refused(none, *files))
    subprocess.run(command, shell=True, check=True, cwd=place)
    assert "no Dask scheduler answers" in refused(none, *files), "what was said is mended"


def test_options_that_do_not_go_together(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    write_manifest(place, SMALL)
    here = ("run", "--stage", "frames", "v", "--workers", "0", "--store", "s5")
    cases = (
        Case(
            (*here, "--tls-ca", "cert.pem"),
            Says("--tls-ca, --tls-cert and --tls-key are for a scheduler: add --scheduler"),
            here,
        ),
        Case(
            (*here[:-4], "--scheduler", "tls://a:1", "--tls-ca", "cert.pem"),
            Says("--tls-ca, --tls-cert and --tls-key belong together: give all three"),
            here,
        ),
        Case(
            (*here, "--cluster", "slurm"),
            Says("--cluster starts workers by itself: leave --workers and --scheduler out"),
            here,
        ),
    )
    for case in cases:
        check(main, case)
