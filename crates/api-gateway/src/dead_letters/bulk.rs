//! `POST /dead-letters/redrive`: many at once, by a filter that must be there.

use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use store::{BulkRedrive, DeadLetterFilter, MAX_BULK_REDRIVE};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::body::read_json;
use crate::listing::fresh;
use crate::problem::{Code, Problem};
use crate::state::State;

/// Most bytes of a body.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// Letters that are acted on when the client does not say.
const DEFAULT_MAX: usize = 1_000;

/// Letters in a second, at least and at most.
const RATES: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;

/// Which dead letters are put back, and how. Unknown fields are refused; null counts as left out.
#[derive(Serialize, ToSchema)]
#[schema(as = RedriveRequest)]
pub(crate) struct BulkBody {
    /// One of its fields at least.
    filter: BulkFilter,
    /// Only count them; false when left out.
    dry_run: Option<bool>,
    /// How many are acted on at most, the oldest first: 1 to 10,000; 1,000 when left out.
    max: Option<usize>,
    /// 0.01 to 10,000: their due times are spaced so wide; without it all are due at once.
    rate_per_second: Option<f64>,
}

/// Which of the dead letters that are OPEN or PARKED; several fields mean AND.
#[derive(Serialize, ToSchema)]
#[schema(as = RedriveFilter)]
pub(crate) struct BulkFilter {
    biz_type: Option<String>,
    reason: Option<String>,
    /// RFC 3339, inclusive.
    created_from: Option<DateTime<Utc>>,
    /// RFC 3339, exclusive.
    created_to: Option<DateTime<Utc>>,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Redriven)]
pub(crate) struct BulkView {
    /// Letters of work that the filter holds and nobody has acted on, those beyond `max` too.
    matched: u64,
    /// How many were put back now. One whose work can never be, because its task was deleted or its
    /// file is gone, is discarded; any other that cannot be now stays as it is.
    redriven: u64,
}

/// Puts back many dead letters at once.
#[utoipa::path(
    post,
    path = "/api/v1/dead-letters/redrive",
    tag = "dead letters",
    request_body = BulkBody,
    responses(
        (status = 200, description = "Redriven, or with `dry_run` counted", body = BulkView),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 403, description = "forbidden", body = crate::problem::ProblemBody),
        (status = 413, description = "body_too_large", body = crate::problem::ProblemBody),
        (status = 415, description = "unsupported_media", body = crate::problem::ProblemBody),
        (status = 422, description = "filter_required", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn redrive_many(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    caller.check_operator()?;
    let body = read_json(&request, payload, MAX_BODY_BYTES).await?;
    let bulk = parse(&body)?;
    let (tenants, actor) = (caller.looks_after(&state), caller.actor(&request));
    let store = &state.house.store;
    let done = store.redrive_dead_letters(&tenants, &bulk, &actor).await?;
    tracing::info!(matched = done.matched, redriven = done.redriven, dry_run = bulk.dry_run,
        actor = %caller.user, "dead letters redriven");
    Ok(fresh().json(BulkView {
        matched: done.matched,
        redriven: done.redriven,
    }))
}

fn parse(body: &[u8]) -> Result<BulkRedrive, Problem> {
    let fields: Value = serde_json::from_slice(body)
        .map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?;
    let fields = object("", &fields)?;
    let mut bulk = BulkRedrive {
        filter: DeadLetterFilter::default(),
        dry_run: false,
        max: DEFAULT_MAX,
        step_micros: 0,
    };
    for (name, value) in set(fields) {
        match name {
            "filter" => bulk.filter = filter(value)?,
            "dry_run" => {
                let dry_run = value.as_bool();
                bulk.dry_run =
                    dry_run.ok_or_else(|| Problem::invalid(name, "dry_run is true or false"))?;
            }
            "max" => bulk.max = max(value)?,
            "rate_per_second" => bulk.step_micros = step_micros(value)?,
            _ => return Err(Problem::unknown_field(name)),
        }
    }
    if bulk.filter == DeadLetterFilter::default() {
        let message = "name which: biz_type, reason, created_from or created_to";
        return Err(Problem::at(Code::FilterRequired, "filter", message));
    }
    Ok(bulk)
}

fn filter(value: &Value) -> Result<DeadLetterFilter, Problem> {
    let mut filter = DeadLetterFilter::default();
    for (name, value) in set(object("filter", value)?) {
        let at = format!("filter/{name}");
        let text = || {
            let text = value.as_str();
            text.ok_or_else(|| Problem::invalid(&at, format!("{name} is a text")))
        };
        match name {
            "biz_type" => filter.biz_type = Some(text()?.to_owned()),
            "reason" => filter.reason = Some(text()?.to_owned()),
            "created_from" => filter.created_from = Some(moment(&at, text()?)?),
            "created_to" => filter.created_to = Some(moment(&at, text()?)?),
            _ => {
                let message = format!("there is no filter `{}`", shortened(name));
                let at = format!("filter/{}", shortened(name));
                return Err(Problem::invalid(&at, message));
            }
        }
    }
    Ok(filter)
}

/// The fields that are not null.
fn set(fields: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    let fields = fields.iter().map(|(name, value)| (name.as_str(), value));
    fields.filter(|(_, value)| !value.is_null())
}

fn object<'v>(at: &str, value: &'v Value) -> Result<&'v Map<String, Value>, Problem> {
    let object = value.as_object();
    object.ok_or_else(|| Problem::invalid(at, "this is a JSON object"))
}

fn max(value: &Value) -> Result<usize, Problem> {
    let max = value.as_u64().and_then(|max| usize::try_from(max).ok());
    max.filter(|max| (1..=MAX_BULK_REDRIVE).contains(max))
        .ok_or_else(|| Problem::invalid("max", format!("max is 1 to {MAX_BULK_REDRIVE}")))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "100 to 100,000,000 microseconds, by the bounds of the rate"
)]
fn step_micros(value: &Value) -> Result<u64, Problem> {
    let rate = value.as_f64().filter(|rate| RATES.contains(rate));
    let rate = rate.ok_or_else(|| {
        let message = format!("rate_per_second is {} to {}", RATES.start(), RATES.end());
        Problem::invalid("rate_per_second", message)
    })?;
    Ok((1e6 / rate) as u64)
}

fn moment(at: &str, text: &str) -> Result<DateTime<Utc>, Problem> {
    DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .map_err(|_odd| Problem::invalid(at, "this is a moment such as 2026-01-31T08:00:00Z"))
}

fn shortened(name: &str) -> String {
    let name: String = name.chars().take(64).collect();
    name.replace('~', "~0").replace('/', "~1")
}
