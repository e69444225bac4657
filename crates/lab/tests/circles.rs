//! No two files import each other, neither directly nor through others.
//!
//! A file's imports are its `use` lines, tests left out. What a parent only
//! hands on from its children (`pub use`) is no import of the parent's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A module's path within its crate.
type Module = Vec<String>;

fn modules(src: &Path) -> BTreeMap<Module, PathBuf> {
    let (mut modules, mut open) = (BTreeMap::new(), vec![src.to_owned()]);
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
                modules.insert(parts, path);
            }
        }
    }
    modules
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

/// The modules that the file of `module` imports from.
fn imports(module: &Module, text: &str, all: &BTreeMap<Module, PathBuf>) -> BTreeSet<Module> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    let lines = text.split('\n').scan(String::new(), |statement, line| {
        let starts = |word: &str| line.trim_start().starts_with(word);
        if !statement.is_empty() || starts("use ") || (starts("pub") && line.contains(" use ")) {
            statement.push_str(line);
            statement.push(' ');
        }
        Some(if statement.contains(';') { std::mem::take(statement) } else { String::new() })
    });
    for statement in lines.filter(|statement| !statement.is_empty()) {
        let (visibility, tree) = statement.split_once("use ").expect("a use statement");
        for path in paths(tree.split(';').next().unwrap_or_default()) {
            let Some(target) = resolve(module, &path, all) else { continue };
            let handed_on = !visibility.trim().is_empty() && target.starts_with(module);
            if target != *module && !handed_on {
                found.insert(target);
            }
        }
    }
    found
}

/// The module that `path`, as it stands in `module`, names something of.
fn resolve(module: &Module, path: &str, all: &BTreeMap<Module, PathBuf>) -> Option<Module> {
    let mut parts = path.split("::").map(str::trim).peekable();
    let mut target = match *parts.peek()? {
        "crate" => Module::new(),
        "self" => module.clone(),
        "super" => module[..module.len().checked_sub(1)?].to_vec(),
        child if all.contains_key(&[module.as_slice(), &[child.to_owned()]].concat()) => {
            parts = path.split("::").map(str::trim).peekable();
            return step(module.clone(), &mut parts, all);
        }
        _ => return None,
    };
    parts.next();
    while parts.next_if_eq(&"super").is_some() {
        target.pop();
    }
    step(target, &mut parts, all)
}

fn step<'a>(
    mut target: Module,
    parts: &mut impl Iterator<Item = &'a str>,
    all: &BTreeMap<Module, PathBuf>,
) -> Option<Module> {
    for part in parts {
        let next = [target.as_slice(), &[part.to_owned()]].concat();
        if !all.contains_key(&next) {
            break;
        }
        target = next;
    }
    Some(target)
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
        let all = modules(&crates.join(name).join("src"));
        let read = |(module, path): (&Module, &PathBuf)| {
            let text = std::fs::read_to_string(path).unwrap();
            (module.clone(), imports(module, &text, &all))
        };
        let edges: BTreeMap<Module, BTreeSet<Module>> = all.iter().map(read).collect();
        seen += edges.values().map(BTreeSet::len).sum::<usize>();
        for module in edges.keys() {
            assert_eq!(circle(module, &edges), None, "in {name}");
        }
    }
    assert!(seen > 500, "{seen} imports found, there are more");
}

#[test]
fn circles_are_found() {
    let files = [("", "a"), ("a", "a"), ("a::b", "b"), ("c", "c")];
    let all: BTreeMap<Module, PathBuf> = files
        .iter()
        .map(|(module, file)| {
            let parts = module.split("::").filter(|part| !part.is_empty());
            (parts.map(str::to_owned).collect(), PathBuf::from(file))
        })
        .collect();
    let at = |module: &str| -> Module { module.split("::").map(str::to_owned).collect() };
    let cases = [
        ("a", "use crate::c::{self, D};", "c"),
        ("a", "pub use self::b::E;", ""),
        ("a", "use b::E;", "a::b"),
        ("a::b", "use super::{\n    X,\n    Y as Z,\n};", "a"),
        ("a::b", "use super::super::c::D;", "c"),
        ("c", "pub(crate) use crate::a::b::E;", "a::b"),
        ("c", "use std::io;", ""),
        ("c", "#[cfg(test)]\nmod tests {\n    use crate::a::X;", ""),
    ];
    for (module, text, wanted) in cases {
        let got = imports(&at(module), text, &all);
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
