"""Orders to a daily report: shuffles, joins, a cached table, a skewed stage, spill, Parquet read and written."""

from pyspark.sql import SparkSession, Window, functions as F

spark = (
    SparkSession.builder.appName("orders-etl")
    .config("spark.memory.fraction", "0.05")  # 36 MB for two tasks, so that sorting the largest customer spills
    .config("spark.sql.shuffle.partitions", "12")
    .config("spark.sql.adaptive.coalescePartitions.enabled", "false")
    .config("spark.eventLog.logStageExecutorMetrics", "true")
    .getOrCreate()
)

# Land the raw orders: one customer of 500 has 40 % of them.
orders = spark.range(900_000, numPartitions=8).select(
    F.col("id").alias("order_id"),
    F.when(F.col("id") % 5 < 2, F.lit(0)).otherwise(F.col("id") % 500).alias("customer_id"),
    (F.hash("id") % 10_000).cast("double").alias("amount"),
    F.date_add(F.lit("2026-01-01").cast("date"), (F.col("id") % 14).cast("int")).alias("day"),
    F.sha2(F.col("id").cast("string"), 256).alias("payload"),
)
orders.write.mode("overwrite").parquet("lake/orders")
customers = spark.range(500).select(
    F.col("id").alias("customer_id"), F.concat(F.lit("region-"), F.col("id") % 7).alias("region")
)
customers.write.mode("overwrite").parquet("lake/customers")

# The skewed stage: every order's place among those of its customer.
by_customer = Window.partitionBy("customer_id").orderBy("amount", "order_id")
ranked = spark.read.parquet("lake/orders").withColumn("place", F.row_number().over(by_customer))
ranked.write.mode("overwrite").parquet("lake/ranked")

# A sort-merge join whose result is cached and read three times.
spark.conf.set("spark.sql.autoBroadcastJoinThreshold", "-1")
joined = spark.read.parquet("lake/ranked").join(spark.read.parquet("lake/customers"), "customer_id").drop("payload")
joined.cache()
joined.count()
spark.conf.unset("spark.sql.autoBroadcastJoinThreshold")
joined.createOrReplaceTempView("ranked_orders")
spark.sql(
    "select region, day, sum(amount) revenue, count(*) orders from ranked_orders group by region, day"
).write.mode("overwrite").partitionBy("region").parquet("lake/daily_report")
spark.sql(
    "select region, percentile_approx(amount, 0.5) from ranked_orders where place <= 10 group by region"
).collect()
joined.unpersist()

# A broadcast join with a total order, read by the driver.
spark.sparkContext.setJobDescription("top days")
spark.read.parquet("lake/daily_report").join(F.broadcast(customers.select("region").distinct()), "region").orderBy(
    F.desc("revenue")
).limit(20).collect()
spark.stop()
