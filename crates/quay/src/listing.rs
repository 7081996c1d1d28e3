//! Lists of the gateway: pages are asked for until there are enough, and shown as JSON or as a table.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::PageArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::{answer, say};
use crate::table::layout;
use crate::tasks::print_json;

/// Most items of one page (api.md, ground rules).
const MAX_PAGE: u32 = 200;

/// Pages without an item that are asked for one after the other: a list that is walked backwards may
/// have some before the next item.
const MAX_EMPTY_PAGES: u32 = 500;

/// How a list is shown.
pub(crate) struct Columns<'a, const N: usize> {
    pub(crate) header: [&'a str; N],
    /// Which of them are numbers.
    pub(crate) right: [bool; N],
    /// What is said when there is nothing.
    pub(crate) none: &'a str,
}

/// What came.
pub(crate) struct Listed {
    items: Vec<Value>,
    more: bool,
}

impl Listed {
    /// Asks for as many as `args` wants.
    pub(crate) async fn of(
        path: &[&str],
        query: &[(&'static str, String)],
        args: &PageArgs,
    ) -> Result<Self, Failure> {
        let gateway = Gateway::new(&args.gateway)?;
        let most = args.limit as usize;
        let mut items: Vec<Value> = Vec::new();
        let mut cursor: Option<String> = None;
        let mut empty_pages = 0;
        loop {
            let have = u32::try_from(items.len()).unwrap_or(u32::MAX);
            let wanted = args.limit.saturating_sub(have).min(MAX_PAGE);
            let mut asked = query.to_vec();
            asked.push(("limit", wanted.to_string()));
            asked.extend(cursor.map(|cursor| ("cursor", cursor)));
            let page = gateway.page(path, &asked).await?;
            empty_pages = if page.items.is_empty() {
                empty_pages + 1
            } else {
                0
            };
            items.extend(page.items);
            cursor = page.next_cursor;
            let vain = empty_pages >= MAX_EMPTY_PAGES;
            if vain || cursor.is_none() || items.len() >= most {
                break;
            }
        }
        items.truncate(most);
        let more = cursor.is_some();
        Ok(Self { items, more })
    }

    /// Asks for a list that is one page, whatever `args` says.
    pub(crate) async fn all(
        path: &[&str],
        query: &[(&'static str, String)],
        args: &PageArgs,
    ) -> Result<Self, Failure> {
        let page = Gateway::new(&args.gateway)?.page(path, query).await?;
        let (items, more) = (page.items, page.next_cursor.is_some());
        Ok(Self { items, more })
    }

    /// Shows it; `row` tells the cells of an item.
    pub(crate) fn show<T: DeserializeOwned, const N: usize>(
        self,
        args: &PageArgs,
        columns: &Columns<'_, N>,
        row: impl Fn(T) -> [String; N],
    ) -> Result<Exit, Failure> {
        if args.out.json {
            print_json(&Value::Array(self.items));
            return Ok(Exit::Done);
        }
        let read = |item| {
            serde_json::from_value(item)
                .map(&row)
                .map_err(|error| Failure::local("the list is not understood", error))
        };
        let rows = self.items.into_iter().map(read);
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        if rows.is_empty() {
            say(columns.none);
        } else {
            answer(layout(columns.header, columns.right, &rows).trim_end());
        }
        if self.more {
            let more = args.limit.saturating_mul(2).min(10_000);
            say(format_args!("There are more: --limit {more}"));
        }
        Ok(Exit::Done)
    }
}

/// The parameters that were given, by the names of the API.
pub(crate) fn given<const N: usize>(
    texts: [(&'static str, &Option<String>); N],
) -> Vec<(&'static str, String)> {
    let given = texts.map(|(name, text)| text.clone().map(|text| (name, text)));
    given.into_iter().flatten().collect()
}

/// A parameter that is one of a set of words.
pub(crate) fn word(
    name: &'static str,
    word: Option<impl clap::ValueEnum>,
) -> Option<(&'static str, String)> {
    let word = word?.to_possible_value()?;
    Some((name, word.get_name().to_owned()))
}
