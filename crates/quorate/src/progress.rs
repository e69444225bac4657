//! A bar for what takes a while.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar that shows itself once the work has taken two seconds.
struct Bar {
    bar: ProgressBar,
    since: Instant,
    shown: bool,
}

impl Bar {
    fn new(what: &str, style: &str) -> Bar {
        let bar = ProgressBar::hidden();
        bar.set_style(ProgressStyle::with_template(style).expect("a template that parses"));
        bar.set_message(what.to_owned());
        Bar { bar, since: Instant::now(), shown: false }
    }

    fn set(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        if !self.shown && self.since.elapsed() > Duration::from_secs(2) {
            self.shown = true;
            self.bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A bar of bytes.
pub(crate) struct BytesBar(Bar);

impl BytesBar {
    /// A bar that says `what` is being done.
    pub(crate) fn new(what: &str) -> BytesBar {
        BytesBar(Bar::new(what, "{msg} {bar:32} {bytes}/{total_bytes} {eta}"))
    }

    /// So much of it is done.
    pub(crate) fn set(&mut self, done: u64, total: u64) {
        self.0.set(done, total);
    }
}

/// A bar of things that are counted.
pub(crate) struct CountBar(Bar);

impl CountBar {
    /// A bar that says `what` is being done.
    pub(crate) fn new(what: &str) -> CountBar {
        CountBar(Bar::new(what, "{msg} {bar:32} {pos}/{len} {eta}"))
    }

    /// So many of them are done.
    pub(crate) fn set(&mut self, done: usize, total: usize) {
        self.0.set(done as u64, total as u64);
    }
}
