//! Whom a name may lead to: what DNS answers is looked at before anybody connects to it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::{IpRange, is_public};
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use thiserror::Error;
use url::{Host, Url};

/// Resolves names to addresses that may be called: public ones, and those of the definition's ranges.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    ranges: Arc<[IpRange]>,
}

/// The host has no address that may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the host's addresses are not public, and in none of the definition's ranges")]
pub(crate) struct Closed;

impl Guard {
    pub(crate) fn new(ranges: Vec<IpRange>) -> Self {
        Self {
            ranges: ranges.into(),
        }
    }

    /// A client that connects to nobody else, for calls that each take `timeout` at most.
    pub(crate) fn client(&self, timeout: Duration) -> anyhow::Result<Client> {
        Client::builder()
            .timeout(timeout)
            .connect_timeout(timeout)
            .redirect(Policy::none())
            // A proxy would look up names by itself.
            .no_proxy()
            .dns_resolver(self.clone())
            .user_agent(concat!("quayside/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("an HTTP client")
    }

    fn may_call(&self, address: IpAddr) -> bool {
        is_public(address) || self.ranges.iter().any(|range| range.contains(address))
    }

    /// A host that is an address is asked of nobody, so it is looked at here.
    pub(crate) fn check_literal(&self, url: &Url) -> Result<(), Closed> {
        let address: IpAddr = match url.host() {
            Some(Host::Ipv4(address)) => address.into(),
            Some(Host::Ipv6(address)) => address.into(),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        self.may_call(address).then_some(()).ok_or(Closed)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            // The port is the caller's to set.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let open: Vec<SocketAddr> = found.filter(|it| guard.may_call(it.ip())).collect();
            if open.is_empty() {
                return Err(Closed.into());
            }
            let open: Addrs = Box::new(open.into_iter());
            Ok(open)
        })
    }
}
