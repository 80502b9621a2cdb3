//! Loopback ports that stay ours while nobody listens on them, as when a broker is down.

use std::fs::{self, File};
use std::net::TcpListener;

/// Below the kernel's ephemeral range, so that no outgoing connection takes one in between.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Held until dropped, against other test processes too.
pub(crate) struct Port {
    pub(crate) number: u16,
    _claim: File,
}

impl Port {
    pub(crate) fn reserve() -> Self {
        let start = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below COUNT");
        (0..COUNT)
            .map(|step| FIRST + (start + step) % COUNT)
            .find_map(claim)
            .expect("one of 12,000 ports is free")
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.number)
    }
}

fn claim(number: u16) -> Option<Port> {
    let claims = std::env::temp_dir().join("tailspool-test-ports");
    fs::create_dir_all(&claims).ok()?;
    let claim = File::create(claims.join(number.to_string())).ok()?;
    claim.try_lock().ok()?;
    TcpListener::bind(("127.0.0.1", number)).ok()?;
    Some(Port { number, _claim: claim })
}
