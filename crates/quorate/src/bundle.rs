//! A bundle on disk: what a model and a plan become, and what workers and
//! gateways read.
//!
//! ```text
//! ModelFile + Plans --write--> bundle/pi-1/, bundle/pi-2/, …, bundle/gateway/
//!                                          Folder::open, one of them
//! ```

mod audits;
mod external;
mod folder;
mod forms;
mod kind;
mod manifest;
mod measure;
mod model_file;
mod plan_file;
mod ports;
mod shelf;
mod subject;
mod verify;
mod write;

pub use self::{
    audits::audit,
    folder::Folder,
    forms::check_forms,
    manifest::{Checked, check_files},
    measure::{Measured, Statistic, measure},
    model_file::{ModelFile, Shapes},
    plan_file::read_plan,
    ports::input_ports,
    verify::verify,
    write::write,
};
