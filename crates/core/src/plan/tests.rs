use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::stage::Staged;
use quorate_model::tensor::{DType, Tensor};

use super::*;
use crate::cluster::{Cluster, ClusterError, Profile};
use crate::cost;
use crate::fixture::{A, B, C, LENET, PLAN, devices, edited, plans};
use crate::id::{DeviceId, DeviceSet, PlanId, SeatId, StageId, ValueId};
use crate::planner::{self, MethodRequest, PlanRequest, PlannerError};

fn lenet() -> Staged {
    let model = Model::read(LENET.into(), &Limits::default()).expect("reads");
    Staged::new(model).expect("has layers")
}

fn request(data: usize, spares: usize, fewest_devices: usize) -> PlanRequest {
    let request = PlanRequest::local("lenet5.onnx", &"ab".repeat(32), data, spares);
    let request = request.expect("devices");
    let hosts: Vec<String> = (1..=data + spares).map(|i| format!("10.0.0.{i}:7000")).collect();
    let cluster = request.cluster.at(&hosts).expect("addresses");
    PlanRequest { cluster, fewest_devices, ..request }
}

/// Everything of plans that their file says.
fn said(plans: &Plans) -> String {
    let ids: Vec<PlanId> = plans.all().iter().map(|plan| plan.id()).collect();
    format!("{plans:?} {ids:?}")
}

#[test]
fn what_is_planned_reads_back_equal() {
    let staged = lenet();
    for data in 1..=6 {
        for spares in 0..=3.min(data) {
            for fewest in [1, data + spares] {
                let request = request(data, spares, fewest);
                let made = planner::even(&staged, &request).expect("planned");
                let file = made.to_toml();
                let read = Plans::parse(&file).unwrap_or_else(|e| panic!("{data}+{spares}: {e}"));
                assert_eq!(said(&read), said(&made), "{data}+{spares}");
                assert_eq!(read.to_toml(), file);
                assert_eq!(made.main().tolerance(), spares);
                assert_eq!(made.plans.len(), 1 + (data + spares).saturating_sub(fewest));
                let ids: std::collections::BTreeSet<_> =
                    made.plans.iter().map(|p| p.id()).collect();
                assert_eq!(ids.len(), made.plans.len(), "ids differ");
            }
        }
    }
}

/// A stage of another method in the fixture's place, and what it means.
#[test]
fn stages_of_every_method() {
    let stage = "method = \"output\"\nreads = [\"x\"]\nvalue = \"h\"\nrows = [3, 3]\ncode = \"sum\"\n\
                 data = [\"a\", \"b\"]\nparity = [\"c\"]";
    let made = |lines: &str| format!("reads = [\"x\"]\nvalue = \"h\"\n{lines}");
    let cases: [(&str, &str, usize); 5] = [
        ("input", "columns = [5, 3]\ndata = [\"a\", \"b\"]\nreplicas = [\"b\", \"c\"]", 1),
        ("input", "columns = [5, 3]\ndata = [\"a\", \"b\"]", 0),
        ("whole", "data = [\"b\"]\nreplicas = [\"c\", \"a\"]", 2),
        ("output", "rows = [2, 4]\ndata = [\"a\", \"b\"]\nreplicas = [\"b\", \"a\"]", 1),
        ("output", "rows = [2, 4]\ncode = \"sum\"\ndata = [\"a\", \"b\"]\nparity = [\"c\"]", 1),
    ];
    for (method, lines, tolerance) in cases {
        let lines = format!("method = \"{method}\"\n{}", made(lines));
        let read = Plans::parse(&edited(stage, &lines)).unwrap_or_else(|e| panic!("{lines}: {e}"));
        let sharding = read.main().sharding(crate::fixture::H).expect("used");
        assert_eq!(sharding.tolerance(), tolerance, "{lines}");
        let again = Plans::parse(&read.to_toml()).expect("what was written reads");
        assert_eq!(said(&again), said(&read));
    }
    // A copy beside its original is none.
    let lines = made("data = [\"a\", \"b\"]\ncolumns = [5, 3]\nreplicas = [\"a\", \"c\"]");
    let error = Plans::parse(&edited(stage, &format!("method = \"input\"\n{lines}"))).unwrap_err();
    assert!(error.message.contains("two shards on a"), "{error}");
}

