use super::*;
use crate::division::Codable;
use crate::division::method::Method;
use crate::onnx::{int_attribute, ints_attribute};
use crate::sample::Sample;

fn staged(sample: Sample) -> Result<Staged, StageError> {
    Staged::new(sample.read().unwrap())
}

/// ```text
/// x -> Gemm a -> Relu r -+-> Gemm b --+
///                        +-> Gemm c -> Add s -> Softmax y
/// ```
fn diamond() -> Sample {
    Sample::new(&[("x", &[1, 4])], &["y"])
        .counting("w", &[4, 4])
        .node("Gemm", &["x", "w"], &["a"], &[])
        .node("Relu", &["a"], &["r"], &[])
        .node("Gemm", &["r", "w"], &["b"], &[])
        .node("Gemm", &["r", "w"], &["c"], &[])
        .node("Add", &["b", "c"], &["s"], &[])
        .node("Softmax", &["s"], &["y"], &[])
}

#[test]
fn branches_and_joins() {
    let staged = staged(diamond()).unwrap();
    let names: Vec<&str> = staged.values.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["x", "a", "b", "c"]);
    let reads: Vec<_> = staged.stages.iter().map(|s| s.reads.clone()).collect();
    assert_eq!(reads, [vec![0], vec![1], vec![1]]);
    let glue: Vec<_> = staged.stages.iter().map(|s| s.glue.clone()).collect();
    assert_eq!(glue, [vec![], vec![1], vec![1]], "the Relu is computed by both readers");
    assert_eq!(staged.output.reads, [2, 3]);
    assert_eq!(staged.output.glue, [4, 5]);
    assert_eq!(staged.readers(1).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((staged.maker(0), staged.maker(1)), (None, Some(0)));
    assert_eq!((staged.values[1].bytes(), staged.values[1].rows()), (16, 4));
}

#[test]
fn whole_stages() {
    let model = Arc::new(diamond().read().unwrap());
    let cut = |whole: &[&str], keep: &[&str]| {
        let names = |list: &[&str]| list.iter().map(|n| n.to_string()).collect();
        let cut = Cut { whole: names(whole), keep: names(keep), ..Cut::default() };
        let staged = Staged::cut(model.clone(), &cut)?;
        let say = |s: &Stage| format!("{}{}", s.name, if s.layer.is_some() { "" } else { "*" });
        Ok::<_, StageError>(staged.stages.iter().map(say).collect::<Vec<_>>().join(" "))
    };
    assert_eq!(cut(&["r"], &[]).unwrap(), "r* gemm_2 gemm_3");
    assert_eq!(cut(&["s"], &[]).unwrap(), "s*");
    assert_eq!(cut(&["s"], &["gemm_2"]).unwrap(), "gemm_2 s*");
    assert_eq!(cut(&["r", "s"], &[]).unwrap(), "r* s*");
    assert_eq!(cut(&["a"], &[]).unwrap(), "gemm_0 gemm_2 gemm_3", "a layer may be divided");
    assert_eq!(cut(&["s"], &["b"]).unwrap(), "gemm_2 s*", "kept by the value's name");
    let said = |value: &str| cut(&[value], &[]).unwrap_err().to_string();
    assert_eq!(said("q"), "model has no value q to end a stage (its layers make a, b, c)");
    assert_eq!(said("x"), "value x is an input of the model, no stage makes it");
}

/// A node may be called what another node makes.
#[test]
fn stages_have_names_of_their_own() {
    let mut sample = diamond();
    sample.graph().node[2].name = Some("r".to_owned());
    let cut = Cut { whole: vec!["r".to_owned()], ..Cut::default() };
    let staged = Staged::cut(Arc::new(sample.read().unwrap()), &cut).unwrap();
    let names: Vec<&str> = staged.stages.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["r_whole", "r", "gemm_3"]);
}

