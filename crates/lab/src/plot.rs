//! A demo's trace as a picture: the latency of every request over time.

use crate::drawing;
use crate::experiment::{Axis, Chart, Place, SeriesKind};

/// Why a trace cannot be drawn.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("trace line {line}: {words}")]
pub struct TraceError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub words: String,
}

/// One stream of a trace, times in milliseconds.
#[derive(Debug, Default, PartialEq)]
struct Stream {
    /// Due time, and latency where there was an answer.
    requests: Vec<(f64, Option<f64>)>,
    /// Begin, end and name.
    events: Vec<(f64, f64, String)>,
}

/// Latencies shown, in milliseconds.
const LATENCY_MS: (f64, f64) = (1.0, 1000.0);

/// Draws what `quorate demo --trace` wrote, as SVG: one chart a stream.
pub fn svg(trace: &str) -> anyhow::Result<String> {
    let [coded, uncoded] = parse(trace)?;
    let requests = coded.requests.iter().chain(&uncoded.requests);
    let end_ms = requests.map(|(at, _)| *at).fold(1000.0, f64::max);
    let coded = chart("with the code", &coded, end_ms);
    let uncoded = chart("without it: time-out, other plan, ask again", &uncoded, end_ms);
    drawing::stacked("Latency of each request of a demo", &[&coded, &uncoded])
}

/// The latency of every request of a stream, and what was done to it.
fn chart(title: &str, stream: &Stream, end_ms: f64) -> Chart {
    let (least, most) = LATENCY_MS;
    let x = Axis::new("when it came in", "s").from(0.0).until(end_ms / 1000.0);
    let y = Axis::new("latency", "ms").log().from(least).until(most);
    let mut chart = Chart::new("demo", title, x, y);
    for (from, until, name) in &stream.events {
        chart.mark(name, Place::Span(from / 1000.0, until / 1000.0));
    }
    let answered = |(at, latency): &(f64, Option<f64>)| {
        latency.map(|latency| (at / 1000.0, latency.clamp(least, most)))
    };
    let lost =
        |(at, latency): &(f64, Option<f64>)| latency.is_none().then_some((at / 1000.0, most));
    chart.add(
        "answered",
        SeriesKind::Points,
        stream.requests.iter().filter_map(answered).collect(),
    );
    let lost: Vec<(f64, f64)> = stream.requests.iter().filter_map(lost).collect();
    if !lost.is_empty() {
        chart.add("no answer", SeriesKind::Points, lost);
    }
    chart
}

fn parse(trace: &str) -> Result<[Stream; 2], TraceError> {
    let mut streams = [Stream::default(), Stream::default()];
    for (line, text) in trace.lines().enumerate().skip(1) {
        let wrong = |words: String| TraceError { line: line + 1, words };
        let fields: Vec<&str> = text.split(',').collect();
        let [stream, kind, at, value, name] = fields[..] else {
            return Err(wrong(format!("{} fields, needs 5", fields.len())));
        };
        let number = |word: &str| {
            let finite = word.parse::<f64>().ok().filter(|number| number.is_finite());
            finite.ok_or_else(|| wrong(format!("\"{word}\" is no number")))
        };
        let stream = match stream {
            "coded" => &mut streams[0],
            "uncoded" => &mut streams[1],
            other => return Err(wrong(format!("unknown stream {other}"))),
        };
        match (kind, value) {
            ("request", "") => stream.requests.push((number(at)?, None)),
            ("request", value) => stream.requests.push((number(at)?, Some(number(value)?))),
            ("event", until) => {
                stream.events.push((number(at)?, number(until)?, name.to_owned()));
            }
            (other, _) => return Err(wrong(format!("unknown kind {other}"))),
        }
    }
    Ok(streams)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "stream,kind,at_ms,value,name\n";

    #[test]
    fn draws_requests_events_and_losses() {
        let trace = format!(
            "{HEAD}coded,request,0.000,2.5,\nuncoded,request,10.0,,\n\
             uncoded,event,5.0,20.0,kill data pi-1\n"
        );
        let picture = svg(&trace).unwrap();
        for words in ["kill data pi-1", "with the code", "without it", "no answer", "(ms)"] {
            assert!(picture.contains(words), "{words} is not in {picture}");
        }
        let without = trace.replace("10.0,,", "10.0,4.5,");
        assert!(!svg(&without).unwrap().contains("no answer"));
    }

    #[test]
    fn mistakes_are_told_by_line() {
        let cases = [
            ("coded,request,1", "trace line 2: 3 fields, needs 5"),
            ("coded,request,x,1,", "trace line 2: \"x\" is no number"),
            ("other,request,1,1,", "trace line 2: unknown stream other"),
            ("coded,guess,1,1,", "trace line 2: unknown kind guess"),
        ];
        for (line, words) in cases {
            assert_eq!(svg(&format!("{HEAD}{line}\n")).unwrap_err().to_string(), words);
        }
    }
}
