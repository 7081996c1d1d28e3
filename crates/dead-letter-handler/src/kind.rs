//! What kind of letter it is, in words of closed sets: labels of metrics. What plain SQL clients
//! write into lanes and biz types is anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use bus::PoisonReason;
use domain::{FailureCode, Lane};
use store::{EXPORT, IMPORT, IMPORT_BATCH, IMPORT_FINISH};

/// The word for what is in no set.
const OTHER: &str = "other";

/// The word for the biz type of a message.
const MESSAGE: &str = "message";

/// The reason of a message about a row that does not exist.
const ORPHAN: &str = "orphan";

/// The lanes that letters are expected from, and the kinds of work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Known(Arc<Names>);

#[derive(Debug)]
struct Names {
    lanes: BTreeSet<String>,
    biz_types: BTreeSet<String>,
}

impl Known {
    /// These lanes, and beside exports and imports these kinds of work.
    pub fn new<'n>(
        lanes: impl IntoIterator<Item = &'n Lane>,
        biz_types: impl IntoIterator<Item = &'n str>,
    ) -> Self {
        let lanes = lanes.into_iter().map(ToString::to_string).collect();
        let ours = [EXPORT, IMPORT, IMPORT_BATCH, IMPORT_FINISH];
        let biz_types = ours.into_iter().chain(biz_types).map(str::to_owned);
        let biz_types = biz_types.collect();
        Self(Arc::new(Names { lanes, biz_types }))
    }

    /// The kind of a letter from this lane, of this type, with this reason.
    #[must_use]
    pub fn kind(&self, lane: &str, biz_type: Option<&str>, reason: &str) -> Kind {
        let of = |known: &BTreeSet<String>, named: &str| {
            known.get(named).map_or(OTHER, String::as_str).to_owned()
        };
        let biz_type = biz_type.map(|named| of(&self.0.biz_types, named));
        Kind {
            lane: of(&self.0.lanes, lane),
            biz_type: biz_type.unwrap_or_else(|| MESSAGE.to_owned()),
            reason: reason_of(reason),
        }
    }
}

fn reason_of(reason: &str) -> &'static str {
    let poison = [
        PoisonReason::Empty,
        PoisonReason::TooLarge,
        PoisonReason::Malformed,
        PoisonReason::UnknownVersion,
        PoisonReason::NoRows,
    ];
    let failures = FailureCode::ALL.iter().map(|code| code.as_str());
    failures
        .chain(poison.map(PoisonReason::as_str))
        .chain([ORPHAN])
        .find(|known| *known == reason)
        .unwrap_or(OTHER)
}

/// Lane, biz type and reason of a letter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// The lane's name, or `other`.
    pub lane: String,
    /// The kind of work, `message`, or `other`.
    pub biz_type: String,
    /// Why, or `other`.
    pub reason: &'static str,
}

impl Kind {
    /// The labels of its metrics.
    pub(crate) fn labels(&self) -> [(&'static str, String); 3] {
        [
            ("lane", self.lane.clone()),
            ("biz_type", self.biz_type.clone()),
            ("reason", self.reason.to_owned()),
        ]
    }
}
