"""The records of Spark event logs: their names, their fields, their time.

Fields are those that Spark 2.x to 4.x and Databricks write and that a table reads; the rest stays in the raw line.
Sources: Spark's `JsonProtocol`, by its documentation of the History Server, and recorded logs.
"""

from pyspark.sql import Column, functions as F

from overwatch_assets.rules.names import scrubbed

SQL_PREFIX = "org.apache.spark.sql.execution.ui."
STREAM_PREFIX = "org.apache.spark.sql.streaming.StreamingQueryListener"

APPLICATION_START, APPLICATION_END = "SparkListenerApplicationStart", "SparkListenerApplicationEnd"
EXECUTOR_ADDED, EXECUTOR_REMOVED = "SparkListenerExecutorAdded", "SparkListenerExecutorRemoved"
EXECUTION_START = f"{SQL_PREFIX}SparkListenerSQLExecutionStart"
EXECUTION_END = f"{SQL_PREFIX}SparkListenerSQLExecutionEnd"
JOB_START, JOB_END = "SparkListenerJobStart", "SparkListenerJobEnd"
STAGE_SUBMITTED, STAGE_COMPLETED = "SparkListenerStageSubmitted", "SparkListenerStageCompleted"
TASK_START, TASK_END = "SparkListenerTaskStart", "SparkListenerTaskEnd"
SPECULATIVE_TASK = "org.apache.spark.scheduler.SparkListenerSpeculativeTaskSubmitted"
QUERY_IDLE = f"{STREAM_PREFIX}$QueryIdleEvent"
QUERY_STARTED, QUERY_PROGRESS = f"{STREAM_PREFIX}$QueryStartedEvent", f"{STREAM_PREFIX}$QueryProgressEvent"

