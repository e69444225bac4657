//! Devices that seem well, and whose tasks fail: who asks learns why at once,
//! if the others cannot make up for it.

mod support;

use support::{Bundle, quorate, words};

/// So long a deadline that nobody waits for it in vain here.
const DEADLINE: [&str; 2] = ["--deadline", "50s"];

/// What asking for one digit says, which fails.
fn refused(bundle: &Bundle, input: &str) -> String {
    let folder = bundle.path("bundle");
    let args = ["run", &folder, "--input", input, "--limit", "1", "--json"];
    let output = quorate(&[&args[..], &DEADLINE].concat());
    assert!(!output.status.success());
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let said: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|_| {
        panic!("{line}{}", words(&output));
    });
    said["error"].as_str().expect("an error").to_owned()
}

#[test]
fn a_task_file_that_is_gone_is_named() {
    let bundle = Bundle::new(3, 0);
    // The plan for one device, whose tasks are loaded when they are needed.
    let folder = bundle.path("bundle/pi-1");
    let _worker = bundle.start(0, &[]);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Layers whole.
        let whole = ["rows-0-6.onnx", "rows-0-16.onnx", "rows-0-120.onnx", "rows-0-84.onnx"];
        if whole.iter().any(|end| name.ends_with(end)) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let said = refused(&bundle, support::digits().to_str().unwrap());
    assert!(said.starts_with("pi-1 cannot compute "), "{said}");
    assert!(said.contains(".onnx"), "{said}");
}

#[test]
fn a_bundle_that_was_packed_again_is_told_of() {
    let bundle = Bundle::new(3, 0);
    let _worker = bundle.start(0, &[]);
    let packed = bundle.path("bundle/pi-1/packed.toml");
    let text = std::fs::read_to_string(&packed).unwrap();
    std::fs::write(&packed, format!("{text}# another one\n")).unwrap();
    let said = refused(&bundle, support::digits().to_str().unwrap());
    assert!(said.contains("was packed again: start this process anew"), "{said}");
}

/// Numbers too large for f16 are nobody's fault but the request's, those that devices
/// make as well as inputs.
#[test]
fn an_overflow_ends_the_request_and_no_device() {
    for (sent, words) in [("/conv1/Conv", "cannot compute"), ("input", "input input: 1000000000")] {
        let bundle = Bundle::with(2, 1, &["--f16", sent]);
        let _workers = bundle.start_all();
        let huge = bundle.path("huge.npy");
        let mut file = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        let head = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 28, 28), }";
        file.extend(format!("{head:<117}\n").into_bytes());
        file.extend((0..28 * 28).flat_map(|_| 1e9f32.to_le_bytes()));
        std::fs::write(&huge, file).unwrap();
        let said = refused(&bundle, &huge);
        assert!(said.contains("does not fit in f16") && said.contains(words), "{said}");
        bundle.assert_answers(&[]);
    }
}
