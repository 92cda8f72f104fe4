"""The certificates of a secured stack: which there are, and new ones taken up while the servers serve."""

import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from afflux.errors import StackError, UsageError
from afflux.stack.parts import parts_of
from afflux.stack.parts.base import Part
from afflux.stack.ports import HOST
from afflux.stack.starting import Report, start, stop
from afflux.stack.state import State

PATIENCE = 90.0
"""Seconds that a server has to show its new certificate: the registry looks every 30 s."""


@dataclass(frozen=True)
class PartCertificate:
    """A server's certificate.

    Attributes:
        part: the server.
        expires: until when it is good.
        serial: its number, in hexadecimal.
        served: whether it is the one that the server shows now; None where it does not run.
    """

    part: str
    expires: datetime
    serial: str
    served: bool | None


def certificates(state: State) -> list[PartCertificate]:
    """Return every server's certificate.

    Raises:
        UsageError: the stack is not a secured one.
    """
    return [_looked_at(part, state) for part in _parts(state)]


def rotate(state: State, report: Report) -> list[PartCertificate]:
    """Give every server a new key and certificate, one server after the other.

    Kafka, PostgreSQL and the registry take theirs up as they run; a worker of Connect is started again, and goes on
    where it stood. The authority stays, so that clients trust the new certificates as they did the old ones.

    Args:
        state: of a secured stack.
        report: told (part, phase).

    Raises:
        UsageError: the stack is not a secured one.
        StackError: a server does not show its new certificate.
    """
    for part in _parts(state):
        state.authority.issue(part.name)
        if part.process.find() is None:
            continue
        report(part.name, "renewing")
        if not part.take_certificate():
            stop([part], report)
            start([part], report)
        _await_served(part, state)
        report(part.name, "ready")
    return certificates(state)


def _parts(state: State) -> Sequence[Part]:
    if not state.spec.secure:
        raise UsageError("this stack has no certificates", hint="a secured one is made by `afflux stack up --secure`")
    return parts_of(state)


def _looked_at(part: Part, state: State) -> PartCertificate:
    current = state.authority.current(part.name)
    served = _served(part) == current.serial_number if part.process.find() else None
    return PartCertificate(part.name, current.not_valid_after_utc, f"{current.serial_number:x}", served)


def _await_served(part: Part, state: State) -> None:
    wanted = state.authority.current(part.name).serial_number
    give_up = time.monotonic() + PATIENCE
    while _served(part) != wanted:
        if time.monotonic() > give_up:
            raise StackError(
                f"{part.name} still shows its old certificate after {PATIENCE:.0f} s",
                hint=f"its log is {part.process.log}; `afflux stack down` and `up` make it take the new one",
            )
        time.sleep(0.5)


def _served(part: Part) -> int | None:
    """Ask a server for its certificate's number; None where it does not answer with one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is looked at, and not trusted
    try:
        with socket.create_connection((HOST, part.port), 5) as plain:
            if part.before_tls:
                plain.sendall(part.before_tls)
                plain.recv(1)
            with context.wrap_socket(plain) as secured:
                shown = secured.getpeercert(binary_form=True)
    except OSError:
        return None
    return x509.load_der_x509_certificate(shown).serial_number if shown else None
