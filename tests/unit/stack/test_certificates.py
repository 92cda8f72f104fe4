"""A secured stack's certificates: made for this machine, by one authority, with keys that nobody else reads."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from afflux.stack.secure.certificates import Authority
from afflux.stack.secure.users import CONNECT, CONTROL, PASSWORDS, RIGHTS, SINK, bindings
from afflux.stack.state import SECURED


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "tls")
    made.open()
    return made


def test_a_certificate_is_for_this_machine_and_of_the_authority(authority: Authority) -> None:
    authority.ensure("kafka")
    made = authority.current("kafka")
    authority_itself = x509.load_pem_x509_certificate(authority.trusted.read_bytes())
    made.verify_directly_issued_by(authority_itself)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    ssl.create_default_context(cafile=str(authority.trusted)).load_cert_chain(authority.both("kafka"))


def test_keys_are_readable_by_their_owner_alone(authority: Authority) -> None:
    authority.ensure("kafka")
    secret = {path.name for path in authority.folder.iterdir() if path.stat().st_mode & 0o077 == 0}
    assert secret == {"ca.key", "kafka.key", "kafka.pem"}


def test_opening_again_changes_nothing_and_issuing_again_makes_new_ones(authority: Authority) -> None:
    authority.ensure("kafka")
    before = {path.name: path.read_bytes() for path in authority.folder.iterdir()}
    authority.open()
    authority.ensure("kafka")
    assert {path.name: path.read_bytes() for path in authority.folder.iterdir()} == before
    serial = authority.current("kafka").serial_number
    assert authority.issue("kafka").serial_number != serial
    assert authority.trusted.read_bytes() == before["ca.pem"]


def test_one_that_has_expired_can_be_made(authority: Authority) -> None:
    assert authority.issue("kafka", timedelta(days=-1)).not_valid_after_utc < datetime.now(UTC)


def test_the_sink_may_change_nothing_in_kafka() -> None:
    operations = {binding.operation.name for binding in bindings(SINK)}
    assert operations == {"READ", "DESCRIBE"}


def test_nobody_may_do_everything_and_each_has_a_password() -> None:
    for user in (CONTROL, CONNECT, SINK):
        rights = list(bindings(user))
        assert not [right for right in rights if right.name in {"*", ""} or right.operation.name == "ALL"]
    assert set(PASSWORDS) == set(RIGHTS)
    assert set(PASSWORDS.values()) <= set(SECURED)
