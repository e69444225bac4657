//! Forms of operators that tract was held against ONNX Runtime in.

use std::collections::BTreeSet;
use std::sync::LazyLock;

/// One form a line; made by `quorate-lab operators`.
const TABLE: &str = include_str!("proven.txt");

/// Did a node of this form come out right, and none wrong?
pub(super) fn is_proven(form: &str) -> bool {
    static FORMS: LazyLock<BTreeSet<&str>> =
        LazyLock::new(|| TABLE.lines().filter(|line| !line.starts_with('#')).collect());
    FORMS.contains(form)
}
