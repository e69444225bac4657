//! Threads that run tasks, so that the thread which handles the network never
//! waits for one.

use std::sync::{Arc, Mutex};

use quorate_core::failure::TaskError;
use quorate_core::gather::Gathered;
use quorate_model::tensor::Tensor;

use super::tasks::TaskStore;

/// A job for a compute thread.
pub(super) struct ComputeJob<J, T> {
    /// Identifies the job; returned with its result.
    pub(super) job: J,
    /// Task file to run, and its inputs; `None` where there is nothing to run.
    pub(super) task: Option<(String, Vec<Arc<Gathered>>)>,
    /// Makes the result of the outputs, on the same thread.
    pub(super) finish: Finish<T>,
}

/// Makes a result of a task's outputs.
pub(super) type Finish<T> = Box<dyn FnOnce(Vec<Tensor>) -> Result<T, TaskError> + Send>;

/// A number of compute threads over one task store.
pub(super) struct ComputeLanes<J, T> {
    jobs: std::sync::mpsc::Sender<ComputeJob<J, T>>,
}

/// What a job made, or why it made nothing.
pub(super) type Computed<J, T> = (J, Result<T, TaskError>);

/// Receives what jobs made.
pub(super) type ComputedReceiver<J, T> = tokio::sync::mpsc::UnboundedReceiver<Computed<J, T>>;

impl<J: Send + 'static, T: Send + 'static> ComputeLanes<J, T> {
    /// Starts `lanes` threads; what they have computed arrives on the receiver.
    pub(super) fn start(
        store: &Arc<TaskStore>,
        lanes: usize,
    ) -> std::io::Result<(ComputeLanes<J, T>, ComputedReceiver<J, T>)> {
        let (jobs, queue) = std::sync::mpsc::channel::<ComputeJob<J, T>>();
        let (done, computed) = tokio::sync::mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        for lane in 0..lanes {
            let (store, queue, done) = (store.clone(), queue.clone(), done.clone());
            let thread = std::thread::Builder::new().name(format!("lane-{lane}"));
            thread.spawn(move || {
                loop {
                    let next = queue.lock().expect("no panic while held").recv();
                    let Ok(ComputeJob { job, task, finish }) = next else { return };
                    let stem = task.as_ref().map_or("of the lane", |(stem, _)| stem);
                    let panicked = format!("task {stem} panicked");
                    let run = || match &task {
                        Some((stem, inputs)) => finish(store.run(stem, inputs)?),
                        None => finish(Vec::new()),
                    };
                    let panicked = |_| Err(TaskError::of_device(panicked));
                    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
                        .unwrap_or_else(panicked);
                    if done.send((job, result)).is_err() {
                        return;
                    }
                }
            })?;
        }
        Ok((ComputeLanes { jobs }, computed))
    }

    /// Queues a job.
    pub(super) fn run(&self, job: ComputeJob<J, T>) {
        // The lanes end only with this value, so somebody receives.
        let _ = self.jobs.send(job);
    }
}
