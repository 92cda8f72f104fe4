"""A data contract: one table as its consumers count on it, in a file of a few lines."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator

from afflux.contracts.shape import Field, Shape
from afflux.contracts.spelling import spelled
from afflux.errors import UsageError

SUFFIXES = (".yaml", ".yml", ".json")

Word = Annotated[str, StringConstraints(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Promised(_Strict):
    """A column that a contract promises.

    Attributes:
        name: as in the database.
        type: PostgreSQL's, in any of its spellings.
        nullable: whether consumers have to expect NULL.
    """

    name: Word
    type: Word
    nullable: bool = True


class Contract(_Strict):
    """What consumers of a table count on.

    Attributes:
        table: `schema.table` at the source.
        fields: its columns.
        key: the names of the key's columns; empty where nobody counts on one.
        more_fields: whether the shards may have columns that are not in it.
    """

    table: Annotated[str, StringConstraints(pattern=r"^[^.]+\..+$")]
    fields: tuple[Promised, ...]
    key: tuple[Word, ...] = ()
    more_fields: bool = False

    @model_validator(mode="after")
    def _fits(self) -> "Contract":
        names = [field.name for field in self.fields]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"field {twice[0]!r} is there twice")
        strange = [name for name in self.key if name not in names]
        if strange:
            raise ValueError(f"key {strange[0]!r} is none of its fields")
        return self

    def shape(self) -> Shape:
        """Give what it promises as a table's shape."""
        return Shape(tuple(Field(f.name, spelled(f.type), f.nullable) for f in self.fields), frozenset(self.key))

    def text(self) -> str:
        """Write it as the file that `read` reads."""
        data = self.model_dump(mode="json", exclude={"more_fields"} if not self.more_fields else None)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def contract_of(table: str, shape: Shape) -> Contract:
    """Make a contract of what is there; where nobody knows, a field may be NULL."""
    fields = tuple(Promised(name=f.name, type=f.type, nullable=f.nullable is not False) for f in shape.fields)
    key = tuple(field.name for field in shape.fields if field.name in shape.key)
    return Contract(table=table, fields=fields, key=key)


def read(path: Path) -> Contract:
    """Read a contract's file, YAML or JSON.

    Raises:
        UsageError: it can't be read, or is no contract; the message names the file and the field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} can't be read: {error}", hint="name a contract's file, or a folder of them") from None
    try:
        # As YAML, JSON's pairs of escapes for one character would be two.
        data: Any = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (yaml.YAMLError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} can't be parsed: {error}", hint=_LEARN) from None
    try:
        return Contract.model_validate(data)
    except ValidationError as error:
        raise UsageError("\n".join(f"{path}: {line}" for line in _lines(error)), hint=_LEARN) from None


def read_all(places: Iterable[Path]) -> dict[Path, Contract]:
    """Read contracts.

    Args:
        places: files, or folders of files that end in .yaml, .yml or .json.

    Returns:
        file -> contract, by name within a folder.

    Raises:
        UsageError: one is wrong, a folder has none, or two are of one table.
    """
    contracts: dict[Path, Contract] = {}
    for place in places:
        files = sorted(f for f in place.iterdir() if f.suffix in SUFFIXES) if place.is_dir() else [place]
        if not files:
            raise UsageError(f"no contract is in {place}", hint="`afflux schemas register TABLE` writes one")
        contracts |= {file: read(file) for file in files}
    owners: dict[str, Path] = {}
    for file, contract in contracts.items():
        if owners.setdefault(contract.table, file) != file:
            raise UsageError(f"{owners[contract.table]} and {file} are both of table {contract.table}", hint=_LEARN)
    return contracts


_LEARN = "docs/schemas.md shows a contract and explains every key"


def _lines(error: ValidationError) -> list[str]:
    return [
        ": ".join(part for part in (".".join(map(str, problem["loc"])), problem["msg"]) if part)
        for problem in error.errors(include_url=False, include_input=False)
    ]
