//! Loopback ports of one process: kept through its lives as long as nobody else takes them while it
//! is dead, for this machine is not ours alone. Shown by `tests/it/ports.rs`.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Result, ensure};

/// Below the ports that the kernel gives to outgoing connections (32768 and more).
const FIRST: u16 = 26_200;
const LAST: u16 = 26_900;

/// Addresses, each `127.0.0.1:…`.
pub struct Ports(Mutex<Addresses>);

struct Addresses {
    admin: String,
    http: Option<String>,
}

impl Ports {
    /// Finds free ones; a public one only on demand.
    ///
    /// # Errors
    /// When no port of the range is free.
    pub fn find(with_http: bool) -> Result<Self> {
        Ok(Self(Mutex::new(Addresses {
            admin: free_address()?,
            http: with_http.then(free_address).transpose()?,
        })))
    }

    /// Finds another one for each that somebody else has taken; to be asked while the process is dead.
    ///
    /// # Errors
    /// As [`Ports::find`].
    pub fn find_again(&self) -> Result<()> {
        let mut at = self.addresses();
        if !is_free(&at.admin) {
            at.admin = free_address()?;
        }
        if let Some(http) = &mut at.http
            && !is_free(http)
        {
            *http = free_address()?;
        }
        Ok(())
    }

    /// Whether somebody has taken one; to be asked while the process is dead.
    #[must_use]
    pub fn are_taken(&self) -> bool {
        let at = self.addresses();
        !is_free(&at.admin) || at.http.as_ref().is_some_and(|http| !is_free(http))
    }

    /// Of the probes and metrics.
    #[must_use]
    pub fn admin(&self) -> String {
        self.addresses().admin.clone()
    }

    /// The public one.
    #[must_use]
    pub fn http(&self) -> Option<String> {
        self.addresses().http.clone()
    }

    fn addresses(&self) -> MutexGuard<'_, Addresses> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_free(address: &str) -> bool {
    TcpListener::bind(address).is_ok()
}

fn free_address() -> Result<String> {
    static NEXT: AtomicU16 = AtomicU16::new(FIRST);
    loop {
        let port = NEXT.fetch_add(1, Ordering::SeqCst);
        ensure!(port < LAST, "no port is free below {LAST}");
        let address = format!("127.0.0.1:{port}");
        if is_free(&address) {
            return Ok(address);
        }
    }
}
