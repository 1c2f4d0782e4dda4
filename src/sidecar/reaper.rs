//! The first process of a container inherits every orphan in it, and must take note of their ends.

use tokio::signal::unix::{SignalKind, signal};

/// Reaps orphans, as the first process has to. Any other process has none.
///
/// # Errors
/// If the system gives no notice of ended children.
pub async fn reap() -> std::io::Result<()> {
    if !rustix::process::getpid().is_init() {
        return std::future::pending().await;
    }
    let mut ended = signal(SignalKind::child())?;
    loop {
        ended.recv().await;
        // One notice may stand for several ends.
        while let Ok(Some(_)) = rustix::process::wait(rustix::process::WaitOptions::NOHANG) {}
    }
}
