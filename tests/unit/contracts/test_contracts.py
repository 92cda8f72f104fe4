"""A contract breaks exactly where a table is not as promised, and says where."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from afflux.contracts.compare import apart, breaches, together
from afflux.contracts.contract import contract_of, read, read_all
from afflux.contracts.shape import Field, Shape, of_schemas
from afflux.contracts.spelling import spelled
from afflux.errors import UsageError
from afflux.types.postgres import KINDS, Modifier, PgType

TYPES = st.sampled_from(["bigint", "integer", "text", "numeric(12,2)", "timestamptz(3)", "mood", "boolean[]"])
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
FIELDS = st.builds(Field, NAMES, TYPES, st.sampled_from([True, False, None]))


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    fields = draw(st.lists(FIELDS, min_size=1, max_size=6, unique_by=lambda field: field.name))
    return Shape(tuple(fields), frozenset(draw(st.sets(st.sampled_from([field.name for field in fields])))))


def test_a_contract_written_of_a_table_is_kept_by_it_and_survives_its_file(tmp_path: Path) -> None:
    @given(shapes())
    def holds(shape: Shape) -> None:
        contract = contract_of("public.orders", shape)
        assert list(breaches(contract, shape)) == []
        path = tmp_path / "contract.yaml"
        path.write_text(contract.text(), encoding="utf-8")
        assert read(path) == contract
        path = tmp_path / "contract.json"
        path.write_text(json.dumps(contract.model_dump(mode="json")), encoding="utf-8")
        assert read(path) == contract

    holds()


@given(shapes(), st.data())
def test_each_change_of_a_column_breaks_the_contract_at_that_column(shape: Shape, data: st.DataObject) -> None:
    contract = contract_of("public.orders", shape)
    at = data.draw(st.integers(0, len(shape.fields) - 1))
    field, rest = shape.fields[at], shape.fields[:at] + shape.fields[at + 1 :]
    changed = {
        "missing": replace(shape, fields=rest, key=shape.key),
        "type": replace(shape, fields=(*rest, replace(field, type="inet"))),
        "more": replace(shape, fields=(*shape.fields, Field(f"{''.join(f.name for f in shape.fields)}2", "text"))),
    }
    if field.nullable is False:
        changed["null"] = replace(shape, fields=(*rest, replace(field, nullable=True)))
    for what, found in changed.items():
        (breach,) = breaches(contract, found)
        assert breach.what == what
        assert breach.field == (found.fields[-1].name if what == "more" else field.name)
    assert list(breaches(contract.model_copy(update={"more_fields": True}), changed["more"])) == []


def test_another_key_breaks_it_and_a_stricter_column_does_not() -> None:
    shape = Shape((Field("id", "bigint", nullable=False), Field("note", "text", nullable=True)), frozenset({"id"}))
    contract = contract_of("public.orders", shape)
    (breach,) = breaches(contract, replace(shape, key=frozenset({"id", "note"})))
    assert (breach.what, breach.promised, breach.found) == ("key", "id", "id, note")
    assert not list(breaches(contract, replace(shape, fields=(shape.fields[0], Field("note", "text", nullable=False)))))


@given(shapes(), st.integers(1, 5))
def test_shards_that_are_alike_have_no_difference(shape: Shape, count: int) -> None:
    assert apart("public.orders", {f"shard{n}": shape for n in range(count)}) == []


def test_what_differs_names_the_shards_of_each_side() -> None:
    old = Shape((Field("id", "integer", nullable=False),), frozenset({"id"}))
    new = Shape((Field("id", "bigint", nullable=False), Field("note", "text")), frozenset({"id"}))
    lines = apart("public.orders", {"shard0": old, "shard1": new, "shard2": new})
    assert [(line.field, line.what, dict(line.values)) for line in lines] == [
        ("id", "type", {"integer": ("shard0",), "bigint": ("shard1", "shard2")}),
        ("note", "field", {"text": ("shard1", "shard2"), "absent": ("shard0",)}),
    ]
    contract = contract_of("public.orders", old)
    found = together({"shard0": breaches(contract, old), "shard1": breaches(contract, new)}, "registry")
    assert {(breach.what, breach.where) for breach in found} == {("type", ("shard1",)), ("more", ("shard1",))}


@pytest.mark.parametrize(
    ("written", "one"),
    [
        ("int8", "bigint"),
        ("BIGINT", "bigint"),
        ("timestamp with time zone", "timestamptz"),
        ("timestamp(3) without time zone", "timestamp(3)"),
        ("timestamptz(6)", "timestamptz"),
        ("time(0)", "time(0)"),
        ("decimal(12, 2)", "numeric(12,2)"),
        ("numeric(12)", "numeric(12,0)"),
        ("numeric(5,-2)", "numeric(5,-2)"),
        ("numeric", "numeric"),
        ("varchar(20)[]", "character varying(20)[]"),
        ("character varying", "character varying"),
        ("char", "character(1)"),
        ("bpchar", "bpchar"),
        ("bpchar(3)", "character(3)"),
        ('"char"', '"char"'),
        ("bit", "bit(1)"),
        ("money", "money"),
        ("interval(3)", "interval"),
        ("mood", "mood"),
        ('sales."Mood"[]', "mood[]"),
        ("Mood", "mood"),
        ("public.citext", "citext"),
    ],
)
def test_a_type_has_one_spelling(written: str, one: str) -> None:
    assert spelled(written) == one
    assert spelled(one) == one


@given(st.sampled_from(sorted(KINDS.keys() - {"enum", "other", "money"})), st.booleans(), st.integers(1, 5))
def test_every_type_that_a_connector_can_name_is_spelled_as_the_catalog_spells_it(
    name: str,
    array: bool,
    size: int,
) -> None:
    length = size if KINDS[name].modifier in {Modifier.LENGTH, Modifier.NUMERIC} else None
    scale = size if KINDS[name].modifier is Modifier.FRACTION else 0
    of = PgType(name, length, scale, array).ddl()
    assert spelled(of) == of


def field(name: str, avro: object, source: str, **parameters: str) -> dict[str, object]:
    said = {f"__debezium.source.column.{key}": value for key, value in {"name": name, "type": source}.items()}
    inner = {**(avro if isinstance(avro, dict) else {"type": avro}), "connect.parameters": said | parameters}
    return {"name": name.replace("-", "_"), "type": ["null", inner] if parameters.get("null") else inner}


def test_a_shape_is_read_of_the_schemas_that_events_are_sent_with() -> None:
    wire = {"afflux.wire": "1"}
    row = [
        field("order-id", "long", "BIGSERIAL"),
        field("note", "string", "TEXT", null="yes", **wire, **{"afflux.type": "text"}),
        field("paid", "boolean", "BOOL", null="yes"),
        field("mood", "string", "MOOD", null="yes", **wire, **{"afflux.type": "mood"}),
        field("quantity", "int", "POSINT"),
    ]
    value = {
        "name": "s.public.orders.Envelope",
        "fields": [{"name": "before", "type": ["null", {"type": "record", "fields": row}]}],
    }
    shape = of_schemas(value, {"fields": [{"name": "order_id", "type": "long"}]})
    assert [(f.name, f.type, f.nullable) for f in shape.fields] == [
        ("order-id", "bigint", False),
        ("note", "text", None),
        ("paid", "boolean", True),
        ("mood", "mood", None),
        ("quantity", "posint", False),
    ]
    assert shape.fields[-1].also == {"integer"}
    assert shape.key == {"order-id"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("table: orders\nfields: []", "table"),
        ("table: public.orders\nfields: [{name: id}]", "fields.0.type"),
        ("table: public.orders\nfields: [{name: id, type: int, nulable: no}]", "nulable"),
        ("table: public.orders\nfields: [{name: id, type: int}]\nkey: [ID]", "key 'ID' is none of its fields"),
        ("table: public.orders\nfields: [{name: id, type: int}, {name: id, type: text}]", "'id' is there twice"),
        ("[", "can't be parsed"),
    ],
)
def test_a_wrong_contract_is_refused_with_its_file_and_field(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as refused:
        read(path)
    assert said in refused.value.message
    assert str(path) in refused.value.message


def test_two_contracts_of_one_table_and_a_folder_of_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no contract"):
        read_all([tmp_path])
    for name in ("a.yaml", "b.json"):
        (tmp_path / name).write_text('{"table": "public.orders", "fields": [{"name": "id", "type": "int"}]}')
    with pytest.raises(UsageError, match="both of table"):
        read_all([tmp_path])