ACCUMULABLES = (
    "array<struct<ID:bigint,Name:string,Update:string,Value:string,Internal:boolean,`Count Failed Values`:boolean,"
    "Metadata:string>>"
)
_STACK = "array<struct<`Declaring Class`:string,`Method Name`:string,`File Name`:string,`Line Number`:bigint>>"
_BLOCK_MANAGER = "struct<`Executor ID`:string,Host:string,Port:bigint>"
TASK_METRICS = (
    "struct<`Executor Deserialize Time`:bigint,`Executor Deserialize CPU Time`:bigint,`Executor Run Time`:bigint,"
    "`Executor CPU Time`:bigint,`Peak Execution Memory`:bigint,`Peak On Heap Execution Memory`:bigint,"
    "`Peak Off Heap Execution Memory`:bigint,`Result Size`:bigint,`JVM GC Time`:bigint,"
    "`Result Serialization Time`:bigint,`Memory Bytes Spilled`:bigint,`Disk Bytes Spilled`:bigint,"
    "`Shuffle Read Metrics`:struct<`Remote Blocks Fetched`:bigint,`Local Blocks Fetched`:bigint,"
    "`Fetch Wait Time`:bigint,`Remote Bytes Read`:bigint,`Remote Bytes Read To Disk`:bigint,`Local Bytes Read`:bigint,"
    "`Total Records Read`:bigint,`Remote Requests Duration`:bigint>,"
    "`Shuffle Write Metrics`:struct<`Shuffle Bytes Written`:bigint,`Shuffle Write Time`:bigint,"
    "`Shuffle Records Written`:bigint>,"
    "`Input Metrics`:struct<`Bytes Read`:bigint,`Records Read`:bigint>,"
    "`Output Metrics`:struct<`Bytes Written`:bigint,`Records Written`:bigint>>"
)
EXECUTOR_METRICS = (
    "struct<JVMHeapMemory:bigint,JVMOffHeapMemory:bigint,OnHeapExecutionMemory:bigint,OffHeapExecutionMemory:bigint,"
    "OnHeapStorageMemory:bigint,OffHeapStorageMemory:bigint,OnHeapUnifiedMemory:bigint,OffHeapUnifiedMemory:bigint,"
    "DirectPoolMemory:bigint,MappedPoolMemory:bigint,ProcessTreeJVMVMemory:bigint,ProcessTreeJVMRSSMemory:bigint,"
    "ProcessTreePythonVMemory:bigint,ProcessTreePythonRSSMemory:bigint,ProcessTreeOtherVMemory:bigint,"
    "ProcessTreeOtherRSSMemory:bigint,MinorGCCount:bigint,MinorGCTime:bigint,MajorGCCount:bigint,MajorGCTime:bigint,"
    "TotalGCTime:bigint>"
)
_TASK_INFO = (
    "struct<`Task ID`:bigint,Index:bigint,Attempt:bigint,`Partition ID`:bigint,`Launch Time`:bigint,"
    "`Executor ID`:string,Host:string,Locality:string,Speculative:boolean,`Getting Result Time`:bigint,"
    f"`Finish Time`:bigint,Failed:boolean,Killed:boolean,Accumulables:{ACCUMULABLES}>"
)
TASK_END_REASON = (
    f"struct<Reason:string,`Class Name`:string,Description:string,`Stack Trace`:{_STACK},`Full Stack Trace`:string,"
    "`Kill Reason`:string,`Accumulator Updates`:array<struct<ID:bigint,Update:string,Internal:boolean,"
    f"`Count Failed Values`:boolean>>,`Block Manager Address`:{_BLOCK_MANAGER},`Shuffle ID`:bigint,`Map ID`:bigint,"
    "`Map Index`:bigint,`Reduce ID`:bigint,Message:string,`Executor ID`:string,`Exit Caused By App`:boolean,"
    "`Loss Reason`:string,`Job ID`:bigint,`Partition ID`:bigint,`Attempt Number`:bigint>"
)
_STAGE_INFO = (
    "struct<`Stage ID`:bigint,`Stage Attempt ID`:bigint,`Stage Name`:string,`Number of Tasks`:bigint,"
    "`Parent IDs`:array<bigint>,Details:string,`Submission Time`:bigint,`Completion Time`:bigint,"
    f"`Failure Reason`:string,Accumulables:{ACCUMULABLES},`Resource Profile Id`:bigint>"
)
STAGE_INFOS = (
    "array<struct<`Stage ID`:bigint,`Stage Attempt ID`:bigint,`Stage Name`:string,`Number of Tasks`:bigint,"
    "`Parent IDs`:array<bigint>,`Submission Time`:bigint,`Completion Time`:bigint>>"
)
EXECUTOR_INFO = (
    "struct<Host:string,`Total Cores`:bigint,`Log Urls`:map<string,string>,Attributes:map<string,string>,"
    "`Resource Profile Id`:bigint,`Registration Time`:bigint,`Request Time`:bigint>"
)

