//! No two files import each other, neither directly nor through others.
//!
//! A file's imports are its `use` lines and the paths from `crate::` on in its
//! text, tests left out. What a parent only hands on from its children
//! (`pub use`) is no import of the parent's; who imports it from the parent
//! imports it from the child.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module's path within its crate.
type Module = Vec<String>;

/// The files of a crate, and what each hands on from others: name and module.
#[derive(Default)]
struct Files {
    paths: BTreeMap<Module, PathBuf>,
    handed_on: BTreeMap<Module, BTreeMap<String, Module>>,
}

fn files(src: &Path) -> Files {
    let (mut files, mut open) = (Files::default(), vec![src.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(src).unwrap().with_extension("");
            let parts = name.iter().map(|part| part.to_string_lossy().into_owned());
            let parts: Module = parts.filter(|part| part != "lib").collect();
            if !parts.iter().any(|part| part == "tests" || part == "main") {
                files.paths.insert(parts, path);
            }
        }
    }
    for (module, path) in files.paths.clone() {
        let text = std::fs::read_to_string(path).unwrap();
        hand_on(&module, &text, &mut files);
    }
    files
}

/// Every path of a `use` tree.
fn paths(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap_or_default().trim().to_owned()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&inner[start..]);
    let items = items.into_iter().map(str::trim).filter(|item| !item.is_empty());
    items.flat_map(paths).map(|path| format!("{}{path}", prefix.trim())).collect()
}

/// A file's text without its tests.
fn own(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

/// The `use` statements of a text: what stands before the word, and the tree.
fn uses(text: &str) -> Vec<(String, String)> {
    let lines = own(text).split('\n').scan(String::new(), |statement, line| {
        let starts = |word: &str| line.trim_start().starts_with(word);
        if !statement.is_empty() || starts("use ") || (starts("pub") && line.contains(" use ")) {
            statement.push_str(line);
            statement.push(' ');
        }
        Some(if statement.contains(';') { std::mem::take(statement) } else { String::new() })
    });
    let parts = |statement: String| {
        let (visibility, tree) = statement.split_once("use ")?;
        let tree = tree.split(';').next().unwrap_or_default();
        Some((visibility.trim().to_owned(), tree.to_owned()))
    };
    lines.filter_map(parts).collect()
}

/// Notes what the file of `module` hands on.
fn hand_on(module: &Module, text: &str, files: &mut Files) {
    for (visibility, tree) in uses(text) {
        for path in paths(&tree).iter().filter(|_| !visibility.is_empty()) {
            let name = path.rsplit("::").next().unwrap_or_default().to_owned();
            if let Some(target) = resolve(module, path, files).filter(|t| t != module) {
                files.handed_on.entry(module.clone()).or_default().insert(name, target);
            }
        }
    }
}

/// The modules that the file of `module` imports from.
fn imports(module: &Module, text: &str, files: &Files) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    for (visibility, tree) in uses(text) {
        for path in paths(&tree) {
            let Some(target) = resolve(module, &path, files) else { continue };
            let handed_on = !visibility.is_empty() && target.starts_with(module);
            if target != *module && !handed_on {
                found.insert(target);
            }
        }
    }
    let code = own(text).lines().map(|line| line.split("//").next().unwrap_or_default());
    for line in code.filter(|line| !line.contains("use ")) {
        for (at, _) in line.match_indices("crate::") {
            let end = |c: char| !c.is_alphanumeric() && c != '_' && c != ':';
            let path = line[at..].split(end).next().unwrap_or_default();
            found.extend(resolve(module, path, files).filter(|target| target != module));
        }
    }
    found
}

/// The module that `path`, as it stands in `module`, names something of.
fn resolve(module: &Module, path: &str, files: &Files) -> Option<Module> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut target = match *parts.peek()? {
        "crate" => Module::new(),
        "self" => module.clone(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        child if files.paths.contains_key(&[module.as_slice(), &[child.to_owned()]].concat()) => {
            parts = path.split("::").map(str::trim).peekable();
            return Some(step(module.clone(), &mut parts, files));
        }
        _ => return None,
    };
    parts.next();
    while parts.next_if_eq(&"super").is_some() {
        target.pop();
    }
    Some(step(target, &mut parts, files))
}

