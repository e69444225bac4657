//! Splits every layer of a model into N data shards and parity shards whose
//! coefficients are given, and writes the task files and their weights to a
//! folder.
//!
//! `cargo run -p quorate-model --example split -- model.onnx 4 out 1,1,1,1`
//!
//! `out/stages.txt` says which task makes what, in order:
//! `stage <value> <axis> <inputs..>`, then its `data <file>` and
//! `parity <file> <coefficients..>`; last `output <file> <inputs..>`. Values
//! are numbered: the graph's inputs first, then those of the stages.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use quorate_code::Code;
use quorate_model::division::method::Method;
use quorate_model::model::{Model, ReadOptions};
use quorate_model::pack::{TaskSpec, Work, lay_out};
use quorate_model::part::Part;
use quorate_model::stage::Staged;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, shards, out, codes @ ..] = args.as_slice() else {
        return Err("use: split <model.onnx> <N> <folder> [<coefficient,..> ..]".into());
    };
    let n: usize = shards.parse()?;
    let mut parities: Vec<Vec<f64>> = Vec::new();
    for code in codes {
        parities.push(code.split(',').map(str::parse).collect::<Result<_, _>>()?);
    }
    let bytes = std::fs::read(model)?;
    let staged = Staged::new(Model::read_with(bytes.into(), &ReadOptions::default())?)?;
    let mut specs = Vec::new();
    let mut list = String::new();
    for (s, stage) in staged.stages.iter().enumerate() {
        let layer = stage.layer().ok_or("every stage of this cut has a layer")?;
        let rows = (Method::default_for(layer).facts().even)(layer, n, true);
        let n = rows.shards();
        let value = &staged.values[stage.value];
        writeln!(list, "stage {} {} {}", stage.value, value.axis, join(&stage.reads))?;
        for i in 0..n {
            let name = format!("{s}-d{i}");
            writeln!(list, "data {name}")?;
            let part = Part::data(rows.clone(), i);
            specs.push(TaskSpec { name, work: Work::Stage { stage: s, part, cut: false } });
        }
        for (i, code) in parities.iter().enumerate() {
            let name = format!("{s}-p{i}");
            let code = code.get(..n).ok_or("a code has fewer coefficients than shards")?;
            writeln!(list, "parity {name} {}", join(code))?;
            let code = Arc::new(Code::from_generator(n, code)?);
            let part = Part::parity(rows.clone(), code, 0);
            specs.push(TaskSpec { name, work: Work::Stage { stage: s, part, cut: false } });
        }
    }
    writeln!(list, "output output {}", join(&staged.output.reads))?;
    specs.push(TaskSpec { name: "output".to_owned(), work: Work::Output });
    let layout = lay_out(&staged, &specs, "weights.bin")?;
    std::fs::create_dir_all(out)?;
    let folder = std::path::Path::new(out);
    let mut file = BufWriter::new(File::create(folder.join("weights.bin"))?);
    layout.write_weights(&mut file, &mut |_| {})?;
    for (i, spec) in specs.iter().enumerate() {
        std::fs::write(folder.join(format!("{}.onnx", spec.name)), layout.task_onnx(i)?)?;
    }
    std::fs::write(folder.join("stages.txt"), list)?;
    println!("{} tasks, {} bytes of weights", specs.len(), layout.weights_len());
    for other in &staged.unsplit {
        println!("not split: {} {}: {}", other.op, other.name, other.why);
    }
    Ok(())
}

fn join<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" ")
}
