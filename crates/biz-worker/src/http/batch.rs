//! Many rows in one call. The service gets `{"items": [{"key", "tenant", "context"}, …]}`, where `key`
//! and `tenant` are what the headers of a single call say, signed with both left empty; it answers 2xx
//! with `{"results": [{"index", "status": "done" | "retry" | "failed", "reason"?}, …]}`. An item
//! without a result, or with one that is not understood, is tried again, alone. A no to the call as a whole
//! is asked about by halves, until those that it is about are alone; but one to whoever calls (a
//! redirect, 401, 403, 404, 405) is about each of them, and nobody is asked again.

use domain::{Failure, FailureCode, FailureKind};
use serde::Deserialize;
use url::Url;

use super::{Call, HttpHandler, MAX_ANSWER_BYTES, body, given_up, tried_again};

/// Room in an answer for each result, in bytes.
const RESULT_BYTES: usize = 1 << 10;

/// Characters of a reason that are kept.
const REASON_CHARS: usize = 200;

#[derive(Deserialize)]
struct Answer {
    results: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct ItemResult {
    index: usize,
    status: Status,
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Done,
    Retry,
    Failed,
}

impl HttpHandler {
    /// What became of each.
    pub(super) async fn call_many(&self, url: &Url, calls: &[Call]) -> Vec<Result<(), Failure>> {
        let mut became: Vec<Result<(), Failure>> = vec![Ok(()); calls.len()];
        let mut waiting = Vec::from([(0, calls.len())]);
        while let Some((begin, end)) = waiting.pop() {
            let range = begin..end;
            let some = &calls[range.clone()];
            match self.ask(url, some).await {
                Ok(answer) => {
                    for (became, told) in became[range].iter_mut().zip(read(&answer, some.len())) {
                        *became = told;
                    }
                }
                Err(no) if is_about_an_item(&no) && range.len() > 1 => {
                    let middle = begin + range.len() / 2;
                    waiting.extend([(middle, end), (begin, middle)]);
                }
                Err(failure) => became[range].fill(Err(failure)),
            }
        }
        became
    }

    async fn ask(&self, url: &Url, calls: &[Call]) -> Result<Vec<u8>, Failure> {
        let most_bytes = MAX_ANSWER_BYTES + RESULT_BYTES * calls.len();
        let called = async {
            let answer = self.call(url.clone(), &together(calls)).await?;
            body(answer, most_bytes).await
        };
        let too_long = || given_up(format!("an answer of more than {most_bytes} bytes"));
        self.noted(url, called.await)?.ok_or_else(too_long)
    }
}

/// Whether a no may be due to some of the items alone.
fn is_about_an_item(no: &Failure) -> bool {
    no.kind == FailureKind::Permanent && no.code == FailureCode::InvalidRequest
}

fn together(calls: &[Call]) -> Call {
    let items: Vec<String> = calls
        .iter()
        .map(|Call { key, tenant, body }| {
            let (key, tenant) = (serde_json::json!(key), serde_json::json!(tenant));
            // The body was read as JSON before.
            format!(r#"{{"key":{key},"tenant":{tenant},"context":{body}}}"#)
        })
        .collect();
    Call {
        key: String::new(),
        tenant: String::new(),
        body: format!(r#"{{"items":[{}]}}"#, items.join(",")),
    }
}

/// What an answer says of each of so many items.
fn read(answer: &[u8], items: usize) -> Vec<Result<(), Failure>> {
    let Ok(answer) = serde_json::from_slice::<Answer>(answer) else {
        let failure = tried_again("the answer is no list of results".to_owned());
        return vec![Err(failure); items];
    };
    let silence = || {
        Err(tried_again(
            "the answer has no result for this row".to_owned(),
        ))
    };
    let mut told: Vec<Option<Result<(), Failure>>> = vec![None; items];
    for result in answer.results {
        let Ok(result) = serde_json::from_value::<ItemResult>(result) else {
            continue;
        };
        if let Some(told @ None) = told.get_mut(result.index) {
            let reason: String = result.reason.chars().take(REASON_CHARS).collect();
            *told = Some(match result.status {
                Status::Done => Ok(()),
                Status::Retry => Err(tried_again(format!("the service says later: {reason}"))),
                Status::Failed => Err(given_up(format!("the service says no: {reason}"))),
            });
        }
    }
    told.into_iter()
        .map(|it| it.unwrap_or_else(silence))
        .collect()
}
