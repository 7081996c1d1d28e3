//! The lanes of urgent work and of what goes beyond a tenant's share.

use super::def::Levels;
use super::raw::RawHandler;
use crate::Lane;
use crate::dataset::{Checked, File};

/// The most that a share may be, in rows.
const MAX_SHARE: u32 = 1_000_000;

/// A share is so many batches,
const SHARE_BATCHES: u32 = 10;

/// or so often as many rows as are worked on at once, if that is more.
const SHARE_ROUNDS: u32 = 4;

impl File<'_> {
    /// The further lanes of each of these.
    pub(super) fn levels(&self, raw: &RawHandler, usual: &[Lane]) -> Checked<Vec<Levels>> {
        let of = |usual: &Lane| {
            let levels = usual.urgent().and_then(|urgent| {
                let (usual, rest) = (usual.clone(), usual.rest()?);
                Ok(Levels {
                    urgent,
                    usual,
                    rest,
                })
            });
            let span = raw.biz_type.span();
            levels.map_err(|error| self.fault(span, error.to_string()))
        };
        let levels: Vec<Levels> = usual.iter().map(of).collect::<Checked<_>>()?;
        for (queue, lane) in raw.queues.iter().zip(usual.iter().skip(1)) {
            if levels
                .iter()
                .any(|it| it.urgent == *lane || it.rest == *lane)
            {
                let reason =
                    "this is the name of a lane of another queue, of its urgent work or its rest";
                return Err(self.fault(queue.span(), reason));
            }
        }
        Ok(levels)
    }

    /// What one tenant may have open on a usual lane.
    pub(super) fn share(&self, raw: &RawHandler, batch: u32, at_once: u32) -> Checked<u32> {
        let usual = (batch * SHARE_BATCHES).max(at_once * SHARE_ROUNDS);
        self.number("share", &raw.share, 1..=MAX_SHARE, usual)
    }
}
