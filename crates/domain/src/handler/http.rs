//! From `[http]` to whom may be called, and how.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use url::{Host, Url};

use super::def::{HandlerDef, HandlerKind, HttpSpec, HttpTarget};
use super::parse::MAX_CONCURRENCY;
use super::raw::RawHttp;
use crate::dataset::{Checked, File};

/// How long rows wait for a host that is away without spending a try, unless the definition says
/// otherwise.
const HOST_PATIENCE: Duration = Duration::from_secs(120);

impl File<'_> {
    pub(super) fn http(&self, raw: &RawHttp, whole: Range<usize>) -> Checked<HttpSpec> {
        let target = match (&raw.url, &raw.url_field) {
            (Some(url), None) => HttpTarget::Fixed(self.url(url)?),
            (None, Some(field)) => HttpTarget::Field(field.get_ref().clone()),
            (Some(_), Some(both)) => {
                return Err(self.fault(both.span(), "`url` and `url_field` exclude each other"));
            }
            (None, None) => return Err(self.fault(whole, "[http] needs `url` or `url_field`")),
        };
        let hosts = match (&raw.hosts, &target) {
            (Some(hosts), _) if hosts.get_ref().is_empty() => {
                return Err(self.fault(hosts.span(), "`hosts` names no host"));
            }
            (Some(hosts), _) => hosts.get_ref().iter().map(|it| it.to_lowercase()).collect(),
            (None, HttpTarget::Fixed(url)) => {
                url.host_str().map(str::to_owned).into_iter().collect()
            }
            (None, HttpTarget::Field(_)) => {
                return Err(self.fault(whole, "`url_field` needs `hosts`: whom it may name"));
            }
        };
        if let Some(hosts) = &raw.hosts {
            for host in hosts.get_ref() {
                self.host(host, hosts.span())?;
            }
        }
        let private_ranges = raw.private_ranges.iter().map(|range| {
            let read = range.get_ref().parse();
            read.map_err(|error: super::NoRange| self.fault(range.span(), error.to_string()))
        });
        let spec = HttpSpec {
            private_ranges: private_ranges.collect::<Checked<Vec<_>>>()?,
            secret: raw.secret.clone(),
            host_concurrency: self.host_concurrency(raw)?,
            host_patience: self.duration(&raw.host_patience, HOST_PATIENCE)?,
            target,
            hosts,
        };
        if let (HttpTarget::Fixed(url), Some(at)) = (&spec.target, &raw.url) {
            let allowed = spec.check_url(url);
            allowed.map_err(|reason| self.fault(at.span(), reason))?;
        }
        Ok(spec)
    }

    /// A host is a name or an address, with a port or without, and nothing more.
    fn host(&self, host: &str, span: Range<usize>) -> Checked<()> {
        let is_port = |it: &str| it.parse::<u16>().is_ok();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if is_port(port) => name,
            _ => host,
        };
        let is_host = Host::parse(name).is_ok();
        if is_host {
            Ok(())
        } else {
            let reason = format!("`{host}` is no host, and no host with a port");
            Err(self.fault(span, reason))
        }
    }

    fn host_concurrency(&self, raw: &RawHttp) -> Checked<Option<u32>> {
        let at_once = 1..=MAX_CONCURRENCY;
        match &raw.host_concurrency {
            None => Ok(None),
            given => self.number("host_concurrency", given, at_once, 1).map(Some),
        }
    }

    fn url(&self, raw: &Spanned<String>) -> Checked<Url> {
        Url::parse(raw.get_ref())
            .map_err(|error| self.fault(raw.span(), format!("no address: {error}")))
    }

    /// A call can hold no more rows than are worked on at once.
    pub(super) fn check_batch_size(
        &self,
        raw: &Option<Spanned<u32>>,
        handler: &HandlerDef,
    ) -> Checked<()> {
        let HandlerKind::Http(_) = &handler.kind else {
            return Ok(());
        };
        match raw {
            Some(raw) if handler.batch_size > handler.concurrency => {
                let most = handler.concurrency;
                let reason =
                    format!("`batch_size` may be no more than `concurrency`, {most}, here");
                Err(self.fault(raw.span(), reason))
            }
            _ => Ok(()),
        }
    }
}