/// Every method, planned evenly, reads back as it was made, and bears as many
/// losses as there are spares.
#[test]
fn every_method_is_planned() {
    let staged = lenet();
    let methods = |list: &[(Option<&str>, Method)]| -> Vec<MethodRequest> {
        let one = |(layer, method): &(Option<&str>, Method)| MethodRequest {
            layer: layer.map(str::to_owned),
            method: *method,
        };
        list.iter().map(one).collect()
    };
    let cases = [
        methods(&[(None, Method::Spatial)]),
        methods(&[(None, Method::Filter), (None, Method::Input)]),
        methods(&[(None, Method::Whole)]),
        methods(&[(None, Method::Spatial), (Some("/fc1/Gemm"), Method::Input)]),
    ];
    for (data, spares) in [(1, 0), (2, 0), (2, 1), (4, 1), (4, 2), (8, 2), (3, 3)] {
        for methods in &cases {
            let mut request = request(data, spares, 1);
            request.methods = methods.clone();
            request.f16 = vec!["/conv2/Conv".to_owned()];
            let made = planner::even(&staged, &request).expect("planned");
            let read = Plans::parse(&made.to_toml()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(said(&read), said(&made), "{data}+{spares} {methods:?}");
            assert!(made.main().tolerance() >= spares, "{data}+{spares} {methods:?}");
        }
    }
    let refused = |list: &[(Option<&str>, Method)]| {
        let mut request = request(2, 1, 1);
        request.methods = methods(list);
        planner::even(&staged, &request).unwrap_err().to_string()
    };
    let said = refused(&[(Some("/fc1/Gemm"), Method::Spatial)]);
    assert_eq!(said, "layer /fc1/Gemm: method spatial is for convolutions");
    assert!(refused(&[(Some("fc9"), Method::Input)]).starts_with("model has no layer fc9"));
    // What names a layer counts, wherever it stands.
    let mut request = request(2, 1, 3);
    request.methods = methods(&[(Some("/fc1/Gemm"), Method::Input), (None, Method::Whole)]);
    let made = planner::even(&staged, &request).expect("planned");
    let said: Vec<String> = made.main().stages().iter().map(|s| s.method.to_string()).collect();
    assert_eq!(said, ["whole", "whole", "input", "whole", "whole"]);
}

/// On demand all devices share the work, nobody does anything twice, and there are
/// plans for those who are left.
#[test]
fn a_loss_met_on_demand() {
    let staged = lenet();
    let request = PlanRequest { protect: Protect::OnDemand, ..request(2, 1, 3) };
    let plans = planner::even(&staged, &request).expect("planned");
    let seats: Vec<usize> = plans.all().iter().map(|plan| plan.seats()).collect();
    assert_eq!((seats, plans.main().tolerance()), (vec![3, 2], 0));
    for id in (0..plans.main().stages().len() as u16).map(StageId) {
        let sharding = plans.main().stage_sharding(id);
        assert_eq!((sharding.code.shards(), sharding.code.parity_shards()), (3, 0));
    }
    let read = Plans::parse(&plans.to_toml()).expect("reads back");
    assert_eq!((said(&read), read.protect()), (said(&plans), Protect::OnDemand));
    let ms = std::time::Duration::from_millis;
    assert_eq!(
        (read.protect().silence(ms(500)), plans.protect().silence(ms(20))),
        (ms(100), ms(20))
    );
    assert_eq!(Protect::Always.silence(ms(500)), ms(500));
}

/// Inputs may travel as f16 as well: another plan, of half the bytes, whose answers
/// are as far off as that rounds.
#[test]
fn inputs_travel_as_f16() {
    let half = Plans::parse(&edited("axis = 0", "axis = 0\nwire = \"f16\"")).expect("reads");
    assert_eq!(said(&Plans::parse(&half.to_toml()).expect("reads back")), said(&half));
    let (full, half, x) = (plans(), half, ValueId(0));
    let sharding = |plans: &Plans| plans.main().sharding(x).expect("used").clone();
    assert_eq!((sharding(&full).wire, sharding(&half).wire), (DType::F32, DType::F16));
    assert_ne!(full.main().id(), half.main().id());
    let bytes = |plans: &Plans| cost::wire_bytes(plans, plans.main());
    assert_eq!(bytes(&full) - bytes(&half), 3 * 8 * 2);
    assert_eq!((full.main().stated_error(), half.main().stated_error()), (0.0, 1.0 / 2048.0));
    let tensor = Tensor::from_f32(vec![1, 2], &[0.1, 3.0]).expect("fits");
    let sent = sharding(&half).as_sent(&tensor).expect("small enough").to_f32().expect("f32");
    assert!(sent[1] == 3.0 && sent[0] != 0.1 && (sent[0] - 0.1).abs() < 1e-4, "{sent:?}");
}

/// Who is sent what: windows and columns of what is not coded, those of all tasks of
/// a seat, all of what is coded.
#[test]
fn parts_are_sent_of_what_is_not_coded() {
    let staged = lenet();
    let mut request = request(2, 1, 3);
    let method = |layer: &str, method| MethodRequest { layer: Some(layer.to_owned()), method };
    request.methods = vec![
        method("/conv1/Conv", Method::Spatial),
        method("/fc2/Gemm", Method::Whole),
        method("/fc3/Gemm", Method::Input),
    ];
    let plans = planner::even(&staged, &request).expect("planned");
    let plan = plans.main();
    let value = |name: &str| plans.value(name).expect("listed");
    let need =
        |name: &str, seat: u8| plan.need(value(name), SeatId(seat)).map(|need| need.boxes.clone());
    // Two tiles of 14 rows, windows of 5, padded by 2; parity reads all.
    assert_eq!(need("input", 0), Some(vec![vec![0..1, 0..1, 0..16, 0..28]]));
    assert_eq!(need("input", 1), Some(vec![vec![0..1, 0..1, 12..28, 0..28]]));
    assert_eq!(need("input", 2), None);
    // Three terms of 28 columns, each on two seats; 0 and 2 are not neighbours.
    let columns: [&[(usize, usize)]; 3] = [&[(0, 28), (56, 84)], &[(0, 56)], &[(28, 84)]];
    for (seat, columns) in columns.into_iter().enumerate() {
        let wanted = columns.iter().map(|&(start, end)| vec![0..1, start..end]).collect();
        assert_eq!(need("/fc2/Gemm_output_0", seat as u8), Some(wanted), "seat {seat}");
    }
    assert_eq!(need("/conv1/Conv_output_0", 0), None, "coded");
    let groups = plan.recipients(plans.values(), value("input"), 0, plans.everybody());
    let sent: Vec<_> = groups.iter().map(|(part, to)| (part.is_some(), to.clone())).collect();
    assert_eq!(sent, [(true, vec![A]), (true, vec![B]), (false, vec![C])]);
    let read = Plans::parse(&plans.to_toml()).expect("reads back");
    assert_eq!(said(&read), said(&plans));
    let file = plans.to_toml();
    let mistakes = [
        (
            "parts = [[[0, 1], [0, 1], [0, 16]",
            "parts = [[[0, 1], [0, 1], [0, 29]",
            "2 parts of input",
        ),
        ("parts = [[[0, 1], [0, 1], [0, 16], [0, 28]], ", "parts = [", "2 parts of input"),
        (
            "parts = [[[0, 1], [0, 1], [0, 16]",
            "parts = [[[0, 1], [0, 1], [3, 3]",
            "2 parts of input",
        ),
    ];
    for (from, to, message) in mistakes {
        assert!(file.contains(from), "{file}");
        let error = Plans::parse(&file.replacen(from, to, 1)).expect_err(to);
        assert!(error.message.contains(message), "{error}");
    }
}

/// A bundle that was packed before must stay readable: an id that changes
/// without the plan changing is a change of format.
#[test]
fn ids_are_stable() {
    let made = planner::even(&lenet(), &request(4, 1, 4)).expect("planned");
    let ids: Vec<String> = made.plans.iter().map(|plan| plan.id().to_string()).collect();
    assert_eq!(ids, ["be83f2e7a68b8846", "9fe87a3381f6ad62"]);
}

#[test]
fn the_planner_refuses() {
    let staged = lenet();
    let mut spares_only = request(2, 1, 1);
    spares_only.spares = 3;
    let error = planner::even(&staged, &spares_only).unwrap_err();
    assert_eq!(error, PlannerError::Devices { data: 0, spares: 3 });
    let cluster = &spares_only.cluster;
    let hosts: Vec<String> = cluster.devices().iter().map(|d| d.address.clone()).collect();
    let error = cluster.at(&hosts[..2]).unwrap_err();
    assert_eq!(error, ClusterError::Addresses { addresses: 2, devices: 3 });
    let said = cluster.at(&[&hosts[..1], &["pi-2".to_owned()], &hosts[2..]].concat());
    let said = said.unwrap_err().to_string();
    assert_eq!(said, "address \"pi-2\" of pi-2 is not host:port");
}

/// A device whose profile is known is not given more than it has room for.
#[test]
fn weights_fit_in_memory() {
    let staged = lenet();
    let mut request = request(2, 1, 3);
    let with = |memory_bytes: u64| {
        let text = include_str!("../../../../profiles/pi-4.toml");
        let profile = Profile { memory_bytes, ..Profile::parse(text).expect("a profile") };
        let mut devices = request.cluster.devices().to_vec();
        devices[1].profile = Some(profile);
        Cluster::new(devices).expect("as before")
    };
    // Half of the rows of each layer, 61,470 weights in all.
    let (fits, full) = (with(123_000), with(122_000));
    request.cluster = fits;
    planner::even(&staged, &request).expect("planned");
    request.cluster = full;
    let said = planner::even(&staged, &request).unwrap_err().to_string();
    assert!(
        said.starts_with("device pi-2 has 122000 bytes of memory, its tasks have 12"),
        "{said}"
    );
}

/// A line of the fixture replaced, and the mistake that this is.
const MISTAKES: &[(&str, &str, usize, &str)] = &[
    ("format = 2", "format = 1", 1, "format 1, this program reads 2"),
    ("00aa\"", "00a\"", 3, "model_sha256 is not 64 hexadecimal digits"),
    ("00aa\"", "00zz\"", 3, "model_sha256 is not 64 hexadecimal digits"),
    ("\"auto\"", "\"soon\"", 4, "wait \"soon\" is neither auto nor like 5ms"),
    ("= 1e-4", "= 0.0", 5, "tolerance 0, must be in (0, 1)"),
    ("= 1e-4", "= nan", 5, "tolerance NaN, must be in (0, 1)"),
    ("[\"a\", \"b\", \"c\"]", "[]", 6, "0 devices, needs 1 to 64"),
    ("\"b\", \"c\"]", "\"b\", \"b\"]", 6, "device b is listed twice"),
    ("\"b\", \"c\"]", "\"b\", \"../c\"]", 6, "device name \"../c\""),
    ("\"b\", \"c\"]", "\"b\", \"c\", \"d\"]", 6, "device d has no line in [hosts]"),
    ("c = \"10", "d = \"10", 11, "host for d, which is no device"),
    ("10.0.0.2:7000", "10.0.0.2", 10, "address \"10.0.0.2\" of b is not host:port"),
    ("10.0.0.2:7000", "10.0.0.2:0", 10, "address \"10.0.0.2:0\" of b is not host:port"),
    ("10.0.0.2:7000", "10.0.0.1:7000", 10, "b and a share the address 10.0.0.1:7000"),
    ("name = \"h\"", "name = \"x\"", 20, "second value named x"),
    ("dtype = \"f32\"", "dtype = \"f33\"", 15, "value x has unknown dtype \"f33\""),
    ("shape = [1, 8]", "shape = [0, 8]", 16, "value x of f32 [0, 8]: needs 1 to 8 dimensions"),
    ("shape = [1, 8]", "shape = []", 16, "value x of f32 []: needs 1 to 8 dimensions"),
    ("shape = [1, 8]", "shape = [1099511627776, 1099511627776]", 16, "value x of f32"),
    ("axis = 0", "axis = 2", 17, "axis 2 of x, which has 2"),
    ("result = [\"y\"]", "result = []", 33, "plan main has no result"),
    ("result = [\"y\"]", "result = [\"q\"]", 33, "result reads value q, which is not listed"),
    ("result = [\"y\"]", "result = [\"h\"]", 49, "nobody reads value y"),
    ("name = \"main\"", "name = \"main\"\nseats = 3", 33, "the main plan names devices"),
    ("method = \"output\"", "method = \"filter\"", 43, "method filter takes replicas, not parity"),
    ("method = \"output\"", "method = \"half\"", 37, "layer fc1: unknown method \"half\""),
    ("reads = [\"x\"]", "reads = []", 36, "layer fc1 reads nothing"),
    ("reads = [\"x\"]", "reads = [\"q\"]", 38, "reads value q, which is not listed"),
    ("reads = [\"x\"]", "reads = [\"y\"]", 38, "layer fc1 reads value y before a stage makes it"),
    ("value = \"h\"", "value = \"q\"", 39, "layer fc1 makes q, which is not listed"),
    ("value = \"y\"", "value = \"h\"", 49, "value h is made twice"),
    ("rows = [3, 3]", "rows = [3, 4]", 40, "rows [3, 4] must be at least 1 each and sum to 6"),
    ("rows = [3, 3]", "rows = [0, 6]", 40, "rows [0, 6] must be at least 1 each"),
    ("rows = [3, 3]", "rows = [6]", 42, "layer fc1: 2 devices for 1 data shards"),
    ("code = \"sum\"", "code = \"best\"", 41, "layer fc1: "),
    ("code = \"sum\"", "code = \"none\"", 41, "layer fc1: "),
    ("data = [\"a\", \"b\"]", "data = [\"a\"]", 42, "layer fc1: 1 devices for 2 data shards"),
    ("data = [\"a\", \"b\"]", "data = [\"a\", \"d\"]", 42, "layer fc1: unknown device d"),
    ("parity = [\"c\"]", "parity = [\"a\"]", 43, "layer fc1: two shards on a"),
    ("rows = [3, 3]", "tiles = [[3, 3]]", 40, "layer fc1: method output takes no tiles"),
    ("rows = [3, 3]\n", "", 37, "layer fc1: method output needs rows"),
    ("method = \"output\"", "method = \"whole\"", 43, "method whole takes replicas, not parity"),
    ("parity = [\"c\"]", "replicas = [\"c\"]", 41, "replicas go with code replication"),
    ("parity = [\"c\"]", "parity = [\"c\"]\nreplicas = [\"c\"]", 44, "both parity and replicas"),
    (
        "value = \"h\"",
        "value = \"h\"\nwire = \"f64\"",
        40,
        "wire \"f64\" of h: f16 for f32, else f32",
    ),
    ("axis = 0", "axis = 0\nwire = \"u8\"", 18, "wire \"u8\" of x: f16 for f32, else f32"),
    ("axis = 1", "axis = 1\nwire = \"f16\"", 24, "value h is made by a stage, whose wire says"),
    ("layer = \"fc2\"", "layer = \"fc1\"", 46, "second stage for layer fc1"),
    (
        "wait = \"auto\"",
        "wait = \"auto\"\nprotect = \"never\"",
        5,
        "protect \"never\" is neither always nor on-demand",
    ),
    ("name = \"two\"", "name = \"main\"", 56, "second plan named main"),
    ("seats = 2", "", 56, "fallback plan two needs seats"),
    ("seats = 2", "seats = 4", 57, "4 seats, needs 1 to 3"),
    ("seats = 2", "seats = 0", 57, "0 seats, needs 1 to 3"),
    ("data = [\"seat-1\"]", "data = [\"a\"]", 67, "layer fc1: unknown seat a"),
    ("axis = 0", "axis = 0\nspeed = 3", 18, "unknown field `speed`"),
    (
        "rows = [3, 3]",
        "rowz = [3, 3]",
        40,
        "unknown field `rowz`, expected one of `layer`, `method`",
    ),
    ("rows = [3, 3]", "lines = 2", 40, "`replicas`, `rows`, `columns`, `tiles`"),
    ("rows = [3, 3]", "rows = [3, [3]]", 40, "numbers and lists of numbers in one list"),
    ("rows = [3, 3]", "rows = [-3, 9]", 40, "length -3, must not be negative"),
    ("rows = [3, 3]", "rows = [[3, 3]]", 40, "rows is one list of lengths"),
    ("format = 2", "format = ", 1, ""),
    ("model = \"small.onnx\"", "", 1, "missing field `model`"),
];

#[test]
fn every_mistake_is_named_with_its_line() {
    for (from, to, line, message) in MISTAKES {
        let error = Plans::parse(&edited(from, to)).expect_err(to);
        assert!(error.message.contains(message), "{to}: {error}, expected \"{message}\"");
        assert_eq!(error.line, *line, "{to}: {error}");
        assert!(!error.message.contains('\n'), "{error}");
    }
}

#[test]
fn changes_are_named() {
    let packed = plans();
    let cases: [(&str, &str, &[&str]); 11] = [
        ("10.0.0.2:7000", "pi.local:9", &[]),
        ("wait = \"auto\"", "wait = \"7ms\"", &[]),
        ("tolerance = 1e-4", "tolerance = 1e-3", &[]),
        ("model = \"small.onnx\"", "model = \"copy.onnx\"", &[]),
        ("00aa\"", "00ab\"", &["model"]),
        ("shape = [1, 8]", "shape = [1, 9]", &["value x"]),
        ("rows = [3, 3]", "rows = [2, 4]", &["plan main, layer fc1"]),
        ("rows = [3, 2]", "rows = [2, 3]", &["plan main, layer fc2"]),
        ("data = [\"a\", \"b\"]", "data = [\"b\", \"a\"]", &["plan main, layer fc1"]),
        ("data = [\"seat-1\"]", "data = [\"seat-2\"]", &["plan two, layer fc1"]),
        ("seats = 2", "seats = 3", &["plan two"]),
    ];
    for (from, to, names) in cases {
        let read = Plans::parse(&edited(from, to)).expect(to);
        assert_eq!(read.changed_since(&packed.fingerprints), names, "{to}");
        let plan_changed = |i: usize| read.plans[i].id != packed.plans[i].id;
        let changed = (0..3).any(plan_changed);
        assert_eq!(changed, !names.is_empty(), "{to}: ids");
        if names.iter().any(|name| name.starts_with("plan main")) {
            assert!(!plan_changed(1) && !plan_changed(2), "{to}: other plans keep their ids");
        }
    }
    assert!(packed.changed_since(&BTreeMap::new()).len() > 5);
}

/// Values are numbers in frames: their order is part of a plan's meaning.
#[test]
fn the_order_of_values_counts() {
    let swapped =
        PLAN.replace("name = \"h\"", "name = \"q\"").replace("name = \"y\"", "name = \"h\"");
    let swapped = swapped.replace("name = \"q\"", "name = \"y\"");
    let same_shape = |text: &str| text.replace("[1, 5]", "[1, 6]").replace("[3, 2]", "[3, 3]");
    let same_shape = |text: &str| same_shape(text).replace("rows = [5]", "rows = [6]");
    let (one, other) = (Plans::parse(&same_shape(PLAN)), Plans::parse(&same_shape(&swapped)));
    let (one, other) = (one.expect("reads"), other.expect("reads"));
    assert_ne!(one.main().id(), other.main().id());
    assert!(other.changed_since(&one.fingerprints).contains(&"value h".to_owned()));
}

#[test]
fn rosters_leave_out_suspects_where_they_can() {
    let plans = plans();
    let sharding = plans.main().sharding(crate::fixture::H).expect("used");
    let cases: [(&[DeviceId], &[usize]); 5] =
        [(&[], &[0, 1]), (&[C], &[0, 1]), (&[A], &[1, 2]), (&[B], &[0, 2]), (&[A, B], &[0, 1])];
    for (suspects, roster) in cases {
        let got = sharding.roster(plans.everybody(), devices(suspects));
        assert_eq!(got.iter().collect::<Vec<_>>(), roster, "{suspects:?}");
    }
    // Seats of a plan for fewer are taken by rank.
    let two = plans.all()[1].sharding(crate::fixture::Y).expect("used");
    let got = two.roster(devices(&[A, C]), devices(&[C]));
    assert_eq!(got.iter().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn viable_as_long_as_every_stage_is() {
    let plans = plans();
    let all = [A, B, C];
    for bits in 0..8u64 {
        let alive = DeviceSet(bits);
        let viable = plans.main().viable(plans.everybody(), alive);
        assert_eq!(viable, alive.len() >= 2, "{alive:?}");
        let unanswered = plans.main().unanswered(plans.everybody(), alive);
        assert_eq!(unanswered.is_none(), viable);
        assert!(unanswered.is_none_or(|stage| stage.name == "fc1"));
        for members in [[A, B], [A, C], [B, C]] {
            let here = all.iter().filter(|d| members.contains(d) && alive.contains(**d)).count();
            assert_eq!(plans.all()[1].viable(devices(&members), alive), here == 2);
        }
    }
    let partly = plans.all()[1].unanswered(devices(&[A, C]), devices(&[A]));
    assert_eq!(partly.map(|stage| stage.name.as_str()), Some("fc2"));
    assert!(!plans.main().viable(DeviceSet::default(), plans.everybody()), "nobody sits");
}

proptest! {
    /// Whoever is left, each seat's device has that seat's tasks packed.
    #[test]
    fn possible_seats_cover_every_seating(count in 1usize..=6, seats in 1usize..=6) {
        prop_assume!(seats <= count);
        let staged = lenet();
        let made = planner::even(&staged, &request(count, 0, seats)).expect("planned");
        let plan = made.plans.last().expect("one at least");
        prop_assert_eq!(plan.seats(), seats);
        for bits in 0..1u64 << count {
            let alive = DeviceSet(bits);
            if alive.len() < seats || (seats == count && alive != made.everybody()) {
                continue;
            }
            for members in subsets_of(alive, seats) {
                for seat in 0..seats {
                    let device = members.nth(seat).expect("a member a seat");
                    prop_assert!(made.possible_seats(plan, device).contains(&seat));
                }
            }
        }
    }
}

fn subsets_of(set: DeviceSet, size: usize) -> Vec<DeviceSet> {
    let within = |bits: &u64| bits & !set.0 == 0 && bits.count_ones() as usize == size;
    (0..=set.0).filter(within).map(DeviceSet).collect()
}
