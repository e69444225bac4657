//! Drives a gateway, and lets the rest of the program ask it for answers.
//!
//! ```text
//! Handle --submit--> Ticket ---------------> Answer
//!    |                  | dropped: cancelled     ^
//!    v                  v                        |
//! Driver: select -> handle(now, event) -> execute commands
//! ```

mod answer;
mod assemble;
mod driver;
mod handle;
mod identity;
mod places;
mod status;
mod ticket;

pub use self::{
    answer::{Answer, AskError},
    assemble::assemble,
    handle::Handle,
    status::Status,
    ticket::Ticket,
};
