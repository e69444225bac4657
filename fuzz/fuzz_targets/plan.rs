//! Plan files: one that parses is written and parsed again as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quorate_core::plan::Plans;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(plans) = Plans::parse(text) {
        let written = plans.to_toml();
        let again = Plans::parse(&written).expect("what was written parses");
        assert_eq!(again.to_toml(), written);
    }
});
