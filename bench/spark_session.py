"""Spark's own side of being asked: a session with Delta, and an answer to each line of standard input.

Runs in Spark's environment, beside the script that says what is answered.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import SparkSession


def session(folder: str, cores: int, more: Mapping[str, str]) -> SparkSession:
    """Start Spark with Delta, on this machine alone.

    Args:
        folder: for Spark's own files.
        cores: threads, and partitions of a shuffle.
        more: settings besides.
    """
    settings = {
        "spark.jars": os.environ["BENCH_JARS"],
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.extraJavaOptions": "-XX:+UseParallelGC -Duser.timezone=UTC",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(cores),
        "spark.sql.adaptive.enabled": "false",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.executor.heartbeatInterval": "120s",  # a busy machine is no dead one
        "spark.network.timeout": "900s",
        "spark.local.dir": folder,
        "spark.sql.warehouse.dir": f"{folder}/warehouse",
        **more,
    }
    builder = SparkSession.builder.master(f"local[{cores}]").appName("afflux")
    for key, value in settings.items():
        builder = builder.config(key, value)
    made = builder.getOrCreate()
    made.sparkContext.setLogLevel("ERROR")
    return made


def serve(answer: Callable[[SparkSession, dict[str, Any]], Any], cores: int, more: Mapping[str, str]) -> None:
    """Answer each line of standard input, a JSON object, by one of standard output."""
    spark = None
    for line in sys.stdin:
        asked = json.loads(line)
        spark = spark or session(asked["folder"], cores, more)
        sys.stdout.write(json.dumps(answer(spark, asked)) + "\n")
        sys.stdout.flush()
