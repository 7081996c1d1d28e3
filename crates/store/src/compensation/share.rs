//! Whose the open rows of a lane are: what fair shares are measured by. Shown by
//! `tests/it/compensation/share.rs`.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::prelude::QueryableByName;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_async::RunQueryDsl;
use domain::{Lane, Tenant};

use crate::Store;
use crate::door::Op;
use crate::error::StoreError;
use crate::fragment::after;
use crate::pool::Connection;

impl Store {
    /// How many of the lane's first `most` rows that are open each tenant has: those that are due,
    /// were rung less than `within` ago, or are at work. Reads each of them: not to be asked more
    /// often than every few seconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_by_tenant(
        &self,
        lane: &Lane,
        within: Duration,
        most: usize,
    ) -> Result<BTreeMap<Tenant, usize>, StoreError> {
        let lane = lane.clone();
        let read = async move |connection: &mut Connection| {
            let rows: Vec<Owned> = sql_query(format!(
                "SELECT tenant FROM compensate_biz FORCE INDEX (lane_wake_at) \
                 WHERE lane = ? AND wake_at <= {} ORDER BY wake_at LIMIT {most}",
                after(within)
            ))
            .bind::<Text, _>(lane.as_str())
            .load(connection)
            .await?;
            Ok(rows)
        };
        let mut open = BTreeMap::new();
        for row in self.transact(Op::ReadCompensations, read).await? {
            *open.entry(Tenant::stored(row.tenant)).or_default() += 1;
        }
        Ok(open)
    }
}

#[derive(QueryableByName)]
struct Owned {
    #[diesel(sql_type = Text)]
    tenant: String,
}
