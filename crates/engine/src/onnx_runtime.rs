//! ONNX Runtime, where its library is installed.
//!
//! The library is looked for while the program runs; nothing of it is needed to
//! build.

mod convert;
mod library;

use std::path::Path;
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::ValueType;
use quorate_model::tensor::Tensor;

use crate::port::check_inputs;
use crate::{Engine, EngineError, Named, Port, Reference, Task};

const NAME: &str = "onnxruntime";

/// The ONNX Runtime engine.
#[derive(Clone, Debug)]
pub struct OnnxRuntime {
    environment: Environment,
    name: String,
    threads: usize,
}

impl OnnxRuntime {
    /// The library that is installed: at `path` if one is given, else where
    /// libraries are.
    ///
    /// # Errors
    ///
    /// [`EngineError::Library`] where there is none that can be used. The first
    /// one that was loaded stays for as long as the process runs.
    pub fn find(path: Option<&Path>) -> Result<OnnxRuntime, EngineError> {
        static FOUND: OnceLock<Result<OnnxRuntime, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let at = match path {
                Some(path) => path.to_owned(),
                None => library::installed().ok_or("no libonnxruntime is installed")?,
            };
            // The loader of the library panics on some that are none.
            let begun = crate::unwind::unwind(|| start(&at));
            begun.and_then(|begun| begun).map_err(|why| format!("{}: {why}", at.display()))
        });
        found.clone().map_err(|reason| EngineError::Library { engine: NAME, reason })
    }

    /// The same with so many threads for a task; by default it has one.
    pub fn on_threads(self, count: usize) -> OnnxRuntime {
        OnnxRuntime { threads: count.max(1), ..self }
    }

    fn session(
        &self,
        model: &str,
        load: impl FnOnce(&mut ort::session::builder::SessionBuilder) -> ort::Result<Session>,
    ) -> Result<Session, EngineError> {
        let failed =
            |reason: String| EngineError::Load { engine: NAME, model: model.to_owned(), reason };
        let build = || -> Result<Session, String> {
            let text = |e: &dyn std::fmt::Display| e.to_string();
            let builder = Session::builder(&self.environment).map_err(|e| text(&e))?;
            let builder = builder.with_intra_threads(self.threads).map_err(|e| text(&e))?;
            let builder = builder.with_inter_threads(1).map_err(|e| text(&e))?;
            let level = GraphOptimizationLevel::All;
            let mut builder = builder.with_optimization_level(level).map_err(|e| text(&e))?;
            load(&mut builder).map_err(|e| text(&e))
        };
        crate::unwind::unwind(build).and_then(|built| built).map_err(failed)
    }
}

fn start(path: &Path) -> Result<OnnxRuntime, String> {
    let builder = ort::environment::init_from(path).map_err(|e| e.to_string())?;
    let environment = builder.with_name("quorate").with_telemetry(false).build();
    let environment = environment.map_err(|e| e.to_string())?;
    environment.set_log_level(ort::logging::LogLevel::Fatal);
    Ok(OnnxRuntime { environment, name: NAME.to_owned(), threads: 1 })
}

impl Engine for OnnxRuntime {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_proven(&self, _: &str) -> bool {
        // What others are held against.
        true
    }

    fn load(&self, path: &Path) -> Result<Box<dyn Task>, EngineError> {
        let model = path.display().to_string();
        let session = self.session(&model, |builder| builder.commit_from_file(path))?;
        RuntimeTask::open(model, session)
    }

    fn load_bytes(&self, name: &str, bytes: &[u8]) -> Result<Box<dyn Task>, EngineError> {
        let session = self.session(name, |builder| builder.commit_from_memory(bytes))?;
        RuntimeTask::open(name.to_owned(), session)
    }
}

impl Reference for OnnxRuntime {
    fn name(&self) -> &str {
        &self.name
    }

    fn answer(&self, path: &Path, inputs: &[Named]) -> Result<Vec<Named>, EngineError> {
        let model = path.display().to_string();
        let mut session = self.session(&model, |builder| builder.commit_from_file(path))?;
        run(&model, &mut session, inputs)
    }
}

/// A model that is loaded.
struct RuntimeTask {
    model: String,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    session: Session,
}

impl RuntimeTask {
    fn open(model: String, session: Session) -> Result<Box<dyn Task>, EngineError> {
        let ports = |outlets: &[ort::value::Outlet]| {
            outlets.iter().map(|outlet| port(&model, outlet)).collect::<Result<Vec<Port>, _>>()
        };
        let (inputs, outputs) = (ports(session.inputs())?, ports(session.outputs())?);
        Ok(Box::new(RuntimeTask { model, inputs, outputs, session }))
    }
}

/// What goes in or comes out by this name, in full.
fn port(model: &str, outlet: &ort::value::Outlet) -> Result<Port, EngineError> {
    let unlike = |got: String, expected| EngineError::Port {
        engine: NAME,
        model: model.to_owned(),
        port: outlet.name().to_owned(),
        got,
        expected,
    };
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Err(unlike("no tensor".to_owned(), "a tensor"));
    };
    let dtype = convert::dtype(*ty);
    let dtype = dtype.ok_or_else(|| unlike(format!("{ty:?}"), "a number type of up to 64 bits"))?;
    let lengths: Option<Vec<usize>> = shape.iter().map(|&d| usize::try_from(d).ok()).collect();
    let lengths =
        lengths.ok_or_else(|| unlike(format!("of shape {shape:?}"), "of a fixed shape"))?;
    Ok(Port { name: outlet.name().to_owned(), dtype, shape: lengths })
}

/// Runs a session once; outputs in the session's order.
fn run(model: &str, session: &mut Session, inputs: &[Named]) -> Result<Vec<Named>, EngineError> {
    let failed = |reason: String| EngineError::Run { model: model.to_owned(), reason };
    let ran = crate::unwind::unwind(|| -> Result<Vec<Named>, String> {
        // What comes out may be what went in, where a model hands it through: these
        // must be there until it was copied.
        let values = inputs.iter().map(|(_, tensor)| convert::value(tensor));
        let values = values.collect::<Result<Vec<_>, String>>()?;
        let names = inputs.iter().map(|(name, _)| name.as_str());
        let given: Vec<(&str, SessionInputValue<'_>)> =
            names.zip(values.iter().map(SessionInputValue::from)).collect();
        let made = session.run(given).map_err(|e| e.to_string())?;
        made.iter().map(|(name, value)| Ok((name.to_owned(), convert::tensor(&value)?))).collect()
    });
    ran.and_then(|ran| ran).map_err(failed)
}

impl Task for RuntimeTask {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, EngineError> {
        check_inputs(&self.model, &self.inputs, inputs)?;
        let names = self.inputs.iter().map(|port| port.name.clone());
        let named: Vec<Named> = names.zip(inputs.iter().cloned()).collect();
        let made = run(&self.model, &mut self.session, &named)?;
        let check = |(port, (_, tensor)): (&Port, (String, Tensor))| {
            if tensor.dtype() == port.dtype && tensor.shape() == port.shape {
                return Ok(tensor);
            }
            Err(EngineError::Output {
                port: port.name.clone(),
                got: format!("{} {:?}", tensor.dtype(), tensor.shape()),
                expected: format!("{} {:?}", port.dtype, port.shape),
            })
        };
        self.outputs.iter().zip(made).map(check).collect()
    }
}
