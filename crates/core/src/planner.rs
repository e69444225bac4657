//! Planners: from a model in stages and a cluster to plans.
//!
//! A planner decides and fills a draft; `Plans::build` checks what it has
//! decided, as it checks a plan file. There is one planner as yet, [`even`].

mod error;
mod even;
mod request;
mod room;

pub use self::{
    error::PlannerError,
    even::even,
    request::{MethodRequest, PlanRequest},
};
