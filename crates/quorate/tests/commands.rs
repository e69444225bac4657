//! Commands on their own: what they make, what they refuse.

mod support;

use support::{Bundle, assert_whole, lenet, quorate, words};

#[test]
fn check_finds_a_model_whole() {
    assert_whole(&lenet());
}

#[test]
fn check_can_say_no() {
    let model = lenet();
    let output = quorate(&["check", model.to_str().unwrap(), "--tolerance", "1e-12"]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(words(&output).contains("NOT OK"));
}

#[test]
fn inspect_is_table_one() {
    let model = lenet();
    let output = quorate(&["inspect", model.to_str().unwrap(), "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let layers = report["stages"].as_array().unwrap();
    assert_eq!(layers.len(), 5);
    let params: u64 = layers.iter().map(|layer| layer["params"].as_u64().unwrap()).sum();
    assert_eq!(params, 61_706);
    let methods = |layer: usize| {
        let methods = layers[layer]["methods"].as_array().unwrap();
        methods
            .iter()
            .map(|m| format!("{} {}", m["method"].as_str().unwrap(), m["robust"].as_str().unwrap()))
            .collect::<Vec<_>>()
    };
    let convolution =
        ["channel coded", "spatial coded at run time", "filter replicas only", "bands overlaps"];
    assert_eq!(methods(0), convolution);
    assert_eq!(methods(4), ["output coded", "input replicas only"]);
}

/// To standard output, and to files whose ending says in which form.
#[test]
fn inspect_draws() {
    let folder = tempfile::tempdir().unwrap();
    let model = lenet();
    let model = model.to_str().unwrap();
    for (form, ending) in [("--dot", "dot"), ("--dot", "gv"), ("--svg", "svg")] {
        let file = folder.path().join(format!("picture.{ending}"));
        let printed = quorate(&["inspect", model, form]);
        let written = quorate(&["inspect", model, "-o", file.to_str().unwrap()]);
        assert!(printed.status.success() && written.status.success(), "{}", words(&written));
        assert_eq!(words(&written), "");
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text.as_bytes(), printed.stdout);
        assert!(text.starts_with("digraph") || text.starts_with("<svg "), "{text}");
        for name in ["/conv1/Conv", "/conv2/Conv", "/fc1/Gemm", "/fc2/Gemm", "/fc3/Gemm"] {
            assert!(text.contains(name), "{text}");
        }
    }
    let page = words(&quorate(&["inspect", model, "--devices", "2"]));
    assert!(page.contains("the largest shard of each layer over 2 devices"), "{page}");
}

/// The packed plan may change in its addresses and in nothing else.
#[test]
fn an_edited_bundle_is_refused_by_name() {
    let bundle = Bundle::new(2, 1);
    let plan = bundle.path("bundle/pi-1/plan.toml");
    let text = std::fs::read_to_string(&plan).unwrap();
    let serve = || {
        let folder = bundle.path("bundle/pi-1");
        quorate(&["worker", "--name", "nobody", "--bundle", &folder])
    };
    std::fs::write(&plan, text.replace(&bundle.hosts[1], "10.1.2.3:7001")).unwrap();
    let output = serve();
    assert!(words(&output).contains("no device nobody in the plan"), "{}", words(&output));
    std::fs::write(&plan, text.replacen("code = \"sum\"", "code = \"mds\"", 1)).unwrap();
    let output = serve();
    let said = words(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("plan main, layer /conv1/Conv changed; pack again"), "{said}");
}

#[test]
fn mistakes_are_told() {
    let bundle = Bundle::new(2, 1);
    let (model, plan) = (lenet(), bundle.path("plan.toml"));
    let model = model.to_str().unwrap();
    let (there, file) = (bundle.path("there"), bundle.path("there/file"));
    std::fs::create_dir(&there).unwrap();
    std::fs::write(&file, "mine").unwrap();
    let digits = support::digits();
    let digits = digits.to_str().unwrap();
    let cases: [(&[&str], &str); 15] = [
        (&["inspect", digits], "model "),
        (&["inspect", model, "-o", "x.png"], "x.png: a graph is written to files that end in .svg"),
        (&["inspect", model, "--devices", "0"], "needs 1 device"),
        (&["inspect", "nowhere.onnx"], "model nowhere.onnx: No such file"),
        (&["plan", model, "--devices", "0", "-o", "-"], "0 devices and 1 spares: needs 1 device"),
        (&["plan", model, "--hosts", "a:1,b:2", "-o", "-"], "2 addresses for 5 devices"),
        (
            &["plan", model, "--devices", "1", "--spares", "0", "--hosts", "a", "-o", "-"],
            "address \"a\" of pi-1 is not host:port",
        ),
        (&["pack", model, &plan, "-o", &there], "is there and no bundle"),
        (&["run", &there, "--input", digits], "is no folder: make one with `quorate pack`"),
        (&["check", model, "--method", "half"], "method \"half\" is none of output, input"),
        (
            &["check", model, "--method", "/fc1/Gemm=spatial"],
            "layer /fc1/Gemm: method spatial is for convolutions",
        ),
        (&["check", model, "--whole", "nothing"], "model has no value nothing to end a stage"),
        (&["check", model, "--whole", "input"], "value input is an input of the model"),
        (&["check", model, "--method", "=whole"], "no layer before = in \"=whole\""),
        (
            &["check", model, "--whole", "logits", "--method", "logits=output"],
            "logits is in --whole, and --method has it as output",
        ),
    ];
    for (args, expected) in cases {
        let output = quorate(args);
        let said = words(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn a_plan_for_another_model_is_refused() {
    let bundle = Bundle::new(2, 1);
    // The same, but for the name of its producer.
    let mut bytes = std::fs::read(lenet()).unwrap();
    bytes.extend(b"\x12\x05other");
    let other = std::path::PathBuf::from(bundle.path("other.onnx"));
    std::fs::write(&other, bytes).unwrap();
    let out = bundle.path("other");
    let output = quorate(&["pack", other.to_str().unwrap(), &bundle.path("plan.toml"), "-o", &out]);
    assert!(words(&output).contains("plan was made for model"), "{}", words(&output));
    assert!(!std::path::Path::new(&out).exists());
}
