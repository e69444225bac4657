//! Devices that compute wrongly: bits of their weights are flipped in the memory
//! of running workers, after all files were checked.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;

use support::{Bundle, Worker};

/// Weights that are damaged.
const FLIPS: usize = 100;
/// Makes a number a few hundred times as large, or as small.
const BIT: u32 = 1 << 26;

/// Numbers that are rare in the weights of a folder, spread over all of them: those
/// of the main plan are in plans for fewer devices, too.
fn marks(bundle: &Bundle, device: usize) -> Vec<u32> {
    let folder = bundle.path(&format!("bundle/{}", bundle.names[device]));
    let weights = std::fs::read(format!("{folder}/weights.bin")).expect("weights");
    let words = weights.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
    let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
    words.for_each(|word| *seen.entry(word).or_default() += 1);
    let large = |word: u32| f32::from_bits(word).is_finite() && f32::from_bits(word).abs() > 0.02;
    let rare: Vec<u32> = seen
        .into_iter()
        .filter(|(word, n)| *n <= 8 && large(*word))
        .map(|(word, _)| word)
        .collect();
    let every = (rare.len() / FLIPS).max(1);
    rare.into_iter().step_by(every).collect()
}

/// Flips a bit of each of these numbers wherever the process has it; how many
/// were found.
fn damage(worker: &Worker, marks: &[u32]) -> usize {
    let pid = worker.id().as_raw_nonzero();
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
    let memory = memory.expect("the memory of a child");
    let maps = BufReader::new(File::open(format!("/proc/{pid}/maps")).unwrap()).lines();
    let mut found = 0;
    for line in maps.map(|line| line.unwrap()) {
        let mut parts = line.split_whitespace();
        let (range, rights) = (parts.next().unwrap(), parts.next().unwrap());
        // Data of the process, and files that it has to itself.
        if !rights.starts_with("rw") && !line.ends_with("weights.bin") {
            continue;
        }
        let bounds = range.split_once('-').unwrap();
        let [start, end] = [bounds.0, bounds.1].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; (end - start) as usize];
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        for (at, word) in bytes.chunks_exact(4).enumerate() {
            let word = u32::from_le_bytes(word.try_into().unwrap());
            if marks.binary_search(&word).is_ok() {
                let changed = (word ^ BIT).to_le_bytes();
                memory.write_all_at(&changed, start + 4 * at as u64).expect("its own memory");
                found += 1;
            }
        }
    }
    found
}

/// What a model made of each input.
fn values(answers: &[serde_json::Value]) -> Vec<Vec<f64>> {
    let of = |answer: &serde_json::Value| {
        let values = answer["outputs"][0]["values"].as_array().expect("values").iter();
        values.map(|value| value.as_f64().expect("a number")).collect()
    };
    answers.iter().map(of).collect()
}

fn apart(one: &[Vec<f64>], other: &[Vec<f64>]) -> f64 {
    let pairs = one.iter().zip(other).flat_map(|(a, b)| a.iter().zip(b));
    pairs.map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

/// All answers say that they were checked.
fn assert_verified(answers: &[serde_json::Value]) {
    let keys = ["verified", "attempts", "plan", "latency_ms"];
    let brief = |answer: &serde_json::Value| keys.map(|key| answer[key].to_string()).join(" ");
    assert!(
        answers.iter().all(|answer| answer["verified"] == "yes"),
        "{:?}",
        answers.iter().map(brief).collect::<Vec<_>>()
    );
}

/// Flips bits of one worker's weights while it runs; what comes of the answers
/// under each way to check them.
fn flipped(spares: usize) {
    let bundle = Bundle::with(3, spares, &["--verify", "correct"]);
    let workers = bundle.start_all();
    // Until all connections are up, nothing can be said of the first answers.
    bundle.assert_answers(&[]);
    let healthy = bundle.assert_answers(&[]);
    assert_verified(&healthy);
    let right = values(&healthy);
    let mut marks = marks(&bundle, 1);
    marks.sort_unstable();
    let found = damage(&workers[1], &marks);
    assert!(found >= FLIPS / 4, "{found} of {} weights are in memory as they are", marks.len());
    // Nobody notices where nobody looks.
    let blind = |_| {
        let blind = bundle.ask(8, &["--verify", "off"]);
        assert!(blind.iter().all(|answer| answer["verified"] == "off"));
        apart(&values(&blind), &right) > 1e-2
    };
    // Where the device is the slowest it may be that others are used.
    assert!((0..20).any(blind), "the damage shows");
    let checked = bundle.ask(8, &[]);
    assert!(apart(&values(&checked), &right) < 1e-4, "{checked:?}");
    assert_verified(&checked);
    assert!(checked.iter().any(|answer| answer["attempts"] != 1), "{checked:?}");
}

#[test]
fn flipped_weights_are_found_with_one_spare() {
    flipped(1);
}

#[test]
fn flipped_weights_are_found_with_two_spares() {
    flipped(2);
}
