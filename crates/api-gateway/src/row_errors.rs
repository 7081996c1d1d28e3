//! `GET /tasks/{id}/row-errors`: what is wrong with the rows of an import, in sheet order: as JSON in
//! pages, as csv whole. Proven by `tests/it/row_errors.rs`.

mod csv;

use actix_web::http::header::{self, Header};
use actix_web::{HttpRequest, HttpResponse, web};
use domain::{RowCode, Task, TaskId, safe_stem};
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use service::Label;
use store::{ErrorPlace, LedgerPart, RowErrorPage, Store, StoreError, Visibility};
use utoipa::IntoParams;

use crate::auth::Caller;
use crate::cursor;
use crate::listing::{PageQuery, Paging, fresh, given, query};
use crate::problem::Problem;
use crate::state::State;
use crate::tasks::{find, path_id};
use crate::view::{List, RowErrorView};

/// Rows of the csv that are read at once.
const CSV_PAGE: usize = 1_000;

/// What may stand behind `?`. An empty value counts as left out.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RowErrorsQuery {
    /// Only errors with this code.
    code: Option<String>,
    /// `json` or `csv`; when left out, what `Accept` asks for. The csv is complete.
    format: Option<String>,
}

/// Shows what is wrong with the rows of an import.
#[utoipa::path(
    get,
    path = "/api/v1/tasks/{id}/row-errors",
    tag = "imports",
    params(("id" = String, Path, description = "The task's id"), RowErrorsQuery, PageQuery),
    responses(
        (status = 200, description = "A page; or the whole as text/csv", content(
            (List<RowErrorView> = "application/json"),
            (String = "text/csv"),
        )),
        (status = 400, description = "invalid_request", body = crate::problem::ProblemBody),
        (status = 401, description = "unauthenticated", body = crate::problem::ProblemBody),
        (status = 404, description = "not_found", body = crate::problem::ProblemBody),
        (status = 503, description = "database_unavailable", body = crate::problem::ProblemBody),
    )
)]
pub(crate) async fn list(
    caller: Caller,
    state: web::Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let query: RowErrorsQuery = query(&request)?;
    let wanted = Wanted {
        store: state.house.store.clone(),
        who: caller.reach(),
        task: path_id(&request, "id").map(TaskId)?,
        code: query.code()?,
    };
    if query.wants_csv(&request)? {
        let task = find(&state, &caller, &request).await?;
        return whole(wanted, &task).await;
    }
    let Paging { limit, after } = Paging::of(&request)?;
    let page = wanted.page(after.map(place), limit).await?;
    let page = page.ok_or_else(Problem::not_found)?;
    let items = page.items.iter().map(RowErrorView::from).collect();
    let next_cursor = page.next.map(|next| cursor::encode(number(next)));
    Ok(fresh().json(List::<RowErrorView> { items, next_cursor }))
}

impl RowErrorsQuery {
    fn code(&self) -> Result<Option<RowCode>, Problem> {
        let parse = |word: &str| {
            word.parse()
                .map_err(|_unknown| Problem::invalid("code", "code is no code of a row"))
        };
        given(&self.code).map(parse).transpose()
    }

    fn wants_csv(&self, request: &HttpRequest) -> Result<bool, Problem> {
        match given(&self.format) {
            Some("csv") => Ok(true),
            Some("json") => Ok(false),
            Some(_) => Err(Problem::invalid("format", "format is json or csv")),
            None => {
                let accepted = header::Accept::parse(request).map(|accept| accept.ranked());
                let first = accepted.ok().and_then(|all| all.into_iter().next());
                Ok(first.is_some_and(|first| first.essence_str() == "text/csv"))
            }
        }
    }
}

/// Bits of a cursor that say how many errors of a part lie before; a part has some thousands.
const PASSED_BITS: u32 = 28;

/// Bits of the part. What is left is the batch's: 20 bits, for 10,000 batches.
const PART_BITS: u32 = 16;

/// A place as the number that a cursor holds.
fn number(place: ErrorPlace) -> u64 {
    let LedgerPart { batch, part } = place.part;
    let part = u64::from(batch) << PART_BITS | u64::from(part);
    part << PASSED_BITS | u64::from(place.passed)
}

fn place(number: u64) -> ErrorPlace {
    let part = number >> PASSED_BITS;
    ErrorPlace {
        part: LedgerPart {
            batch: low(part >> PART_BITS, u32::BITS),
            part: low(part, PART_BITS),
        },
        passed: low(number, PASSED_BITS),
    }
}

/// The lowest bits of a number.
fn low<T: TryFrom<u64> + Default>(number: u64, bits: u32) -> T {
    T::try_from(number & ((1 << bits) - 1)).unwrap_or_default()
}

/// Which errors, and of whose task.
struct Wanted {
    store: Store,
    who: Visibility,
    task: TaskId,
    code: Option<RowCode>,
}

impl Wanted {
    /// None when the caller sees no such task.
    async fn page(
        &self,
        after: Option<ErrorPlace>,
        limit: usize,
    ) -> Result<Option<RowErrorPage>, StoreError> {
        let store = &self.store;
        store
            .row_errors(&self.who, self.task, self.code, after, limit)
            .await
    }
}

/// The csv, read and sent page by page. A database that goes away meanwhile ends it without its last
/// chunk, so that nobody takes it for whole.
async fn whole(wanted: Wanted, task: &Task) -> Result<HttpResponse, Problem> {
    let first = wanted.page(None, CSV_PAGE).await?;
    let first = first.ok_or_else(Problem::not_found)?;
    let stem = task
        .name
        .rsplit_once('.')
        .map_or(task.name.as_str(), |(stem, _)| stem);
    let stem = safe_stem(stem).unwrap_or_else(|| "import".to_owned());
    let name = format!("{stem}_errors.csv");
    let label = Label::new(&name);
    Ok(HttpResponse::Ok()
        .content_type(label.content_type())
        .insert_header((header::CONTENT_DISPOSITION, label.content_disposition()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .streaming(pages(wanted, first)))
}

fn pages(
    wanted: Wanted,
    first: RowErrorPage,
) -> impl Stream<Item = Result<web::Bytes, StoreError>> {
    let next = first.next;
    let opening = stream::iter([Ok(csv::opening(&first.items))]);
    let rest = stream::try_unfold((wanted, next), async |(wanted, next)| {
        let Some(after) = next else {
            return Ok(None);
        };
        let page = wanted.page(Some(after), CSV_PAGE).await?;
        // A task that was deleted meanwhile has no more.
        Ok(page.map(|page| (csv::lines(&page.items), (wanted, page.next))))
    });
    opening.chain(rest)
}
