//! The wish of a person to stop, as Ctrl-C says it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// Was it asked to stop?
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Nobody asks to stop, but for [`Stop::ask`].
    pub fn never() -> Stop {
        Stop::default()
    }

    /// Ctrl-C asks to stop; a second one ends the process at once, with the
    /// usual code.
    pub fn on_ctrl_c() -> std::io::Result<Stop> {
        let stop = Stop::default();
        // What is registered first is carried out first: the second Ctrl-C
        // finds the wish that the first has left.
        flag::register_conditional_shutdown(SIGINT, Stop::CODE, stop.0.clone())?;
        flag::register(SIGINT, stop.0.clone())?;
        Ok(stop)
    }

    /// Exit code of a process that Ctrl-C has ended.
    pub const CODE: i32 = 130;

    /// Asks to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Was it asked to stop?
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
