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
mod status;
mod ticket;

pub use answer::{Answer, AskError};
pub use assemble::assemble;
pub use handle::Handle;
pub use status::Status;
pub use ticket::Ticket;
