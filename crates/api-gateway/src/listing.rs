//! What lists have in common: the words behind `?`, and pages.

use std::str::FromStr;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::Page;
use utoipa::IntoParams;

use crate::cursor;
use crate::problem::{Code, Problem};
use crate::view::List;

/// Items of a page, when the client does not say.
const DEFAULT_LIMIT: usize = 50;

/// Items of a page at most.
const MAX_LIMIT: usize = 200;

/// Which page. An empty value counts as left out.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// 1 to 200; 50 when left out.
    limit: Option<String>,
    /// Where the page before ended: its `next_cursor`.
    cursor: Option<String>,
}

/// The page that a request asks for.
pub(crate) struct Paging {
    /// How many items it is to hold.
    pub(crate) limit: usize,
    /// Where the page before ended.
    pub(crate) after: Option<u64>,
}

impl Paging {
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let PageQuery { limit, cursor } = query(request)?;
        let within = |limit: &usize| (1..=MAX_LIMIT).contains(limit);
        let limit =
            match given(&limit) {
                None => DEFAULT_LIMIT,
                Some(limit) => limit.parse().ok().filter(within).ok_or_else(|| {
                    Problem::invalid("limit", format!("limit is 1 to {MAX_LIMIT}"))
                })?,
            };
        let after = given(&cursor).map(cursor::decode).transpose()?;
        Ok(Self { limit, after })
    }
}

/// What stands behind `?`; an unknown name is ignored.
pub(crate) fn query<Q: DeserializeOwned>(request: &HttpRequest) -> Result<Q, Problem> {
    let query = web::Query::<Q>::from_query(request.query_string());
    let query = query.map_err(|error| Problem::new(Code::InvalidRequest, error.to_string()))?;
    Ok(query.into_inner())
}

/// Answers with a page; `place` is an item's place in the order of all.
pub(crate) fn answer<T, V: Serialize>(
    page: Page<T>,
    place: impl FnOnce(&T) -> u64,
    view: impl FnMut(T) -> V,
) -> HttpResponse {
    let last = page.items.last().filter(|_| page.more);
    let next_cursor = last.map(|last| cursor::encode(place(last)));
    let items = page.items.into_iter().map(view).collect();
    fresh().json(List { items, next_cursor })
}

/// `200` with what nobody may keep.
pub(crate) fn fresh() -> HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    answer
}

/// A parameter's value, unless it is empty.
pub(crate) fn given(parameter: &Option<String>) -> Option<&str> {
    parameter.as_deref().filter(|value| !value.is_empty())
}

/// A word of a closed set.
pub(crate) fn word<W: FromStr>(
    name: &str,
    parameter: &Option<String>,
) -> Result<Option<W>, Problem> {
    let parse = |word: &str| {
        word.parse()
            .map_err(|_unknown| Problem::invalid(name, format!("{name} has no such value")))
    };
    given(parameter).map(parse).transpose()
}

/// A moment, RFC 3339.
pub(crate) fn moment(
    name: &str,
    parameter: &Option<String>,
) -> Result<Option<DateTime<Utc>>, Problem> {
    let parse = |text: &str| {
        DateTime::parse_from_rfc3339(text)
            .map(|moment| moment.to_utc())
            .map_err(|_odd| {
                Problem::invalid(
                    name,
                    format!("{name} is a moment such as 2026-01-31T08:00:00Z"),
                )
            })
    };
    given(parameter).map(parse).transpose()
}
