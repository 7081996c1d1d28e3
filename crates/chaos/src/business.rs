//! Business work as clients want it: items of one kind, in one call, in two that share a group, or by
//! plain SQL in a transaction of the client's own.

use std::ops::Range;

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use crate::wish::Rows;

/// What follows the end of a group.
pub(crate) const END: &str = "chaos_end";

/// What is done with an item (handlers/*.toml).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A row is added.
    Grant,
    /// A row with a key is written.
    Keep,
    /// A service is called.
    Call,
    /// The same, many items in a call.
    Batch,
    /// The user is told, by the inbox.
    Tell,
}

impl Kind {
    pub(crate) const fn biz_type(self) -> &'static str {
        match self {
            Self::Grant => "chaos_grant",
            Self::Keep => "chaos_keep",
            Self::Call => "chaos_call",
            Self::Batch => "chaos_batch",
            Self::Tell => "notify",
        }
    }

    /// Whether what it does lies outside of the database.
    pub(crate) const fn calls(self) -> bool {
        matches!(self, Self::Call | Self::Batch)
    }

    /// Whether nobody ever holds such a row.
    pub(crate) const fn is_bulk(self) -> bool {
        matches!(self, Self::Grant | Self::Keep)
    }
}

/// How urgent the urgent items are; the others are not at all.
const URGENT: u32 = 9;

/// How the items are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One call with an idempotency key.
    Keyed,
    /// One call without: the items' own names tell a repetition.
    Plain,
    /// Two keyed calls of one group, the second of which seals it.
    Grouped,
    /// Inserted into the table.
    Sql,
}

/// Items of one kind.
#[derive(Clone, Debug)]
pub struct Business {
    pub(crate) kind: Kind,
    pub(crate) way: Way,
    pub(crate) rows: Rows,
    /// They are due a second later.
    later: bool,
    /// Whom calls go to.
    service: String,
}

impl Business {
    /// This work, due at once, for a service that nobody knows the address of.
    #[must_use]
    pub const fn of(kind: Kind, way: Way, rows: Rows) -> Self {
        Self {
            kind,
            way,
            rows,
            later: false,
            service: String::new(),
        }
    }

    /// Draws one; `service` is an address that can be called.
    pub(crate) fn draw(random: &mut StdRng, service: &str) -> Self {
        let (kind, most) = match random.random_range(0..10) {
            0..4 => (Kind::Grant, 120),
            4..6 => (Kind::Keep, 120),
            6..8 => (Kind::Call, 12),
            8 => (Kind::Batch, 40),
            _ => (Kind::Tell, 20),
        };
        let way = match random.random_range(0..10) {
            0..3 => Way::Keyed,
            3..5 => Way::Plain,
            5..8 => Way::Grouped,
            _ => Way::Sql,
        };
        let dataset = if kind == Kind::Keep {
            "chaos_upsert"
        } else {
            "chaos_append"
        };
        let rows = Rows {
            dataset,
            // two calls of a group want something each
            count: random.random_range(2..=most),
            every_bad: if kind != Kind::Tell && random.random_bool(0.3) {
                random.random_range(2..20)
            } else {
                0
            },
        };
        Self {
            kind,
            way,
            rows,
            later: random.random_bool(0.15),
            service: service.to_owned(),
        }
    }

    /// The items of each call.
    pub(crate) fn calls(&self) -> Vec<Range<u32>> {
        let (half, count) = (self.rows.count / 2, self.rows.count);
        match self.way {
            Way::Grouped => vec![0..half, half..count],
            Way::Keyed | Way::Plain => std::iter::once(0..count).collect(),
            Way::Sql => Vec::new(),
        }
    }

    /// The body of one of the calls.
    pub(crate) fn body(&self, key: &str, call: &Range<u32>) -> Value {
        let item = |number: u32| {
            let mut item = json!({
                "biz_type": self.kind.biz_type(),
                "biz_id": Rows::effect(key, number),
                "context": self.context(key, number),
                "priority": priority(number),
            });
            if self.later {
                item["delay_level"] = "1s".into();
            }
            item
        };
        let mut body = json!({"items": call.clone().map(item).collect::<Vec<_>>()});
        if self.way == Way::Grouped {
            body["group"] = json!({"key": key, "seal": call.start > 0});
            if call.start == 0 {
                let context = json!({"effect": Self::end(key), "amount": 0});
                body["group"]["on_finished"] = json!([{"biz_type": END, "context": context}]);
            }
        }
        body
    }

    /// What the end of the group of that key leaves behind.
    pub(crate) fn end(key: &str) -> String {
        format!("{key}.end")
    }

    /// The statements of the client's own transaction. The first fails when they were committed before.
    pub(crate) fn statements(&self, key: &str) -> [String; 2] {
        let biz_type = self.kind.biz_type();
        let row = |number: u32| {
            // nobody checks what is inserted past us
            let context = match self.context(key, number).to_string() {
                good if self.rows.is_good(number) => good,
                bad => bad[..bad.len() / 2].to_owned(),
            };
            let biz_id = Rows::effect(key, number);
            let priority = priority(number);
            format!("('acme', '{biz_type}', '{biz_id}', '{context}', {priority})")
        };
        let rows: Vec<String> = (0..self.rows.count).map(row).collect();
        [
            format!("INSERT INTO chaos_order (name) VALUES ('{key}')"),
            format!(
                "INSERT INTO compensate_biz (tenant, biz_type, biz_id, context, priority) VALUES {}",
                rows.join(", ")
            ),
        ]
    }

    fn context(&self, key: &str, number: u32) -> Value {
        let effect = Rows::effect(key, number);
        match self.kind {
            Kind::Grant | Kind::Keep => {
                json!({"effect": effect, "amount": self.rows.amount(number)})
            }
            Kind::Call => {
                json!({"url": self.service, "effect": effect, "manner": self.manner(number)})
            }
            Kind::Tell => {
                let about = json!({"text": {"subject": "chaos", "text": effect}});
                json!({"channel": "inbox", "user": "7", "about": about})
            }
            // Its definition names the address.
            Kind::Batch => json!({"effect": effect, "manner": self.manner(number)}),
        }
    }
    /// What the service does with it (src/service.rs).
    fn manner(&self, number: u32) -> &'static str {
        match number % 5 {
            0 if !self.rows.is_good(number) => "spoil",
            _ if !self.rows.is_good(number) => "refuse",
            1 => "fail_once",
            2 => "hang_up_once",
            _ => "take",
        }
    }
}

/// Every fourth is urgent.
fn priority(number: u32) -> u32 {
    if number.is_multiple_of(4) { URGENT } else { 0 }
}
