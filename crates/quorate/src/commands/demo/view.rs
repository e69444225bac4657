//! What a person sees while the demo runs: a few lines that are drawn again,
//! or plain lines where there is no terminal.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use quorate_core::frame::Heartbeat;

use super::tally::Latencies;
use crate::words::note;

/// Time between two plain lines.
const PLAIN_EVERY: Duration = Duration::from_secs(2);

/// One device, as the gateway sees it.
pub(crate) struct DeviceLine {
    pub connected: bool,
    pub alive: bool,
    pub beat: Heartbeat,
}

/// Everything that is shown.
pub(crate) struct Snapshot {
    pub at: Duration,
    pub plan: String,
    pub asked: usize,
    pub answered: usize,
    pub lost: usize,
    pub refused: usize,
    pub recent: Latencies,
    pub decoded: u64,
    pub devices: Vec<DeviceLine>,
}

/// The live view, on standard error.
pub(crate) struct View {
    names: Vec<String>,
    lines: Option<Lines>,
    next_plain: Option<Instant>,
}

struct Lines {
    all: MultiProgress,
    devices: Vec<ProgressBar>,
    summary: ProgressBar,
}

impl View {
    /// Begins with a title.
    pub(crate) fn new(title: &str, names: &[String]) -> View {
        note(&format!("\n{title}"));
        let lines = std::io::stderr().is_terminal().then(|| Lines::new(names.len()));
        View { names: names.to_vec(), lines, next_plain: None }
    }

    /// A line that stays.
    pub(crate) fn say(&self, words: &str) {
        match &self.lines {
            // Nothing can be done about a terminal that takes no words.
            Some(lines) => drop(lines.all.println(format!("  {words}"))),
            None => note(&format!("  {words}")),
        }
    }

    /// How things stand.
    pub(crate) fn show(&mut self, now: &Snapshot) {
        match &self.lines {
            Some(lines) => {
                for ((line, name), device) in
                    lines.devices.iter().zip(&self.names).zip(&now.devices)
                {
                    line.set_message(describe(name, device));
                }
                lines.summary.set_message(summary(now));
            }
            None if self.next_plain.is_none_or(|at| at <= Instant::now()) => {
                self.next_plain = Some(Instant::now() + PLAIN_EVERY);
                let away: Vec<&str> = self
                    .names
                    .iter()
                    .zip(&now.devices)
                    .filter(|(_, device)| !device.alive)
                    .map(|(name, _)| name.as_str())
                    .collect();
                let away = if away.is_empty() {
                    String::new()
                } else {
                    format!(", away: {}", away.join(" "))
                };
                note(&format!("  {}{away}", summary(now)));
            }
            None => {}
        }
    }

    /// Takes the drawn lines away.
    pub(crate) fn end(&self) {
        if let Some(lines) = &self.lines {
            lines.devices.iter().for_each(ProgressBar::finish_and_clear);
            lines.summary.finish_and_clear();
        }
    }
}

impl Lines {
    fn new(devices: usize) -> Lines {
        let all = MultiProgress::new();
        let style = ProgressStyle::with_template("  {msg}").expect("a template that parses");
        let line = || {
            let line = all.add(ProgressBar::new_spinner());
            line.set_style(style.clone());
            line
        };
        let devices = (0..devices).map(|_| line()).collect();
        let summary = line();
        Lines { all, devices, summary }
    }
}

fn describe(name: &str, device: &DeviceLine) -> String {
    let state = match (device.connected, device.alive) {
        (_, true) => "up",
        (true, false) => "silent",
        (false, false) => "away",
    };
    let beat = &device.beat;
    format!(
        "{name:8} {state:7} {:>7} tasks  {:>6} decoded  {:>5} skipped  {:>5} dropped",
        beat.tasks, beat.decoded, beat.skipped, beat.dropped
    )
}

fn summary(now: &Snapshot) -> String {
    let refused =
        if now.refused > 0 { format!(", {} refused", now.refused) } else { String::new() };
    format!(
        "{:7.2} s  {} asked, {} answered, {} lost{refused}, p50 {:.1} ms, p99 {:.1} ms, \
         {} decoded, plan {}",
        now.at.as_secs_f64(),
        now.asked,
        now.answered,
        now.lost,
        now.recent.p50_ms,
        now.recent.p99_ms,
        now.decoded,
        now.plan
    )
}
