//! A bundle on disk: what a model and a plan become, and what workers and
//! gateways read.
//!
//! ```text
//! ModelFile + Plans --write--> bundle/pi-1/, bundle/pi-2/, …, bundle/gateway/
//!                                          Folder::open, one of them
//! ```

mod folder;
mod measure;
mod model_file;
mod plan_file;
mod shelf;
mod write;

pub use self::{
    folder::Folder,
    measure::{Measured, measure},
    model_file::ModelFile,
    plan_file::read_plan,
    write::write,
};
