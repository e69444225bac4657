//! How right answers stay when a share of a layer's data is lost.
//!
//! ```text
//! images -> walk -> a layer's value -> damage -> the rest of the model -> answers
//! images -> rehearsal of a coded plan, devices dead ------------------> answers
//! ```
//!
//! The first way is what becomes of a system without a code: shards of one
//! layer never arrive, and something has to stand in for them. The second is
//! the product itself: a packed plan, whose devices gather and decode.

mod answers;
mod case;
mod coded;
mod curve;
mod damage;
mod draw;
mod everywhere;
mod layer;
mod spec;
mod subject;
mod walk;

#[cfg(test)]
pub(crate) use self::layer::Point;
pub(crate) use self::{
    case::Case,
    coded::Coded,
    curve::Curve,
    damage::Substitute,
    layer::Layer,
    spec::SubjectSpec,
    subject::{Loaded, Subject},
    walk::Walk,
};
