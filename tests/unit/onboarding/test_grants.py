"""Rights as SQL: exact, quoted, and without a password."""

from hypothesis import given
from hypothesis import strategies as st

from afflux.onboarding.grants import quoted, sink_grants, source_grants

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


def test_a_role_gets_what_it_needs_and_nothing_else() -> None:
    grants = source_grants("shard a", "app", "cdc", "p", [("public", "orders"), ("s", "t")], monitor=False)
    given_rights = [statement for statement in grants.statements if statement.startswith("GRANT")]
    assert given_rights == [
        'GRANT CONNECT ON DATABASE "app" TO "cdc"',
        'GRANT USAGE ON SCHEMA "public" TO "cdc"',
        'GRANT USAGE ON SCHEMA "s" TO "cdc"',
        'GRANT SELECT ON TABLE "public"."orders", "s"."t" TO "cdc"',
    ]


def test_a_script_has_no_password_and_stops_at_the_first_error() -> None:
    script = sink_grants("sink w", "dw", "afflux", ["public"]).script()
    assert "PASSWORD" not in script
    assert "\\set ON_ERROR_STOP on" in script
    assert '\\password "afflux"' in script


def test_the_sinks_own_schema_comes_with_the_targets() -> None:
    grants = sink_grants("sink w", "dw", "role", ["public", "afflux"])
    assert [s for s in grants.statements if s.startswith("CREATE SCHEMA")] == [
        'CREATE SCHEMA IF NOT EXISTS "afflux"',
        'CREATE SCHEMA IF NOT EXISTS "public"',
    ]


@given(NAMES)
def test_no_name_ends_its_quotes(name: str) -> None:
    inside = quoted(name)[1:-1]
    assert '"' not in inside.replace('""', "")


@given(NAMES)
def test_no_name_ends_the_block_that_makes_it_once(role: str) -> None:
    statement = source_grants("x", "d", role, "p", [("a", "b")], monitor=False).statements[0]
    tag = statement.split(" ")[1]
    assert statement.count(tag) == 2
