//! A bar for what takes a while.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of bytes that shows itself once the work has taken two seconds.
pub struct BytesBar {
    bar: ProgressBar,
    since: Instant,
    shown: bool,
}

impl BytesBar {
    /// A bar that says `what` is being done.
    pub fn new(what: &str) -> BytesBar {
        let bar = ProgressBar::hidden();
        let style = "{msg} {bar:32} {bytes}/{total_bytes} {eta}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        BytesBar { bar, since: Instant::now(), shown: false }
    }

    /// So much of it is done.
    pub fn set(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        if !self.shown && self.since.elapsed() > Duration::from_secs(2) {
            self.shown = true;
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for BytesBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
