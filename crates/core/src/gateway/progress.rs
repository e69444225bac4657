//! What a gateway makes of devices' words on how far requests are.

use super::{Command, Gateway};
use crate::frame::{Progress, SOME_BYTES, STANDINGS_MAX};
use crate::id::DeviceId;
use crate::time::Time;

impl Gateway {
    /// Takes note of how far requests are at a device: what moves is not begun
    /// anew.
    pub(super) fn on_progress(
        &mut self,
        now: Time,
        from: DeviceId,
        progress: &Progress,
        out: &mut Vec<Command>,
    ) {
        self.alive(now, from, out);
        if progress.run != self.run {
            return;
        }
        let before = std::mem::replace(&mut self.bytes[from.index()], progress.bytes);
        if before.abs_diff(progress.bytes) >= SOME_BYTES {
            self.pending.values_mut().for_each(|pending| pending.bytes_move(now, Some(from)));
        }
        for standing in &progress.standings {
            if let Some(pending) = self.pending.get_mut(&standing.number) {
                pending.stands(now, from, standing);
            }
        }
        // Those that there was no room for wait behind the others.
        if progress.standings.len() >= STANDINGS_MAX
            && let Some(last) = progress.standings.last()
        {
            let behind = self.pending.range_mut(last.number.saturating_add(1)..);
            behind.for_each(|(_, pending)| pending.bytes_move(now, Some(from)));
        }
    }
}
