//! What this process asks of the operating system.

/// Has the operating system kill this process when the one that started it
/// ends, however it ends.
pub(crate) fn end_with_parent() {
    #[cfg(target_os = "linux")]
    {
        let kill = Some(rustix::process::Signal::KILL);
        if let Err(error) = rustix::process::set_parent_process_death_signal(kill) {
            tracing::warn!("cannot tie this process to its parent: {error}");
        }
    }
}

/// Listens for an interrupt (Ctrl-C) or a request to end from now on; the
/// future it gives is done when one has come.
pub(crate) fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            // Without a way to be interrupted there is nothing to wait for.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