/// A linear pooling that only leaves less to send goes before the border.
#[test]
fn pooling_before_the_send() {
    let sample = |op: &str, outputs: &[&str]| {
        Sample::new(&[("x", &[1, 4, 8, 8])], outputs)
            .counting("w", &[6, 4, 3, 3])
            .node("Conv", &["x", "w"], &["c"], &[])
            .node(op, &["c"], &["p"], &[ints_attribute("kernel_shape", &[2, 2])])
            .node("Relu", &["p"], &["y"], &[])
    };
    let cases = [
        (sample("AveragePool", &["y"]), "p", 1),
        (sample("GlobalAveragePool", &["y"]), "p", 1),
        (sample("MaxPool", &["y"]), "c", 0),
        (sample("AveragePool", &["y", "c"]), "c", 0),
    ];
    for (sample, wire, tail) in cases {
        let staged = staged(sample).unwrap();
        let stage = &staged.stages[0];
        assert_eq!((staged.values[1].name.as_str(), stage.tail.len()), (wire, tail));
        assert!(stage.layer.is_some());
    }
}

#[test]
fn what_is_no_layer() {
    let conv = |group: i64, w: &[usize]| {
        Sample::new(&[("x", &[1, 4, 8, 8])], &["y"]).counting("w", w).node(
            "Conv",
            &["x", "w"],
            &["y"],
            &[int_attribute("group", group)],
        )
    };
    let gemm = |attribute: &str| {
        Sample::new(&[("x", &[4, 4])], &["y"]).counting("w", &[4, 4]).node(
            "Gemm",
            &["x", "w"],
            &["y"],
            &[int_attribute(attribute, 1)],
        )
    };
    let free = Sample::new(&[("x", &[4, 4]), ("z", &[4, 4])], &["y"]).node(
        "MatMul",
        &["x", "z"],
        &["y"],
        &[],
    );
    let pool = Sample::new(&[("x", &[1, 4, 8, 8])], &["y"]).node(
        "MaxPool",
        &["x"],
        &["y"],
        &[ints_attribute("kernel_shape", &[2, 2])],
    );
    let cases = [
        (conv(4, &[4, 1, 3, 3]), Some("its 4 groups are of one channel each")),
        (conv(2, &[4, 2, 3, 3]), None),
        (conv(1, &[4, 4, 3, 3]), None),
        (gemm("transA"), None),
        (gemm("transB"), None),
        (free, Some("weights z are not constant")),
        (pool, Some("no Conv, Gemm or MatMul")),
    ];
    for (sample, message) in cases {
        let got = staged(sample).err().map(|e| e.to_string());
        match (&got, message) {
            (Some(got), Some(message)) => assert!(got.contains(message), "{got}"),
            (got, message) => assert_eq!(got.is_none(), message.is_none(), "{got:?}"),
        }
    }
}

#[test]
fn costs_and_methods() {
    let sample = Sample::new(&[("x", &[1, 4, 8, 10])], &["y"])
        .counting("w", &[6, 4, 3, 3])
        .counting("b", &[6])
        .node("Conv", &["x", "w", "b"], &["y"], &[]);
    let staged = staged(sample).unwrap();
    let layer = staged.stages[0].layer.as_ref().unwrap();
    assert_eq!(layer.params, 6 * 4 * 9 + 6);
    assert_eq!(layer.flops, 2 * (6 * 6 * 8) * (4 * 9));
    let splits: Vec<_> = Method::all_for(layer)
        .map(|m| (m, m.facts().codable, (m.facts().shards_max)(layer)))
        .collect();
    let wanted = [
        (Method::Channel, Codable::Offline, 6),
        (Method::Spatial, Codable::AtRunTime, 48),
        (Method::Filter, Codable::No, 4),
        (Method::Bands, Codable::No, 6),
    ];
    assert_eq!(splits, wanted);
    for method in Method::ALL {
        assert_eq!(method.to_string().parse(), Ok(method));
    }
    assert_eq!("whole".parse(), Ok(Method::Whole));
    assert!("rows".parse::<Method>().is_err());
}
