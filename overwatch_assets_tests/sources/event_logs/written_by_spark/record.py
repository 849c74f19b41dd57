"""Record the files of this folder again: `python record.py`, with PySpark and a Java on the machine.

One small application runs in local mode with its event log on. Its lines, without those that describe the machine
(properties, class path), are `plain`. Spark's own `CompressionCodec` classes then write them as its event-log writer
does: `<codec>` is a finished file with a flush in its middle; `<codec>.joined` is two streams one after the other;
`<codec>.open` is what is on disk after that flush, while the application runs, for the codecs that flush.
"""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

HERE = Path(__file__).parent
CODECS = ("lz4", "lzf", "snappy", "zstd")
LEFT_OUT = ("SparkListenerEnvironmentUpdate", "SparkListenerBlockManager", "SparkListenerExecutorAdded")


def main() -> None:
    """Run the application and write each file."""
    os.environ.update(SPARK_LOCAL_IP="127.0.0.1", SPARK_LOCAL_HOSTNAME="localhost", SPARK_USER="recorder")
    folder = Path(tempfile.mkdtemp())
    settings = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.rolling.enabled": "false",
        "spark.eventLog.compress": "false",
        "spark.eventLog.dir": folder.as_uri(),
        "spark.ui.enabled": "false",
        "spark.driver.host": "localhost",
    }
    builder = SparkSession.builder.master("local[1]").appName("codecs")
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    jvm = spark.sparkContext._jvm
    rdd = jvm.org.apache.spark.api.java.JavaSparkContext(spark._jsc.sc()).parallelize([1, 2, 3], 2)
    rdd.count()
    app = spark.sparkContext.applicationId
    print("names:", jvm.org.apache.spark.util.Utils.sanitizeDirName("App 1:a/b.$c{d}'e\"F"))  # noqa: T201
    log = folder / app
    if not log.exists():
        log = folder / f"{app}.inprogress"
    lines = [line for line in log.read_text().splitlines() if not any(name in line for name in LEFT_OUT)]
    for codec in CODECS:
        write(spark, codec, [f"{line}\n" for line in lines])
    (HERE / "plain").write_text("".join(f"{line}\n" for line in lines))
    spark.stop()
    shutil.rmtree(folder)


def write(spark: SparkSession, codec: str, lines: list[str]) -> None:
    """Write the lines with one of Spark's codecs, and keep a copy of the file as it is halfway."""
    jvm = spark.sparkContext._jvm
    factory = getattr(jvm.org.apache.spark.io, "CompressionCodec$").__getattr__("MODULE$")

    def stream(name: str) -> Any:
        file = jvm.java.io.FileOutputStream(str(HERE / name), True)
        return factory.createCodec(spark._jsc.sc().conf(), codec).compressedContinuousOutputStream(file)

    for name in (codec, f"{codec}.joined", f"{codec}.open"):
        (HERE / name).unlink(missing_ok=True)
    out, joined = stream(codec), stream(f"{codec}.joined")
    for number, line in enumerate(lines):
        out.write(bytearray(line.encode()))
        joined.write(bytearray(line.encode()))
        if number == len(lines) // 2:
            out.flush()
            if (HERE / codec).stat().st_size:  # lz4 and lzf hold small blocks back
                shutil.copy(HERE / codec, HERE / f"{codec}.open")
            joined.close()
            joined = stream(f"{codec}.joined")
    out.close()
    joined.close()


if __name__ == "__main__":
    main()
