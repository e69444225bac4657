# List the recipes.
default:
    @just --list --unsorted

# All that CI runs; changes nothing. Steps can be named: just verify fmt lint
verify *steps:
    .ci/run {{ steps }}

# Format and apply what clippy can mend by itself.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# Is everything formatted?
fmt:
    .ci/run fmt

# Clippy, warnings are errors.
lint:
    .ci/run lint

# Unit, integration and doc tests.
test *args:
    cargo test --workspace {{ args }}

# API documentation, warnings are errors.
doc:
    .ci/run doc

# Licences, banned crates and sources of the dependencies.
deny:
    .ci/run deny

# Benchmarks, release profile.
bench *args:
    cargo bench --workspace {{ args }}

# Each fuzz target for so many seconds.
fuzz seconds="60" *targets:
    fuzz/run {{ seconds }} {{ targets }}
