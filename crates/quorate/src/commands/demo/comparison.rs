//! Both streams side by side.

use crate::words::counted;
use serde_json::{Value, json};

use super::material::Material;
use super::tally::{Latencies, Tally};

/// What there is to tell.
pub(crate) struct Comparison<'a> {
    pub material: &'a Material,
    pub coded: &'a Tally,
    pub uncoded: &'a Tally,
}

fn spread(of: &Latencies) -> Value {
    json!({
        "requests": of.count, "p50_ms": of.p50_ms, "p99_ms": of.p99_ms, "worst_ms": of.worst_ms,
    })
}

fn events(tally: &Tally) -> Vec<Value> {
    let event = |event: &super::tally::Disturbance| {
        json!({
            "kind": event.kind,
            "device": event.devices,
            "at_ms": event.at.as_secs_f64() * 1e3,
            "until_ms": event.until.as_secs_f64() * 1e3,
            "worst_latency_ms": tally.around(event).worst_ms,
        })
    };
    tally.events.iter().map(event).collect()
}

impl Comparison<'_> {
    /// One JSON object.
    pub(crate) fn json(&self) -> Value {
        let (coded, uncoded) = (self.coded, self.uncoded);
        json!({
            "model": self.material.model.name,
            "requests": coded.asked(),
            "answered": coded.answered(),
            "lost": coded.lost(),
            "refused": coded.refused(),
            "late": coded.late(),
            "wrong": coded.wrong(),
            "worst_error": coded.worst_error(),
            "accuracy": coded.accuracy(),
            "accuracy_whole": coded.accuracy_whole(),
            "decoded": coded.decoded,
            "overruns": coded.overruns + uncoded.overruns,
            "events": events(coded),
            "healthy": spread(&coded.healthy()),
            "disturbed": spread(&coded.disturbed()),
            "uncoded": {
                "requests": uncoded.asked(),
                "answered": uncoded.answered(),
                "lost": uncoded.lost(),
                "refused": uncoded.refused(),
                "late": uncoded.late(),
                "wrong": uncoded.wrong(),
                "timeout_ms": uncoded.timeout.as_secs_f64() * 1e3,
                "worst_ms": uncoded.overall().worst_ms,
                "accuracy": uncoded.accuracy(),
                "events": events(uncoded),
                "healthy": spread(&uncoded.healthy()),
                "disturbed": spread(&uncoded.disturbed()),
            },
        })
    }

    /// For a person.
    pub(crate) fn page(&self) -> String {
        let (coded, uncoded) = (self.coded, self.uncoded);
        let mut out = String::from("\n");
        let mut row = |what: &str, a: String, b: String| {
            out += &format!("{what:34} {a:>12} {b:>12}\n");
        };
        let first = if coded.timeout.is_zero() { "coded" } else { "uncoded" };
        row("", first.into(), "uncoded".into());
        let mut count = |what: &str, of: fn(&Tally) -> usize| {
            row(what, of(coded).to_string(), of(uncoded).to_string());
        };
        count("asked", Tally::asked);
        count("answered", Tally::answered);
        count("lost (no answer in time)", Tally::lost);
        if coded.refused() + uncoded.refused() > 0 {
            count("refused (busy)", Tally::refused);
        }
        count("late (over 5 x healthy p99)", Tally::late);
        count("wrong (not the whole model's)", Tally::wrong);
        let ms = |value: f64| format!("{value:.1} ms");
        let mut spreads = |what: &str, of: fn(&Tally) -> Latencies| {
            let (a, b) = (of(coded), of(uncoded));
            row(&format!("{what}: median"), ms(a.p50_ms), ms(b.p50_ms));
            row(&format!("{what}: 99th percentile"), ms(a.p99_ms), ms(b.p99_ms));
            row(&format!("{what}: worst"), ms(a.worst_ms), ms(b.worst_ms));
        };
        spreads("healthy", Tally::healthy);
        spreads("disturbed", Tally::disturbed);
        for (a, b) in coded.events.iter().zip(&uncoded.events) {
            let what = format!("worst around {} {}", a.kind, a.devices);
            row(&what, ms(coded.around(a).worst_ms), ms(uncoded.around(b).worst_ms));
        }
        let percent = |share: Option<f64>| {
            share.map_or("no labels".to_owned(), |share| format!("{:.2} %", share * 100.0))
        };
        row("accuracy", percent(coded.accuracy()), percent(uncoded.accuracy()));
        row(
            "accuracy, whole model, same inputs",
            percent(coded.accuracy_whole()),
            percent(uncoded.accuracy_whole()),
        );
        out += &format!(
            "\n{} values decoded; largest difference from the whole model's answers {:.1e}; \
             uncoded devices given up after {:.0} ms of silence\n",
            coded.decoded,
            coded.worst_error(),
            uncoded.timeout.as_secs_f64() * 1e3
        );
        let overruns = coded.overruns + uncoded.overruns;
        if overruns > 0 {
            out += &format!(
                "this machine was too slow {} to emulate the devices in time: these times are \
                 not theirs; try --dilate\n",
                counted(overruns, "time")
            );
        }
        out
    }
}
