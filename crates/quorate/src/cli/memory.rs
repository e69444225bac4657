//! How much memory a process may take, as the command line says it.

use clap::Args;
use quorate::memory::Memory;

/// How much memory a process may take.
#[derive(Clone, Debug, Args)]
pub(crate) struct MemoryArgs {
    /// Memory for what requests bring and make, such as 512M or 1.5G; weights
    /// are beside it. Beyond, requests are refused or let go of [default: a
    /// quarter of this machine's].
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Memory>,
}

impl MemoryArgs {
    /// What was said, or this machine's share.
    pub(crate) fn memory(&self) -> Memory {
        self.memory.unwrap_or_else(Memory::of_machine)
    }
}
