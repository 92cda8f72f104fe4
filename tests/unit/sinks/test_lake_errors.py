"""What an object store says is told in one line, and known for what it is."""

import pytest

from afflux.sinks.delta.store import is_transient, told

ARROW = "\n  \x1b[31m↳\x1b[0m "


def answered(status: str, code: str, message: str) -> OSError:
    """As delta-rs 1.6.6 says it."""
    lines = (
        "Kernel error -> Generic S3 error",
        "Error performing list request",
        "Error performing GET http://127.0.0.1:9/lake?prefix=x&X-Amz-Signature=hunter2 in 2ms - Server returned non-2xx",
        status,
        f'<?xml version="1.0"?>\n<Error>\n <Code>{code}</Code><Message>{message}\nId:1</Message><Sign>hunter2</Sign></Error>\n',
    )
    return OSError(ARROW.join(lines))


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        ("404 Not Found", "NoSuchBucket", False),
        ("404 Not Found", "ContainerNotFound", False),
        ("403 Forbidden", "SignatureDoesNotMatch", False),
        ("403 Forbidden", "AuthorizationFailure", False),
        ("401 Unauthorized", "NoAuthenticationInformation", False),
        ("503 Service Unavailable", "SlowDown", True),
        ("500 Internal Server Error", "InternalError", True),
    ],
)
def test_a_stores_answer_is_told_with_its_code_and_without_signatures(
    status: str, code: str, *, transient: bool
) -> None:
    error = answered(status, code, "It says why.")
    line = told(error)
    assert line.startswith("Kernel error -> Generic S3 error: Error performing list request: ")
    assert line.endswith(f": {status}: {code}: It says why.")
    assert "hunter2" not in line
    assert "\x1b" not in line
    assert is_transient(error) is transient


def test_other_errors_are_told_by_their_first_line() -> None:
    assert told(OSError("No space left on device\nand more")) == "No space left on device"
    assert told(OSError()) == "OSError"
