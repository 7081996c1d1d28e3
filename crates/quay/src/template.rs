//! `quay template`: the empty workbook that an import takes.

use clap::ValueEnum;

use crate::cli::{FormatWord, TemplateArgs};
use crate::client::Gateway;
use crate::download::{self, Target};
use crate::exit::{Exit, Failure};
use crate::import::is_csv;
use crate::print::answer;

pub(crate) async fn run(args: &TemplateArgs) -> Result<Exit, Failure> {
    let target = Target::prepare(&args.output, args.overwrite)?;
    let gateway = Gateway::new(&args.gateway)?;
    let format = args.format.unwrap_or(if is_csv(&args.output) {
        FormatWord::Csv
    } else {
        FormatWord::Xlsx
    });
    let word = format.to_possible_value();
    let word = word.as_ref().map_or("xlsx", |word| word.get_name());
    let template = gateway
        .template(&args.dataset, word, args.locale.as_deref())
        .await?;
    let saved = download::keep(template, &target, &format!("{}.{word}", args.dataset)).await?;
    answer(format_args!("Saved to {}", saved.path.display()));
    Ok(Exit::Done)
}
