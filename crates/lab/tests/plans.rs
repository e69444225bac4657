//! Plan files edited by hand, held against the model when they are packed.

use std::collections::BTreeMap;
use std::io::{self, Write};

use prost::Message;
use quorate_core::id::StageId;
use quorate_core::packing::{Shelf, pack};
use quorate_core::plan::Plans;
use quorate_core::planner::{self, MethodRequest, PlanRequest};
use quorate_model::division::method::Method;
use quorate_model::model::{Limits, Model};
use quorate_model::onnx::{self, GraphProto, NodeProto, inline_tensor, value_info};
use quorate_model::stage::{Cut, Staged};
use quorate_model::tensor::{DType, Tensor};

struct Nowhere;

impl Shelf for Nowhere {
    fn create(&mut self, _: &str, _: &str) -> io::Result<Box<dyn Write + '_>> {
        Ok(Box::new(io::sink()))
    }
}

fn sha() -> String {
    "0".repeat(64)
}

/// x and z, each through a product of its own, are added up. The product of z
/// is called `sum`, as the value is that the addition makes.
fn two_inputs() -> Model {
    let node = |op: &str, name: &str, inputs: &[&str], output: &str| NodeProto {
        name: Some(name.to_owned()),
        op_type: Some(op.to_owned()),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        ..Default::default()
    };
    let weights = Tensor::from_f32(vec![4, 6], &[0.5; 24]).unwrap();
    let weights = inline_tensor("w", DType::F32, &[4, 6], weights.data().clone());
    let graph = GraphProto {
        name: Some("two".to_owned()),
        node: vec![
            node("MatMul", "first", &["x", "w"], "a"),
            node("MatMul", "sum", &["z", "w"], "b"),
            node("Add", "add", &["a", "b"], "sum"),
            node("Relu", "relu", &["sum"], "y"),
        ],
        initializer: vec![weights],
        input: ["x", "z"].map(|name| value_info(name, DType::F32, &[1, 4])).to_vec(),
        output: vec![value_info("y", DType::F32, &[1, 6])],
        ..Default::default()
    };
    let model = onnx::model(graph, 17);
    Model::read(model.encode_to_vec().into(), &Limits::default()).unwrap()
}

/// Packs `file`, and says what is wrong with it.
fn packed(staged: &Staged, file: &str) -> Result<(), String> {
    let plans = Plans::parse(file).map_err(|e| e.to_string())?;
    pack(staged, &sha(), &plans, &mut Nowhere, &mut |_| {}).map(drop).map_err(|e| e.to_string())
}

#[test]
fn what_does_not_fit_the_model_is_refused() {
    let staged = Staged::new(two_inputs()).unwrap();
    let mut request = PlanRequest::local("two.onnx", &sha(), 2, 1).unwrap();
    request.fewest_devices = 3;
    request.methods =
        vec![MethodRequest { layer: Some("first".to_owned()), method: Method::Input }];
    let file = planner::even(&staged, &request).unwrap().to_toml();
    assert_eq!(packed(&staged, &file), Ok(()));
    let (x, z) = ("name = \"x\"", "name = \"z\"");
    let swapped = file.replace(x, "name = \"-\"").replace(z, x).replace("name = \"-\"", z);
    let cases = [
        (swapped, "plan has the model's inputs in the order z, x, the model x, z"),
        (file.replace("[2, 3]]", "[2, 4]]"), "data shard 1 reads [0..1, 2..4] in the plan's parts"),
        (file.replace("columns = [2, 1, 1]", "columns = [1, 2, 1]"), "data shard 0 reads"),
        (file.replace("columns = [2, 1, 1]", "columns = [2, 1, 2]"), "plan has columns 5, model 4"),
        (file.replace("method = \"output\"", "method = \"channel\""), "model output, input, whole"),
    ];
    for (edited, message) in cases {
        assert_ne!(edited, file, "{message}: nothing was edited in\n{file}");
        let said = packed(&staged, &edited).unwrap_err();
        assert!(said.contains(message), "{said}");
    }
    let without: Vec<&str> = file.lines().filter(|line| !line.starts_with("parts")).collect();
    assert_eq!(packed(&staged, &without.join("\n")), Ok(()), "whole values are sent");
}

/// A whole stage and a layer that are called alike have files of their own.
#[test]
fn unlike_tasks_have_unlike_files() {
    let cut = Cut { whole: vec!["sum".to_owned()], keep: vec!["sum".to_owned()], ..Cut::default() };
    let staged = Staged::cut(two_inputs().into(), &cut).unwrap();
    let mut request = PlanRequest::local("two.onnx", &sha(), 2, 1).unwrap();
    request.methods = vec![MethodRequest { layer: None, method: Method::Whole }];
    let file = planner::even(&staged, &request).unwrap().to_toml();
    assert_eq!(packed(&staged, &file), Ok(()));
    let plans = Plans::parse(&file).unwrap();
    let mut files = BTreeMap::new();
    for plan in plans.all() {
        for id in (0..plan.stages().len() as u16).map(StageId) {
            for shard in 0..plan.stage_sharding(id).seats.len() {
                let task = (
                    plan.stages()[id.index()].value,
                    format!("{:?}", plan.stage_sharding(id).part(shard)),
                );
                let stem = plan.task_stem(id, shard);
                let known = files.entry(stem.clone()).or_insert_with(|| task.clone());
                assert_eq!(*known, task, "{stem}");
            }
        }
    }
    assert_eq!(files.len(), 2, "{files:?}");
}
