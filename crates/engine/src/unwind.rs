//! Calls into code that may panic.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Is a call under way whose panic is an error, not a fault of ours?
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Calls into an engine, which panics on some malformed models; gives the
/// panic's message instead. Nothing is printed.
pub(crate) fn unwind<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(outer);
    result.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("panicked: {}", text.unwrap_or("no message"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_with_its_words() {
        assert_eq!(unwind(|| 3), Ok(3));
        let words = unwind(|| -> i32 { panic!("of {} kinds", 2) });
        assert_eq!(words, Err("panicked: of 2 kinds".to_owned()));
    }
}
