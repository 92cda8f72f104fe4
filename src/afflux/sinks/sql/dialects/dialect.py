"""What differs between databases.

This is the generic one, by SQLAlchemy's own types. A dialect of its own is one file that changes what the database
does in another way, and one line in `table.py`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.types import TypeEngine

from afflux.errors import TableError
from afflux.sinks.batch import TargetColumn
from afflux.sinks.sql.dialects.wire import inward, outward
from afflux.types.exact import INSTANT, TIMESTAMP, exact_type

_numbers = count()


@dataclass(frozen=True, slots=True)
class Widening:
    """A column that is given a type which holds all of its values.

    Attributes:
        name: as the table calls it.
        of: its exact type.
        to: the new one.
        key_texts: how many texts and bytes are in the key that it is a part of; 0 where it is in none.
    """

    name: str
    of: pl.DataType
    to: pl.DataType
    key_texts: int


class Dialect:
    """A kind of database."""

    driver: ClassVar[str] = ""
    """The package that its driver is in, as pip knows it; empty where nobody knows."""
    schemas: ClassVar[bool] = True
    """Whether it has schemas; without, a table's schema becomes a part of its name."""
    keys: ClassVar[bool] = True
    """Whether tables are given primary keys."""
    lists: ClassVar[bool] = False
    """Whether it has lists; without, an array is PostgreSQL's text of it."""
    key_bytes: ClassVar[int] = 900
    """How many bytes the texts of a key may have together (900 is what SQL Server allows)."""

    def engine(self, url: sa.URL) -> sa.Engine:
        """Make an engine, which opens a connection when one is asked for, and keeps none."""
        return sa.create_engine(url, poolclass=sa.NullPool)

    # --- types --------------------------------------------------------------------------------------

    def exact(self, column: TargetColumn, key: Collection[str]) -> pl.DataType:
        """Give the exact type of a column that is made."""
        found = exact_type(column.type)
        return pl.String() if isinstance(found, pl.List) and (column.name in key or not self.lists) else found

    def wire(self, of: pl.DataType) -> pl.DataType:
        """Give the form in which values of an exact type go to the driver and come back."""
        if isinstance(of, pl.List):
            return pl.String()
        return TIMESTAMP if of == INSTANT else of

    def declared(self, of: pl.DataType, key_texts: int = 0) -> TypeEngine[Any]:
        """Give a column's type in the database.

        Args:
            of: its exact type.
            key_texts: how many texts and bytes are in the key that it is a part of; 0 where it is in none.
        """
        match of:
            case pl.String() if key_texts:
                exact = mssql.NVARCHAR(self.key_length(key_texts), collation="Latin1_General_100_BIN2")
                return sa.Unicode(self.key_length(key_texts)).with_variant(exact, "mssql")
            case pl.Decimal():
                return sa.Numeric(of.precision, of.scale)
        return _GENERIC[type(of)]

    def key_length(self, key_texts: int) -> int:
        """Give how many characters a text of a key may have."""
        return self.key_bytes // 2 // key_texts

    def held(self, values: pl.Series, key_texts: int = 0) -> pl.Series:
        """Take out the values of an exact type that a column can't hold; a null stays where one was."""
        if values.dtype.is_float():
            values = values.set(~values.is_finite().fill_null(value=True), None)
        if key_texts and values.dtype == pl.String:
            values = values.set((values.str.len_chars() > self.key_length(key_texts)).fill_null(value=False), None)
        return values

    def widen(self, connection: sa.Connection, table: sa.Table, column: Widening) -> None:
        """Give a column a type that holds all of its values.

        Raises:
            TableError: it has to be done by hand.
        """
        del connection
        raise TableError(
            f"table {table.name}: column {column.name!r} has to hold {column.to}, and afflux does not change types in this database",
            table=str(table.name),
            hint="move the table away and let it be copied again",
        )

    # --- statements ---------------------------------------------------------------------------------

    def begin(self, connection: sa.Connection) -> None:
        """Do what a connection needs first."""

    def stage(self, connection: sa.Connection, frame: pl.DataFrame, types: Mapping[str, TypeEngine[Any]]) -> sa.Table:
        """Write a frame into a temporary table of this connection.

        Args:
            connection: in a transaction.
            frame: in the driver's forms.
            types: of the columns.
        """
        columns = [sa.Column(name, of) for name, of in types.items()]
        name = f"afflux_stage_{next(_numbers)}"
        if connection.dialect.name == "mssql":
            made = sa.Table(f"#{name}", sa.MetaData(), *columns)
        else:
            made = sa.Table(name, sa.MetaData(), *columns, prefixes=["TEMPORARY"])
        made.create(connection)
        self.load(connection, made, frame)
        return made

    def drop(self, connection: sa.Connection, table: sa.Table) -> None:
        """Drop a temporary table."""
        connection.execute(sa.schema.DropTable(table))

    def delete(self, table: sa.Table, staged: sa.Table, met: sa.ColumnElement[bool]) -> sa.Delete:
        """Give the statement that deletes the rows of a table that staged ones meet."""
        del staged
        return sa.delete(table).where(met)

    def load(self, connection: sa.Connection, table: sa.Table, frame: pl.DataFrame) -> None:
        """Add a frame's rows, in the driver's forms, to a table with the frame's columns."""
        if frame.height:
            connection.execute(sa.insert(table), [*frame.iter_rows(named=True)])

    def read(
        self,
        connection: sa.Connection,
        query: "sa.Select[*tuple[Any, ...]]",
        types: Mapping[str, pl.DataType],
        rows: int,
    ) -> Iterator[pl.DataFrame]:
        """Read a query's rows in frames of exact types.

        Args:
            connection: that may go on reading while the frames are used.
            query: whose columns are those of `types`, in order.
            types: the exact ones.
            rows: at most so many in a frame.
        """
        found = connection.execution_options(yield_per=rows).execute(query)
        for part in found.partitions():
            columns = list(zip(*part, strict=True))
            yield pl.DataFrame(
                inward(self.series(name, columns[n], self.wire(of)), of) for n, (name, of) in enumerate(types.items())
            )

    def series(self, name: str, values: Sequence[object], wire: pl.DataType) -> pl.Series:
        """Give a column as the driver gave it, in its form."""
        return pl.Series(name, values, dtype=wire, strict=True)

    def forms(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give a frame of exact types in the driver's forms."""
        return frame.select(outward(column, self.wire(column.dtype)) for column in frame)

    def value(self, value: object, of: pl.DataType) -> object:
        """Give one value of an exact type in the driver's form."""
        return outward(pl.Series([value], dtype=of), self.wire(of))[0]

    def is_busy(self, error: sa.exc.DBAPIError) -> bool:
        """Tell whether a transaction came to nothing by others that went on, so that it can be done again at once."""
        del error
        return False

    def is_refusal(self, error: sa.exc.DBAPIError) -> bool:
        """Tell whether rows were refused for what they are, by a constraint or a trigger."""
        return isinstance(error, sa.exc.DataError | sa.exc.IntegrityError)


_GENERIC: Mapping[type[pl.DataType], TypeEngine[Any]] = {
    pl.Boolean: sa.Boolean(),
    pl.Int16: sa.SmallInteger(),
    pl.Int32: sa.Integer(),
    pl.Int64: sa.BigInteger(),
    pl.Float32: sa.Double(),
    pl.Float64: sa.Double(),
    pl.String: sa.UnicodeText(),
    pl.Binary: sa.LargeBinary(),
    pl.Date: sa.Date(),
    pl.List: sa.UnicodeText(),
    pl.Datetime: sa.DateTime().with_variant(mssql.DATETIME2(6), "mssql"),  # type: ignore[no-untyped-call]  # SQLAlchemy's own
}
