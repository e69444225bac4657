//! The wait for devices before the first request.

use std::time::Duration;

use anyhow::Context;

use super::handle::Handle;

/// Waits until enough devices are there, and a little longer for the others.
pub async fn assemble(handle: &Handle, patience: Duration) -> anyhow::Result<()> {
    const LITTLE_LONGER: Duration = Duration::from_millis(300);
    let plans = handle.plans();
    let everybody = plans.everybody();
    if !handle.wait_until(patience, |status| status.quorate).await {
        let status = handle.status();
        let names = plans.device_names(everybody.without(status.alive));
        let other = (!status.mismatched.is_empty())
            .then(|| format!("; {} hold another bundle", plans.device_names(status.mismatched)));
        return Err(anyhow::anyhow!("no answer from {names}{}", other.unwrap_or_default()))
            .context(format!("too few devices after {} ms", patience.as_millis()));
    }
    let extra = LITTLE_LONGER.min(patience);
    if !handle.wait_until(extra, |status| status.alive == everybody).await {
        let away = everybody.without(handle.status().alive);
        tracing::warn!("going on without {}", plans.device_names(away));
    }
    Ok(())
}
