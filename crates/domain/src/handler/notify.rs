//! Kind `notify`: what a definition says of the ways in which people are told.

use std::ops::Range;

use toml::Spanned;
use url::{Host, Url};

use super::def::HandlerDef;
use super::range::{IpRange, is_public};
use super::raw::{RawEmail, RawNotify};
use crate::dataset::{Checked, File};
use crate::notice::{NOTIFY, is_email_domain};
use crate::{TaskId, is_email_address};

/// What stands for the task's number in a link.
const ID: &str = "{id}";

/// Longest address of a webhook, in characters.
const MAX_URL_CHARS: usize = 2_000;

/// The queues besides `default`, which bears the inbox: a mail server or a webhook that is slow holds
/// up no other way of telling.
pub(super) const QUEUES: [&str; 2] = ["email", "webhook"];

/// `[notify]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifySpec {
    /// Where a person finds a task: an address with `{id}` in it.
    pub link: String,
    /// Ranges of addresses that are no public ones and that webhooks may lead to all the same.
    pub private_ranges: Vec<IpRange>,
    /// How mail is sent; none where no mail is.
    pub email: Option<EmailSpec>,
}

/// `[notify.email]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailSpec {
    /// The sender's address.
    pub from: String,
    /// Domains that mail may go to, in lower case; empty: any.
    pub domains: Vec<String>,
}

impl NotifySpec {
    /// Where a person finds the task.
    #[must_use]
    pub fn link_to(&self, task: TaskId) -> String {
        self.link.replace(ID, &task.to_string())
    }

    /// Why no webhook may lead there. What a name leads to is looked at when it is called.
    ///
    /// # Errors
    /// A reason, which names no part of the address.
    pub fn check_url(&self, url: &Url) -> Result<(), &'static str> {
        if !["http", "https"].contains(&url.scheme()) {
            return Err("the address is neither http nor https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address has a user or a password");
        }
        if url.as_str().chars().count() > MAX_URL_CHARS {
            return Err("the address is longer than 2,000 characters");
        }
        let may_call = |address| {
            is_public(address) || self.private_ranges.iter().any(|it| it.contains(address))
        };
        let is_open = match url.host() {
            None => return Err("the address names no host"),
            Some(Host::Ipv4(address)) => may_call(address.into()),
            Some(Host::Ipv6(address)) => may_call(address.into()),
            Some(Host::Domain(name)) if is_this_machine(name) => {
                may_call(std::net::Ipv4Addr::LOCALHOST.into())
            }
            Some(Host::Domain(_)) => true,
        };
        is_open
            .then_some(())
            .ok_or("the address leads to a private network")
    }

    /// Why no mail may go there.
    ///
    /// # Errors
    /// A reason, which names no part of the address.
    pub fn check_email(&self, address: &str) -> Result<(), &'static str> {
        let Some(email) = &self.email else {
            return Err("this deployment sends no mail");
        };
        if !is_email_address(address) {
            return Err("this is no e-mail address");
        }
        let domain = address.rsplit('@').next().unwrap_or_default();
        let domain = domain.to_lowercase();
        if email.domains.is_empty() || email.domains.contains(&domain) {
            Ok(())
        } else {
            Err("mail is not sent to this domain")
        }
    }
}

/// A name of this machine (RFC 6761, 6.3).
fn is_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

impl File<'_> {
    /// Tasks are told of by rows of this one biz type, on queues that the kind has by itself.
    pub(super) fn check_notify(&self, handler: &HandlerDef, given: bool) -> Checked<()> {
        let fault = |reason: &str| {
            Err(crate::DefinitionError::new(
                handler.place.clone(),
                reason.to_owned(),
            ))
        };
        let is_named = handler.biz_type.as_str() == NOTIFY;
        match (&handler.kind, is_named) {
            (super::HandlerKind::Notify(_), false) => {
                fault("kind `notify` is of biz_type `notify`, which tasks are told of by")
            }
            (super::HandlerKind::Notify(_), true) if given => {
                fault("kind `notify` has its queues by itself")
            }
            (super::HandlerKind::Notify(_), true) => Ok(()),
            (_, true) => fault("biz_type `notify` is for kind `notify`"),
            (_, false) => Ok(()),
        }
    }

    pub(super) fn notify(&self, raw: &RawNotify) -> Checked<NotifySpec> {
        let ranges = raw.private_ranges.iter().map(|range| {
            let read = range.get_ref().parse();
            read.map_err(|error: super::NoRange| self.fault(range.span(), error.to_string()))
        });
        let email = raw.email.as_ref().map(|email| self.email(email));
        Ok(NotifySpec {
            link: self.link(&raw.link)?,
            private_ranges: ranges.collect::<Checked<Vec<_>>>()?,
            email: email.transpose()?,
        })
    }

    fn link(&self, raw: &Spanned<String>) -> Checked<String> {
        let link = raw.get_ref();
        let is_web = Url::parse(link).is_ok_and(|url| ["http", "https"].contains(&url.scheme()));
        if is_web && link.contains(ID) {
            Ok(link.clone())
        } else {
            let reason = "`link` is an http or https address with {id} in it";
            Err(self.fault(raw.span(), reason))
        }
    }

    fn email(&self, raw: &RawEmail) -> Checked<EmailSpec> {
        let fault = |span: Range<usize>, what: &str| Err(self.fault(span, what));
        if !is_email_address(raw.from.get_ref()) {
            return fault(raw.from.span(), "`from` is no e-mail address");
        }
        let mut domains = Vec::with_capacity(raw.domains.len());
        for domain in &raw.domains {
            let name = domain.get_ref().to_lowercase();
            if !is_email_domain(&name) {
                return fault(domain.span(), "this is no name of a domain");
            }
            domains.push(name);
        }
        Ok(EmailSpec {
            from: raw.from.get_ref().clone(),
            domains,
        })
    }
}
