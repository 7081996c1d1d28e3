//! `quay dead-letters show`: all that is known of one.

use super::{DeadLetter, Payload, read};
use crate::cli::OneLetterArgs;
use crate::client::Gateway;
use crate::exit::{Exit, Failure};
use crate::print::answer;
use crate::tasks::print_json;
use crate::text::{moment, plain, size};

pub(super) async fn run(args: &OneLetterArgs) -> Result<Exit, Failure> {
    let json = Gateway::new(&args.gateway)?.dead_letter(args.id).await?;
    if args.out.json {
        print_json(&json);
    } else {
        print(&read(&json)?);
    }
    Ok(Exit::Done)
}

fn print(letter: &DeadLetter) {
    let kind = letter.biz_type.as_ref().unwrap_or(&letter.source);
    let mut lines = vec![
        ("letter", format!("{} ({kind})", letter.id)),
        ("status", letter.status.clone()),
        ("reason", letter.reason.clone()),
        ("detail", letter.detail.clone()),
        ("lane", letter.lane.clone()),
    ];
    let given = [
        ("task", &letter.task_id),
        ("row", &letter.compensate_biz_id),
        ("about", &letter.biz_id),
        ("headers", &letter.headers),
    ];
    lines.extend(
        given
            .into_iter()
            .filter_map(|(label, text)| text.clone().map(|text| (label, text))),
    );
    lines.push(("created", format!("{} UTC", moment(&letter.created_at))));
    if let (Some(by), Some(at)) = (&letter.acted_by, &letter.acted_at) {
        lines.push(("acted", format!("{by}, {} UTC", moment(at))));
    }
    if let Some(payload) = &letter.payload {
        lines.push(("holds", holds(payload)));
    }
    for (label, value) in lines {
        answer(format_args!("{label:<9}{}", plain(&value)));
    }
}

fn holds(payload: &Payload) -> String {
    let shown = match (&payload.text, &payload.hex) {
        (Some(text), _) => text.clone(),
        (None, Some(hex)) => format!("0x{hex}"),
        (None, None) => String::new(),
    };
    let beginning = if payload.truncated {
        "; its beginning"
    } else {
        ""
    };
    format!("{shown} ({}{beginning})", size(payload.bytes))
}
