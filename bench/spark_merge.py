"""Spark's side of the lake's benchmark: structured streaming from Kafka, the last event of each key, and MERGE.

Run by `delta.py` in Spark's own environment.
"""

import time

import psutil
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as f
from pyspark.sql.avro.functions import from_avro
from spark_session import serve

SET = {
    name: f"s.{name}" for name in ("id", "name", "amount", "note", "seen", "_shard", "_lsn", "_source_ts", "_synced_at")
}


def changes(batch: DataFrame, schema: str) -> DataFrame:
    """Give the last event of each key, in the table's columns."""
    event = from_avro(f.expr("substring(value, 6)"), schema, {"mode": "FAILFAST"})
    rows = batch.select("offset", event.alias("e"))
    key = f.coalesce("e.after.id", "e.before.id")
    last = f.row_number().over(Window.partitionBy("id").orderBy(f.col("offset").desc()))
    return (
        rows.select(
            "offset",
            key.alias("id"),
            f.col("e.op").alias("op"),
            f.col("e.after.name").alias("name"),
            f.col("e.after.amount").cast("decimal(12,2)").alias("amount"),
            f.col("e.after.note").alias("note"),
            f.to_timestamp("e.after.seen").alias("seen"),
            f.lit("s0").alias("_shard"),
            f.col("e.source.lsn").alias("_lsn"),
            f.timestamp_micros("e.source.ts_us").alias("_source_ts"),
            f.current_timestamp().alias("_synced_at"),
        )
        .withColumn("last", last)
        .filter("last = 1")
    )


def one_pass(spark: SparkSession, asked: dict, table: str, checkpoint: str) -> dict:
    """Take a whole topic into a table."""
    jvm = psutil.Process(spark.sparkContext._gateway.proc.pid)  # noqa: SLF001 - Spark has no other way
    batches = 0

    def merge(batch: DataFrame, _: int) -> None:
        nonlocal batches
        batches += 1
        changes(batch, asked["schema"]).createOrReplaceTempView("s")
        values = ", ".join(f"{name} = {value}" for name, value in SET.items())
        statement = (
            f"MERGE INTO delta.`{table}` t USING s ON t.id = s.id WHEN MATCHED AND s.op = 'd' THEN DELETE "
            f"WHEN MATCHED THEN UPDATE SET {values} "
            f"WHEN NOT MATCHED AND s.op <> 'd' THEN INSERT ({', '.join(SET)}) VALUES ({', '.join(SET.values())})"
        )
        batch.sparkSession.sql(statement)

    stream = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", asked["kafka"])
        .option("subscribe", asked["topic"])
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", asked["batch"])
        .load()
    )
    began, before = time.monotonic(), jvm.cpu_times()
    stream.writeStream.foreachBatch(merge).option("checkpointLocation", checkpoint).trigger(
        availableNow=True
    ).start().awaitTermination()
    after = jvm.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return {"seconds": time.monotonic() - began, "cpu": cpu, "rss": jvm.memory_info().rss, "batches": batches}


def read(spark: SparkSession, table: str) -> list[int]:
    """Read a table whole, and give numbers that tell its rows."""
    columns = f.crc32(f.concat_ws("|", "id", "name", "amount", "note", "seen"))
    row = spark.read.format("delta").load(table).agg(f.count("*"), f.sum("id"), f.sum(columns)).first()
    return [int(value or 0) for value in row]


def answer(spark: SparkSession, asked: dict) -> object:
    """Do what is asked."""
    if asked["do"] == "read":
        return read(spark, asked["table"])
    return one_pass(spark, asked, asked["table"], f"{asked['table']}.checkpoint")


serve(answer, cores=2, more={"spark.driver.memory": "4g"})  # the settings that were best in trials
