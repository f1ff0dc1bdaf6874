//! Jobs as plans of DataFusion's. Each task is a row; rows are spread over partitions, which executors take one by one.

use datafusion::common::Result;
use datafusion::functions::core::expr_fn::get_field;
use datafusion::functions_aggregate::min_max::max;
use datafusion::logical_expr::{AggregateUDF, Expr, LogicalPlan, LogicalPlanBuilder, col, lit};
use rekindle_training::distributed::{Function, Job};

use crate::functions::{self, PACKET, PART};

/// Most partitions that rows are spread over.
const MOST_PARTITIONS: usize = 256;
/// Partitions for each task: rows come to partitions by a hash, and few are to share one while executors are idle. A
/// partition without rows takes some milliseconds.
const PARTITIONS_A_TASK: usize = 4;

/// How many partitions a job is divided into.
pub fn partitions(job: &Job) -> usize {
    (job.tasks.len().max(job.parts) * PARTITIONS_A_TASK).clamp(1, MOST_PARTITIONS)
}

/// The plan of a job.
///
/// # Errors
/// When it has no tasks.
pub fn plan(job: &Job) -> Result<LogicalPlan> {
    let rows =
        (0_u64..).zip(&job.tasks).map(|(number, task)| vec![lit(number), lit(task.as_str())]);
    // By their number tasks come to partitions: an aggregate of one row each.
    let tasks = LogicalPlanBuilder::values(rows.collect())?
        .aggregate([col("column1")], [max(col("column2")).alias("task")])?;
    let call = functions::of(job.function).call(vec![lit(job.shared.as_str()), col("task")]);
    let called = tasks.project([call.alias("done")])?;
    if job.function != Function::Gather {
        return called.build();
    }
    let field = |name: &str| get_field(col("done"), name);
    let sent = called
        .unnest_column("done")?
        .project([field(PART).alias(PART), field(PACKET).alias(PACKET)])?;
    sent.aggregate([col(PART)], [gather(&job.shared)])?.build()
}

fn gather(shared: &str) -> Expr {
    let gather: Vec<AggregateUDF> =
        functions::aggregate().iter().map(|function| function.as_ref().clone()).collect();
    gather[0].call(vec![lit(shared), col(PART), col(PACKET)]).alias("gathered")
}
