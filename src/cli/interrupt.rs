//! Ctrl-C and its kin, as a flag.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

#[derive(Clone, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on signals do not end the process, but are found by [`Interrupt::is_asked`].
    pub(super) fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let flag = interrupt.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _inside = runtime.enter();
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
                .map(signal)
                .into_iter()
                .collect::<io::Result<Vec<_>>>()?
        };
        // Ends with the process.
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                let any = std::future::poll_fn(|context| {
                    let came =
                        signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
                    if came { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
                });
                any.await;
                flag.0.store(true, Ordering::Release);
            });
        })?;
        Ok(interrupt)
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