fn step<'a>(
    mut target: Module,
    parts: &mut impl Iterator<Item = &'a str>,
    files: &Files,
) -> Module {
    for part in parts {
        let next = [target.as_slice(), &[part.to_owned()]].concat();
        if files.paths.contains_key(&next) {
            target = next;
            continue;
        }
        let handed_on = files.handed_on.get(&target);
        return handed_on.and_then(|names| names.get(part)).cloned().unwrap_or(target);
    }
    target
}

/// A way from `start` back to itself along `edges`.
fn circle(start: &Module, edges: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    let mut from: BTreeMap<&Module, &Module> = BTreeMap::new();
    let mut open = vec![start];
    while let Some(at) = open.pop() {
        for next in edges.get(at).into_iter().flatten() {
            if next == start {
                let mut way = vec![start.join("::"), at.join("::")];
                let mut at = at;
                while let Some(before) = from.get(at) {
                    way.push(before.join("::"));
                    at = before;
                }
                return Some(way);
            }
            if !from.contains_key(next) {
                from.insert(next, at);
                open.push(next);
            }
        }
    }
    None
}

#[test]
fn no_import_circles() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut seen = 0;
    for name in ["code", "model", "core", "engine", "quorate", "lab"] {
        let files = files(&crates.join(name).join("src"));
        let read = |(module, path): (&Module, &PathBuf)| {
            let text = std::fs::read_to_string(path).unwrap();
            (module.clone(), imports(module, &text, &files))
        };
        let edges: BTreeMap<Module, BTreeSet<Module>> = files.paths.iter().map(read).collect();
        seen += edges.values().map(BTreeSet::len).sum::<usize>();
        for module in edges.keys() {
            assert_eq!(circle(module, &edges), None, "in {name}");
        }
    }
    assert!(seen > 500, "{seen} imports found, there are more");
}

#[test]
fn circles_are_found() {
    let mut files = Files::default();
    for module in ["", "a", "a::b", "c"] {
        let parts = module.split("::").filter(|part| !part.is_empty());
        files.paths.insert(parts.map(str::to_owned).collect(), PathBuf::new());
    }
    let at = |module: &str| -> Module { module.split("::").map(str::to_owned).collect() };
    hand_on(&at("a"), "pub use self::b::E;", &mut files);
    let cases = [
        ("a", "use crate::c::{self, D};", "c"),
        ("a", "pub use self::b::E;", ""),
        ("c", "use crate::a::{E, F};", "a a::b"),
        ("c", "fn f() -> crate::a::E {}", "a::b"),
        ("c", "// see crate::a::F", ""),
        ("a", "use b::E;", "a::b"),
        ("a::b", "use super::{\n    X,\n    Y as Z,\n};", "a"),
        ("a::b", "use super::super::c::D;", "c"),
        ("c", "pub(crate) use crate::a::b::E;", "a::b"),
        ("c", "use std::io;", ""),
        ("c", "#[cfg(test)]\nmod tests {\n    use crate::a::X;", ""),
    ];
    for (module, text, wanted) in cases {
        let got = imports(&at(module), text, &files);
        let got: Vec<String> = got.iter().map(|module| module.join("::")).collect();
        assert_eq!(got.join(" "), wanted, "{module}: {text}");
    }
    let edge = |from: &str, to: &str| (at(from), BTreeSet::from([at(to)]));
    let edges = BTreeMap::from([edge("a", "c"), edge("c", "a::b"), edge("a::b", "a")]);
    assert_eq!(
        circle(&at("a"), &edges),
        Some(vec!["a".into(), "a::b".into(), "c".into(), "a".into()])
    );
    let edges = BTreeMap::from([edge("a", "c"), edge("c", "a::b")]);
    assert_eq!(circle(&at("a"), &edges), None);
}
