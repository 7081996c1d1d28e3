//! What operators have in common: the role, whose affairs they look after, what the log calls them.

use actix_web::{HttpMessage, HttpRequest};
use domain::{Recipient, Tenant};
use store::{Actor, HOUSE_TENANT, Inbox};

use crate::auth::{Caller, OPERATOR};
use crate::observe::RequestId;
use crate::problem::{Code, Problem};
use crate::state::State;

/// Roles of a token whose inboxes are looked into.
const MOST_ROLES: usize = 20;

impl Caller {
    /// # Errors
    /// `403 forbidden` for everybody but OPERATOR and SUPER_ADMIN.
    pub(crate) fn check_operator(&self) -> Result<(), Problem> {
        if self.is_operator() {
            Ok(())
        } else {
            let detail = "only OPERATOR and SUPER_ADMIN may do this";
            Err(Problem::new(Code::Forbidden, detail))
        }
    }

    /// # Errors
    /// `403 forbidden` for everybody but the operators of the house's tenant.
    pub(crate) fn check_house_operator(&self, state: &State) -> Result<(), Problem> {
        self.check_operator()?;
        if self.tenant == state.house_tenant {
            Ok(())
        } else {
            let detail = "lanes serve all tenants: only the house's own operators may do this";
            Err(Problem::new(Code::Forbidden, detail))
        }
    }

    /// The tenants whose dead letters an operator looks after: its own and, for those of the house,
    /// `default`, to which messages and rows without a tenant belong.
    pub(crate) fn looks_after(&self, state: &State) -> Vec<Tenant> {
        let mut tenants = vec![self.tenant.clone()];
        if self.tenant == state.house_tenant && self.tenant.as_str() != HOUSE_TENANT {
            tenants.push(Tenant::stored(HOUSE_TENANT.to_owned()));
        }
        tenants
    }

    /// Its own inbox and those of its roles; a SUPER_ADMIN's is the operators', too.
    pub(crate) fn inboxes(&self, state: &State) -> Vec<Inbox> {
        let mut recipients = vec![Recipient::User(self.user.clone())];
        let roles = self.roles.iter().take(MOST_ROLES).cloned();
        recipients.extend(roles.map(Recipient::Role));
        let operators = Recipient::Role(OPERATOR.to_owned());
        if self.is_operator() && !recipients.contains(&operators) {
            recipients.push(operators.clone());
        }
        let own = recipients.into_iter().map(|recipient| Inbox {
            tenant: self.tenant.clone(),
            recipient,
        });
        let others = self.looks_after(state).into_iter().skip(1);
        let others = others.filter(|_| self.is_operator()).map(|tenant| Inbox {
            tenant,
            recipient: operators.clone(),
        });
        own.chain(others).collect()
    }

    /// Who does what the request asks for.
    pub(crate) fn actor(&self, request: &HttpRequest) -> Actor {
        let request_id = request.extensions().get::<RequestId>().cloned();
        Actor {
            tenant: self.tenant.clone(),
            user: self.user.clone(),
            request_id: request_id.map(|id| id.0),
        }
    }
}
