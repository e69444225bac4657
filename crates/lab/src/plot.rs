//! A demo's trace as a picture: the latency of every request over time.

use std::fmt::Write as _;

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

const WIDTH: f64 = 900.0;
const PANEL: f64 = 190.0;
const LEFT: f64 = 62.0;
const TOP: f64 = 30.0;
const GAP: f64 = 34.0;
/// Latencies shown, in milliseconds; the scale is logarithmic.
const LOWEST: f64 = 1.0;
const HIGHEST: f64 = 1000.0;

/// Draws what `quorate demo --trace` wrote, as SVG: one panel a stream.
pub fn svg(trace: &str) -> Result<String, TraceError> {
    let [coded, uncoded] = parse(trace)?;
    let streams =
        [("with the code", &coded), ("without it: time-out, other plan, ask again", &uncoded)];
    let requests = streams.iter().flat_map(|(_, stream)| &stream.requests);
    let end = requests.map(|(at, _)| *at).fold(1.0, f64::max);
    let height = TOP + 2.0 * PANEL + GAP + 34.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (index, (title, stream)) in streams.iter().enumerate() {
        let top = TOP + index as f64 * (PANEL + GAP);
        panel(&mut out, title, stream, top, end);
    }
    let below = height - 10.0;
    let _ = writeln!(
        out,
        "<text x=\"{}\" y=\"{below}\" text-anchor=\"middle\">seconds</text>\n</svg>",
        LEFT + (WIDTH - LEFT) / 2.0
    );
    Ok(out)
}

fn panel(out: &mut String, title: &str, stream: &Stream, top: f64, end_ms: f64) {
    let right = WIDTH - 12.0;
    let x = |ms: f64| LEFT + (right - LEFT) * ms / end_ms;
    let y = |ms: f64| {
        let share = (ms.clamp(LOWEST, HIGHEST) / LOWEST).ln() / (HIGHEST / LOWEST).ln();
        top + PANEL * (1.0 - share)
    };
    let _ =
        writeln!(out, "<text x=\"{LEFT}\" y=\"{}\" font-weight=\"bold\">{title}</text>", top - 8.0);
    for (from, until, name) in &stream.events {
        let (left, width) = (x(*from), (x(*until) - x(*from)).max(1.0));
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{PANEL}\" \
             fill=\"#f3e3c3\"/>\n<text x=\"{:.1}\" y=\"{}\" fill=\"#7a5b14\">{}</text>",
            left + 4.0,
            top + 14.0,
            escape(name)
        );
    }
    for ms in [1.0, 10.0, 100.0, 1000.0] {
        let at = y(ms);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{ms} ms</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    let step = if end_ms > 10_000.0 { 5_000.0 } else { 1_000.0 };
    for tick in 0..=(end_ms / step) as usize {
        let at = tick as f64 * step;
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            x(at),
            top + PANEL + 15.0,
            at / 1000.0
        );
    }
    for (at, latency) in &stream.requests {
        let (colour, latency) = match latency {
            Some(latency) => ("#1f5fa8", *latency),
            None => ("#c02020", HIGHEST),
        };
        let (x, y) = (x(*at), y(latency));
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.3\" fill=\"{colour}\"/>");
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
        assert_eq!(picture.matches("<circle").count(), 2);
        assert!(picture.contains("kill data pi-1") && picture.contains("#c02020"));
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
