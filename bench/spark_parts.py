"""Spark with Delta: PySpark in an environment of its own, jars from Maven Central, and the Java 17 or 21 that is installed.

Spark asks Java for a module that is still being tried (`jdk.incubator.vector`), which only a whole Java has.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import requests
from jgo.constants import MAVEN_CENTRAL_URL

from afflux.stack.cache import cache_folder
from afflux.stack.filelock import locked

SPARK, DELTA = "4.0.0", "4.4.0"
_JARS = (
    f"io.delta:delta-spark_4.0_2.13:{DELTA}",
    f"io.delta:delta-storage:{DELTA}",
    f"io.delta:delta-kernel-api:{DELTA}",
    f"io.delta:delta-kernel-defaults:{DELTA}",
    f"io.delta:delta-kernel-unitycatalog:{DELTA}",
    f"org.apache.spark:spark-sql-kafka-0-10_2.13:{SPARK}",
    f"org.apache.spark:spark-token-provider-kafka-0-10_2.13:{SPARK}",
    f"org.apache.spark:spark-avro_2.13:{SPARK}",
    "org.apache.kafka:kafka-clients:3.9.0",
    "org.apache.commons:commons-pool2:2.12.0",
)
_PACKAGES = (f"pyspark=={SPARK}", "psutil")


def spark_command(script: Path) -> tuple[list[str], dict[str, str]]:
    """Give the command and the environment that run a script with Spark; fetches what is not there yet (500 MB)."""
    home = cache_folder() / "bench" / f"spark-{SPARK}-{DELTA}"
    python = home / "venv" / "bin" / "python"
    with locked(cache_folder() / "bench" / "lock"):
        if not (home / ".ready").exists():
            print("fetching Spark and Delta (once)", file=sys.stderr)
            venv.create(home / "venv", with_pip=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", *_PACKAGES], check=True)
            (home / "jars").mkdir(exist_ok=True)
            for jar in _JARS:
                _fetch(jar, home / "jars")
            (home / ".ready").touch()
    jars = ",".join(str(path) for path in sorted((home / "jars").glob("*.jar")))
    beside = str(Path(__file__).resolve().parent)  # spark_session.py
    environment = {**os.environ, "BENCH_JARS": jars, "JAVA_HOME": str(_java()), "PYTHONPATH": beside}
    environment["PYSPARK_PYTHON"] = str(python)  # for functions of Python's
    environment["SPARK_LOCAL_IP"] = "127.0.0.1"  # nobody else is to reach it
    return [str(python), str(script)], environment


def _java() -> Path:
    """Find the Java of `JAVA_HOME`, of Debian, or of the path, that Spark can run on."""
    debian = [str(path / "bin" / "java") for path in sorted(Path("/usr/lib/jvm").glob("*"))]
    named = [f"{os.environ['JAVA_HOME']}/bin/java"] if "JAVA_HOME" in os.environ else []
    for java in (*named, shutil.which("java"), *debian):
        if java is None or not Path(java).exists():
            continue
        said = subprocess.run([java, "--list-modules"], capture_output=True, text=True, check=False).stdout
        if re.search(r"^java\.base@(17|21)\b", said, re.MULTILINE) and "jdk.incubator.vector@" in said:
            return Path(java).resolve().parent.parent
    sys.exit("Spark runs on a whole Java 17 or 21, which is not installed (Debian: openjdk-17-jre-headless)")


def _fetch(jar: str, folder: Path) -> None:
    group, artifact, version = jar.split(":")
    name = f"{artifact}-{version}.jar"
    answer = requests.get(f"{MAVEN_CENTRAL_URL}/{group.replace('.', '/')}/{artifact}/{version}/{name}", timeout=300)
    answer.raise_for_status()
    (folder / name).write_bytes(answer.content)
