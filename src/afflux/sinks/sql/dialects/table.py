"""The dialects, by the names that SQLAlchemy has for databases. A new one is one file, and one line in `_DIALECTS`."""

import sqlalchemy as sa

from afflux.errors import UsageError
from afflux.sinks.sql.dialects.dialect import Dialect
from afflux.sinks.sql.dialects.duckdb import DuckDb
from afflux.sinks.sql.dialects.mysql import Mysql
from afflux.sinks.sql.dialects.sqlite import Sqlite

_DIALECTS: dict[str, type[Dialect]] = {"duckdb": DuckDb, "sqlite": Sqlite, "mysql": Mysql, "mariadb": Mysql}


def dialect_of(url: sa.URL) -> Dialect:
    """Give the dialect of an address; the generic one where it has none of its own."""
    return _DIALECTS.get(url.get_backend_name(), Dialect)()


def engine_of(url: sa.URL, dialect: Dialect) -> sa.Engine:
    """Make an engine.

    Raises:
        UsageError: SQLAlchemy knows no such database, or the driver is not installed.
    """
    try:
        return dialect.engine(url)
    except (sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
        known = dialect.driver or f"the SQLAlchemy dialect of {url.get_backend_name()!r} and its driver"
        raise UsageError(
            f"a sink at {url.drivername}:// needs a package that is not installed: {error}",
            hint=f"pip install {known}" if dialect.driver else f"install {known}",
        ) from error
