//! Every request and event of both streams, for plots.

use std::fmt::Write as _;

use super::tally::{End, Tally};

/// `stream,kind,at_ms,value`: a request with its latency in milliseconds
/// (empty where it was lost, and where it was refused, which its name says), or an
/// event with its end and name.
pub(crate) fn csv(coded: &Tally, uncoded: &Tally) -> String {
    let mut out = String::from("stream,kind,at_ms,value,name\n");
    for (stream, tally) in [("coded", coded), ("uncoded", uncoded)] {
        for record in &tally.records {
            let latency = match record.end {
                End::Answered { latency, .. } => format!("{:.3}", latency.as_secs_f64() * 1e3),
                _ => String::new(),
            };
            let due_ms = record.due.as_secs_f64() * 1e3;
            let name = if record.end == End::Refused { "refused" } else { "" };
            let _ = writeln!(out, "{stream},request,{due_ms:.3},{latency},{name}");
        }
        for event in &tally.events {
            let (at_ms, until_ms) = (event.at.as_secs_f64() * 1e3, event.until.as_secs_f64() * 1e3);
            let name = format!("{} {}", event.kind, event.devices.replace(',', ""));
            let _ = writeln!(out, "{stream},event,{at_ms:.3},{until_ms:.3},{name}");
        }
    }
    out
}
