"""A short part of `make secure`: a stack with TLS, logins and ACLs copies a table, and a missing right is said plainly."""

from pathlib import Path

import pytest

from secure.place import secured

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_a_secured_stack_is_equal_and_a_sink_without_its_acl_says_so_and_loses_nothing(tmp_path: Path) -> None:
    with secured(tmp_path, caught_up=False) as place:
        with place.without_acl():
            said = place.sink_says("uthoriz")
            assert "uthoriz" in said, said
        place.catch_up()  # which ends with `verify`
