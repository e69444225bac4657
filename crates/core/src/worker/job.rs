//! Tasks, and tasks under way.

use crate::id::{PlanId, RequestId, StageId};

/// A task: one shard of one stage of one plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId {
    /// The plan.
    pub plan: PlanId,
    /// The stage.
    pub stage: StageId,
    /// The shard of the stage's value that the task makes.
    pub shard: usize,
}

/// A task under way for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Job {
    /// The request.
    pub request: RequestId,
    /// The attempt at it.
    pub attempt: u32,
    /// The task.
    pub task: TaskId,
}
