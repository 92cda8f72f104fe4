"""Plans as documents for programs: their form is a promise."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import get_args

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from afflux.cli.connectors.documents import FORMAT, plan_document
from afflux.control.planned.actions import LEAVE, Action, Risk
from afflux.control.planned.plan import make_plan
from afflux.control.seen.world import World
from afflux.topology.model import Topology
from unit.control.drawn import cases

SCHEMA = json.loads((Path(__file__).parents[3] / "schemas" / "plan.schema.json").read_text())


@settings(max_examples=30)
@given(cases(), st.sampled_from([frozenset[Risk](), LEAVE]))
def test_every_plan_has_the_form_of_the_schema(case: tuple[Topology, World], leave: Collection[Risk]) -> None:
    document = plan_document("orders", make_plan(*case, leave=leave))
    jsonschema.validate(json.loads(json.dumps(document)), SCHEMA)


def test_the_schema_names_every_kind_and_risk_and_no_other() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["kind"]["enum"]) == {kind.kind for kind in get_args(Action)}
    assert set(SCHEMA["properties"]["actions"]["items"]["properties"]["risk"]["enum"]) == {str(risk) for risk in Risk}
    assert SCHEMA["properties"]["format"]["const"] == FORMAT
