//! What the sources of the inner crates may not name, so that one seed replays
//! them and they run wherever their bytes come from.

use std::fs;
use std::path::{Path, PathBuf};

/// Files, sockets, processes, clocks, threads, runtimes, and everything whose
/// order or value the system chooses. std's hash maps are of the last kind.
const FORBIDDEN: &[&str] = &[
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "std::os",
    "std::thread",
    "thread::sleep",
    "thread::spawn",
    "tokio",
    "Instant",
    "SystemTime",
    "HashMap",
    "HashSet",
    "RandomState",
    "rand::rng",
    "thread_rng",
    "OsRng",
    "from_os_rng",
    "getrandom",
    "println!",
    "eprintln!",
];

/// What one crate may name all the same.
const ALLOWED: &[(&str, &str)] = &[("code", "std::thread::scope")];

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// Is this file compiled for tests alone?
fn is_test(path: &Path) -> bool {
    let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    ["tests", "sample", "fixture"].contains(&name)
}

/// The words of `text` that may not be there, with their lines. Comments and
/// what follows a file's own test module do not count.
fn breaches(krate: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim() == "mod tests {" {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        let allowed = ALLOWED.iter().filter(|(name, _)| *name == krate);
        let code = allowed.fold(code.to_owned(), |code, (_, words)| code.replace(words, ""));
        // `use std::{fs, net}` names the same in other words.
        let grouped = code.contains("use std::{") || code.contains("use tokio");
        let words = FORBIDDEN.iter().filter(|word| is_named(&code, word));
        found.extend(words.map(|word| (index + 1, (*word).to_owned())));
        if grouped {
            found.push((index + 1, "grouped import of std".to_owned()));
        }
    }
    found
}

/// Does `word` stand in `code` on its own, not as a part of another name?
fn is_named(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

#[test]
fn inner_crates_touch_nothing_outside() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let (mut files, mut all) = (0, Vec::new());
    for krate in ["code", "model", "core"] {
        let mut paths = Vec::new();
        sources(&crates.join(krate).join("src"), &mut paths);
        paths.sort();
        for path in paths.iter().filter(|path| !is_test(path)) {
            files += 1;
            let text = fs::read_to_string(path).expect("utf-8");
            let name = path.strip_prefix(&crates).expect("below crates").display();
            let found = breaches(krate, &text).into_iter();
            all.extend(found.map(|(line, word)| format!("{name}:{line} names {word}")));
        }
    }
    assert!(files > 30, "only {files} files were found");
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// The program's own files, which may print, draw and pick an engine.
const PROGRAM: &[&str] =
    &["main.rs", "cli.rs", "cli", "commands", "engine.rs", "process.rs", "progress.rs", "words.rs"];

/// What the program's library leaves to its front ends.
const PRINTING: &[&str] =
    &["print!", "println!", "eprint!", "eprintln!", "stdout", "stderr", "indicatif", "clap"];

#[test]
fn the_programs_library_prints_nothing_and_names_no_engine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../quorate/src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let of_library = |path: &&PathBuf| {
        let name = path.strip_prefix(&root).expect("below the root");
        let first = name.components().next().expect("a name").as_os_str();
        !PROGRAM.iter().any(|own| first == *own || first == format!("{own}.rs").as_str())
    };
    let (mut files, mut found) = (0, Vec::new());
    for path in paths.iter().filter(of_library) {
        files += 1;
        let text = fs::read_to_string(path).expect("utf-8");
        let lines = text.lines().take_while(|line| line.trim() != "mod tests {");
        let code = lines.map(|line| line.split("//").next().unwrap_or_default());
        let code = code.collect::<Vec<_>>().join("\n");
        // The medium of an emulated network speaks to no peer.
        let carries =
            ["net/stream.rs", "emulation/medium.rs"].iter().any(|own| path.ends_with(own));
        let carrier = (!carries).then_some("TcpStream");
        // What a worker that is started prints goes where it is told to.
        let streams = ["stdout", "stderr"];
        let starts = path.ends_with("src/workers.rs");
        let printing = PRINTING.iter().copied().filter(|word| !starts || !streams.contains(word));
        let words = printing.chain(["Tract"]).chain(carrier);
        let named = words.filter(|word| is_named(&code, word));
        found.extend(named.map(|word| format!("{} names {word}", path.display())));
    }
    assert!(files > 30, "only {files} files were found");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_breach_is_found() {
    let cases = [
        ("core", "use std::fs::File;", 1),
        ("core", "let now = std::time::Instant::now();", 1),
        ("core", "use std::collections::{BTreeMap, HashMap};", 1),
        ("core", "use std::{fs, io};", 1),
        ("core", "std::thread::scope(|s| {})", 1),
        ("code", "std::thread::scope(|s| {})", 0),
        ("code", "std::thread::spawn(|| {})", 2),
        ("core", "let seed = rand::rng();", 1),
        ("core", "// no Instant here", 0),
        ("core", "/// [`HashMap`]s are not allowed", 0),
        ("core", "let InstantNoodles = 1;", 0),
        ("core", "mod tests {\n    use std::fs;", 0),
    ];
    for (krate, text, count) in cases {
        assert_eq!(breaches(krate, text).len(), count, "{text}");
    }
}

#[test]
fn inner_crates_do_not_depend_on_a_runtime() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for krate in ["code", "model", "core"] {
        let manifest = crates.join(krate).join("Cargo.toml");
        let text = fs::read_to_string(manifest).expect("a manifest");
        let dependencies = text.split("[dev-dependencies]").next().unwrap_or_default();
        for name in ["tokio", "rand", "getrandom", "zenoh", "tract", "quorate-engine"] {
            let named = dependencies.lines().any(|line| line.starts_with(name));
            assert!(!named, "{krate} depends on {name}");
        }
    }
}