FIELDS: tuple[tuple[str, str, str], ...] = (
    # field in the log, its type, what it means
    ("Event", "string", "Listener event type, as written."),
    ("Spark Version", "string", "Spark version that wrote the log."),
    ("App Name", "string", "Application name."),
    ("App ID", "string", "Application id."),
    ("App Attempt ID", "string", "Application attempt."),
    ("User", "string", "User of the application."),
    ("Timestamp", "bigint", "Time of the event, epoch ms; of streaming events their ISO `timestamp`."),
    ("time", "bigint", "Time of a SQL execution event, epoch ms."),
    ("Job ID", "bigint", "Spark job."),
    ("Stage IDs", "array<bigint>", "Stages of the job."),
    ("Stage Infos", STAGE_INFOS, "The job's stages as they stood when it was submitted."),
    (
        "Job Result",
        f"struct<Result:string,Exception:struct<Message:string,`Stack Trace`:{_STACK}>>",
        "How the job ended.",
    ),
    ("Submission Time", "bigint", "When the job was submitted, epoch ms."),
    ("Completion Time", "bigint", "When the job ended, epoch ms."),
    ("Stage ID", "bigint", "Stage."),
    ("Stage Attempt ID", "bigint", "Attempt of the stage."),
    ("Stage Info", _STAGE_INFO, "The stage."),
    ("Task Type", "string", "ShuffleMapTask or ResultTask."),
    ("Task End Reason", TASK_END_REASON, "How the task ended."),
    ("Task Info", _TASK_INFO, "The task."),
    ("Task Executor Metrics", EXECUTOR_METRICS, "Peaks of the executor while the task ran, bytes and ms."),
    ("Task Metrics", TASK_METRICS, "What the task used: ms, ns of CPU, bytes, records."),
    ("Executor ID", "string", "Executor; `driver` is one too."),
    ("executorId", "string", "Executor, in the other spelling."),
    ("Executor Info", EXECUTOR_INFO, "The executor."),
    ("Removed Reason", "string", "Why the executor was removed."),
    ("Block Manager ID", _BLOCK_MANAGER, "Block manager."),
    ("Maximum Memory", "bigint", "Storage memory of the block manager, bytes."),
    ("executionId", "bigint", "SQL execution."),
    ("rootExecutionId", "bigint", "Execution that this one is part of."),
    ("description", "string", "Description of the SQL execution."),
    ("details", "string", "Call site of the SQL execution."),
    ("errorMessage", "string", "Error of a SQL execution; empty: none."),
    ("id", "string", "Streaming query."),
    ("runId", "string", "Run of the streaming query."),
    ("name", "string", "Name of the streaming query."),
    ("progress", "string", "Streaming progress, JSON."),
    ("stageId", "bigint", "Stage of a speculative task."),
    ("stageAttemptId", "bigint", "Attempt of that stage."),
)
MAPS = (
    ("Properties", "Spark's local properties, names without dots, secrets dropped."),
    ("modifiedConfigs", "SQL settings that differ from their defaults, names without dots, secrets dropped."),
    ("extraTags", "Databricks' tags of a SQL execution, names without dots, secrets dropped."),
)


def field_name(name: str) -> str:
    """Bronze's name of a field."""
    return scrubbed(f"`{name}`")


def raw_schema() -> str:
    """DDL that `from_json` reads a line with: every field under the name that the log gives it."""
    fields = [f"`{name}`: {kind}" for name, kind, _ in FIELDS]
    return "struct<" + ", ".join([*fields, *(f"`{name}`: map<string,string>" for name, _ in MAPS)]) + ">"


def streaming_time(line: Column) -> Column:
    """Epoch ms of the ISO time that streaming events state under `timestamp` (other case than `Timestamp`)."""
    stated = F.coalesce(F.get_json_object(line, "$.timestamp"), F.get_json_object(line, "$.progress.timestamp"))
    return F.unix_millis(F.try_to_timestamp(stated))


def own_time(event: Column, streaming: Column) -> Column:
    """A record's own time, epoch ms: the definition of `sources.event_logs.events.event_time_ms`, as an expression.

    ``event`` is a struct of `raw_schema`, ``streaming`` is `streaming_time`. Written with arrays: for a `CASE`, and
    `coalesce` is one, Sail copies the whole batch into its branches, and these rows are wide.
    """
    task, stage = event["Task Info"], event["Stage Info"]
    others = ("Timestamp", "time", "Completion Time", "Submission Time")
    times = (
        first_stated(
            *(event[name] for name in others),
            task["Finish Time"],
            task["Launch Time"],
            stage["Completion Time"],
            stage["Submission Time"],
            streaming,
        ),
        # Spark may have changed these two objects before it wrote the event: only their beginning counts.
        first_stated(task["Launch Time"]),
        first_stated(stage["Submission Time"]),
    )
    is_start, is_submission = (event["Event"].eqNullSafe(name) for name in (TASK_START, STAGE_SUBMITTED))
    return F.get(F.array(*times), is_start.cast("int") + 2 * is_submission.cast("int"))


def first_known(*values: Column) -> Column:
    """`coalesce`, which Sail makes a `CASE` that copies the whole batch into its branches; these rows are wide."""
    return F.get(F.array_compact(F.array(*values)), F.lit(0))


def first_stated(*times: Column) -> Column:
    """The first that is a time: see `event_time_ms`."""
    return F.get(F.filter(F.array(*times), lambda t: (t > 0) & (t < 253_402_300_800_000)), F.lit(0))
