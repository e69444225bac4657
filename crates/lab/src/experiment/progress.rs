//! A bar that says how far an experiment is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that says how far an experiment is, and how much time is left.
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that nobody sees.
    pub fn hidden() -> Bar {
        Bar(ProgressBar::hidden())
    }

    /// A bar on standard error, if that is a terminal, that begins with
    /// `name`.
    pub fn shown(name: &str) -> Bar {
        let template = "{prefix} {bar:24} {pos}/{len}  {elapsed}, {eta} left  {wide_msg}";
        let style = ProgressStyle::with_template(template).expect("a template that parses");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        bar.set_style(style);
        bar.set_prefix(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(500));
        Bar(bar)
    }

    /// So much is done, and this is next.
    pub(super) fn set(&self, done: u64, total: u64, what: &str) {
        self.0.set_length(total);
        self.0.set_position(done);
        self.0.set_message(what.to_owned());
    }

    /// Writes a line above the bar; where there is none, on standard error.
    pub(super) fn say(&self, line: &str) {
        match self.0.is_hidden() {
            true => eprintln!("{line}"),
            false => self.0.println(line),
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
