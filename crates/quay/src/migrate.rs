//! `quay migrate`: brings the schema up to date, and says what the server is.

use serde_json::json;
use store::StoreError;

use crate::catalog;
use crate::cli::MigrateArgs;
use crate::exit::{Exit, Failure, chain};
use crate::print::answer;
use crate::tasks::print_json;

pub(crate) async fn run(args: &MigrateArgs) -> Result<Exit, Failure> {
    let url = args.mysql.url()?;
    let migrated = store::migrate(url).await;
    let migrated = migrated.map_err(|error| store_failure("cannot migrate", &error))?;
    let mut examples = Vec::new();
    if args.examples {
        for (path, sql) in catalog::files(&args.datasets.datasets, "sql")? {
            let deed = format!("cannot run {}", path.display());
            store::run_script(url, &sql)
                .await
                .map_err(|error| store_failure(&deed, &error))?;
            examples.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
    }
    if args.out.json {
        print_json(&json!({
            "server_version": migrated.server_version,
            "applied": migrated.applied,
            "example_tables": examples,
        }));
        return Ok(Exit::Done);
    }
    answer(format_args!("MySQL {}", migrated.server_version));
    if migrated.applied.is_empty() {
        answer("The schema is up to date.");
    } else {
        answer(format_args!("Applied: {}", migrated.applied.join(", ")));
    }
    if !examples.is_empty() {
        answer(format_args!("Example tables: {}", examples.join(", ")));
    }
    Ok(Exit::Done)
}

/// A failure of the database, in words.
pub(crate) fn store_failure(deed: &str, error: &StoreError) -> Failure {
    let what = format!("{deed}: {}", chain(error));
    if refuses_login(error) {
        return Failure::new(Exit::Refused, format!("MySQL refused the login: {what}")).advise(
            "User and password are those of --mysql or QUAYSIDE_MYSQL; may they use that database?",
        );
    }
    match error {
        StoreError::Unavailable(_) | StoreError::Contended(_) => Failure::new(
            Exit::Unavailable,
            what,
        )
        .advise(
            "Is MySQL up? On your own machine: ./dev up\nOther address: --mysql or QUAYSIDE_MYSQL",
        ),
        StoreError::UnknownCommit(_)
        | StoreError::Fenced
        | StoreError::Duplicate(_)
        | StoreError::InProgress(_)
        | StoreError::Refused(_)
        | StoreError::Corrupt(_) => Failure::new(Exit::Failed, what),
    }
}

/// 1045 and 1044 (the user may not use the database); only the text comes through every driver.
pub(crate) fn refuses_login(error: &StoreError) -> bool {
    chain(error).contains("Access denied for user")
}
