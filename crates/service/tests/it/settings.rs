use std::collections::HashMap;
use std::io::Write;

use domain::BizType;
use secrecy::ExposeSecret;
use service::{Environment, Settings, SettingsError};

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn load(text: &str, environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let environment: HashMap<_, _> = environment
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    Settings::load_with(Some(file(text).path()), environment)
}

#[test]
fn nothing_configured_means_production_and_no_secret() {
    let settings = Settings::load_with(None, HashMap::new()).unwrap();
    assert_eq!(settings.environment, Environment::Production);
    assert!(settings.auth.jwt_secret.expose_secret().is_empty());
    assert_eq!(settings.kafka.delivery_timeout_ms, 3_000);
    assert_eq!(settings.worker.backoff_seconds, [2, 4, 8]);
}

#[test]
fn the_environment_overrides_the_file_and_the_file_the_defaults() {
    let settings = load(
        r#"
        environment = "development"
        [worker]
        permits = 7
        lease_seconds = 11
        [kafka.client]
        "message.max.bytes" = "1000"
        "#,
        &[
            ("QUAYSIDE__WORKER__PERMITS", "9"),
            ("QUAYSIDE__WORKER__BACKOFF_SECONDS", "1, 2"),
            ("QUAYSIDE__SOURCES__REPLICA_2__URL", "mysql://r@replica/hr"),
            ("QUAYSIDE__AUTH__JWT_SECRET", "0012345"),
            ("QUAYSIDE__TELEMETRY__OTLP_ENDPOINT", ""),
            ("QUAYSIDE_URL", "not one of ours"),
        ],
    )
    .unwrap();
    assert_eq!(settings.environment, Environment::Development);
    assert_eq!(settings.worker.permits, 9);
    assert_eq!(settings.worker.lease_seconds, 11);
    assert_eq!(settings.worker.scan_interval_seconds, 5);
    assert_eq!(settings.worker.backoff_seconds, [1, 2]);
    assert_eq!(settings.auth.jwt_secret.expose_secret(), "0012345");
    assert_eq!(settings.kafka.client["message.max.bytes"], "1000");
    let replica = &settings.sources["replica_2"];
    assert_eq!(replica.url.expose_secret(), "mysql://r@replica/hr");
    assert_eq!(settings.telemetry.otlp_endpoint, None);
}

#[test]
fn an_unknown_key_is_refused_by_name_file_and_line() {
    let file = file("[worker]\npermits = 3\npermitz = 4\n");
    let error = Settings::load_with(Some(file.path()), HashMap::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("permitz"), "{error}");
    assert!(
        error.contains(&file.path().display().to_string()),
        "{error}"
    );
    assert!(error.contains("line 3"), "{error}");
}

#[test]
fn an_unknown_key_of_the_environment_is_refused_by_name() {
    let error = load("", &[("QUAYSIDE__WORKER__PERMITZ", "4")])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("permitz") && error.contains("environment"),
        "{error}"
    );
}

#[test]
fn a_value_that_is_not_understood_is_refused_by_key() {
    let error = load("", &[("QUAYSIDE__WORKER__PERMITS", "many")])
        .unwrap_err()
        .to_string();
    assert!(error.contains("worker.permits"), "{error}");
}

#[test]
fn zero_is_refused_by_key_where_nothing_would_happen_or_everything_at_once() {
    for (section, key) in [
        ("mysql", "pool_size"),
        ("kafka", "delivery_timeout_ms"),
        ("storage", "request_seconds"),
        ("storage", "presign_seconds"),
        ("storage", "max_file_bytes"),
        ("http", "workers"),
        ("http", "upload_silence_seconds"),
        ("http", "upload_seconds"),
        ("auth", "jwks_refresh_seconds"),
        ("worker", "permits"),
        ("worker", "lease_seconds"),
        ("worker", "scan_interval_seconds"),
        ("worker", "hard_deadline_seconds"),
        ("breaker", "pause_seconds"),
        ("breaker", "max_pause_seconds"),
        ("sweeper", "interval_seconds"),
        ("retention", "interval_seconds"),
        ("retention", "rows_days"),
        ("retention", "leftovers_hours"),
        ("dead_letters", "permits"),
        ("events", "poll_interval_ms"),
        ("events", "keep_alive_ms"),
        ("events", "streams_per_user"),
        ("events", "streams_per_process"),
        ("lifecycle", "grace_seconds"),
    ] {
        let name = format!("{section}.{key}");
        let variable = format!("QUAYSIDE__{section}__{key}").to_uppercase();
        let in_file = format!("[{section}]\n{key} = 0\n");
        let by_file = load(&in_file, &[]).unwrap_err().to_string();
        assert!(by_file.contains(&name), "{by_file}");
        let by_environment = load("", &[(&variable, "0")]).unwrap_err().to_string();
        assert!(by_environment.contains(&name), "{by_environment}");
        load(&in_file, &[(&variable, "1")]).expect("what counts is the effective value");
    }
    let no_second_try = load("[worker]\nmax_attempts = 0\n", &[]).unwrap();
    assert_eq!(no_second_try.worker.max_attempts, 0);
}

#[test]
fn a_source_without_its_url_is_refused_by_line() {
    let error = load("[sources.replica]\n", &[]).unwrap_err().to_string();
    assert!(error.contains("line 1: missing field `url`"), "{error}");
}

/// What S3 needs at least, and what is changed of it.
fn s3(change: &str) -> Result<Settings, SettingsError> {
    let (key, _) = change.split_once('=').unwrap_or((change, ""));
    let kept = [
        "backend = \"s3\"",
        "bucket = \"files\"",
        "region = \"us-east-1\"",
        "access_key_id = \"me\"",
        "secret_access_key = \"hunter2\"",
        "path_style = true",
    ]
    .into_iter()
    .filter(|line| {
        line.split_once(" =")
            .is_none_or(|(kept, _)| kept != key.trim())
    });
    let lines: Vec<_> = std::iter::once("[storage]")
        .chain(kept)
        .chain(change.contains('=').then_some(change))
        .collect();
    load(&lines.join("\n"), &[])
}

#[test]
fn s3_lacks_nothing_that_it_needs() {
    s3("presign = true").unwrap();
    for key in ["bucket", "region", "access_key_id", "secret_access_key"] {
        for change in [key.to_owned(), format!("{key} = \"\"")] {
            let error = s3(&change).err().unwrap().to_string();
            let name = format!("storage.{key} must be set");
            assert!(error.contains(&name), "{change}: {error}");
        }
    }
    s3("backend = \"local\"").unwrap();
}

#[test]
fn storage_that_cannot_work_is_refused_by_key_and_no_value_is_shown() {
    for (change, key) in [
        ("endpoint = \"s3.hunter2.com\"", "storage.endpoint"),
        ("endpoint = \"ftp://hunter2\"", "storage.endpoint"),
        ("endpoint = \"http://me:hunter2@s3\"", "storage.endpoint"),
        ("endpoint = \"http://s3/hunter2\"", "storage.endpoint"),
        ("endpoint = \"http://s3/?k=hunter2\"", "storage.endpoint"),
        ("presign_seconds = 604801", "storage.presign_seconds"),
        ("max_file_bytes = 52428800001", "storage.max_file_bytes"),
        (
            "path_style = false\nendpoint = \"http://127.0.0.1:9000\"",
            "storage.path_style",
        ),
        ("backend = \"local\"\npresign = true", "storage.presign"),
        ("backend = \"tape\"", "tape"),
    ] {
        let error = s3(change).err().unwrap().to_string();
        assert!(error.contains(key), "{change}: {error}");
        assert!(!error.contains("hunter2"), "{change}: {error}");
    }
    for endpoint in ["http://127.0.0.1:9000", "https://s3.example.com/"] {
        s3(&format!("endpoint = \"{endpoint}\"")).unwrap();
    }
    s3("path_style = false\nendpoint = \"https://s3.example.com\"").unwrap();
    s3("presign_seconds = 604800").unwrap();
    s3("max_file_bytes = 52428800000").unwrap();
}

#[test]
fn the_address_of_the_providers_keys_is_one_for_http_and_no_other_is_shown() {
    for url in [
        "hunter2",
        "",
        "ftp://hunter2/keys",
        "file:///hunter2",
        "https://me:hunter2@idp/keys",
        "https://hunter2@idp/keys",
    ] {
        let error = load(&format!("[auth]\njwks_url = \"{url}\"\n"), &[]);
        let error = error.err().unwrap().to_string();
        assert!(error.contains("the setting auth.jwks_url must"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let set = [("QUAYSIDE__AUTH__JWKS_URL", "https://idp/keys?p=hunter2")];
    let settings = load("", &set).unwrap();
    assert_eq!(settings.auth.jwks_url.as_deref(), Some(set[0].1));
    assert_eq!(settings.auth.jwks_refresh_seconds, 600);
    let shown = settings.redacted().to_string();
    assert!(
        shown.contains("https://idp/keys") && !shown.contains("hunter2"),
        "{shown}"
    );
    load("[auth]\njwks_url = \"http://127.0.0.1:9/keys\"\n", &[]).unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let missing = std::path::Path::new("/nowhere/quayside.toml");
    let error = Settings::load_with(Some(missing), HashMap::new())
        .unwrap_err()
        .to_string();
    assert!(error.contains("/nowhere/quayside.toml"), "{error}");
}

#[test]
fn secrets_never_print() {
    let settings = load(
        r#"
        [mysql]
        url = "mysql://root:hunter2@db:3306/quayside"
        [sources.replica]
        url = "mysql://reader:hunter2@replica:3306/hr"
        [storage]
        secret_access_key = "hunter2/hunter2"
        [auth]
        jwt_secret = "hunter2-hunter2"
        [telemetry]
        otlp_endpoint = "https://me:hunter2@collector/?k=hunter2"
        [kafka.client]
        "sasl.password" = "hunter2"
        "client.id" = "gateway"
        "#,
        &[],
    )
    .unwrap();
    for shown in [settings.redacted().to_string(), format!("{settings:?}")] {
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("db:3306/quayside"), "{shown}");
        assert!(shown.contains("replica:3306/hr"), "{shown}");
        assert!(shown.contains(r#""client.id":"gateway""#), "{shown}");
    }
}

#[test]
fn an_error_does_not_quote_the_line_that_may_hold_a_secret() {
    let error = load("[auth]\njwt_secret = \"hunter2\" x\n", &[])
        .unwrap_err()
        .to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_kind_of_work_is_tried_again_as_its_own_section_says_and_else_as_the_worker_does() {
    let settings = load(
        "[worker]\nmax_attempts = 5\n[retry.COUPON]\nbackoff_seconds = [1]\n\
         [retry.EXPORT]\nmax_attempts = 2\n[retry.user-sync]\nmax_attempts = 7\n",
        &[
            ("QUAYSIDE__RETRY__EXPORT__BACKOFF_SECONDS", "60,120"),
            ("QUAYSIDE__RETRY__IMPORT__MAX_ATTEMPTS", "0"),
        ],
    )
    .unwrap();
    let policies = settings.retry_policies().unwrap();
    let told = |name: &str| {
        let policy = policies.of(&BizType::parse(name).unwrap());
        (policy.max_cnt(), policy.delay(2, 0.0).as_secs())
    };
    assert_eq!(told("COUPON"), (5, 1));
    assert_eq!(told("EXPORT"), (2, 120));
    assert_eq!(told("IMPORT"), (0, 4));
    assert_eq!(told("user-sync"), (7, 4));
    assert_eq!(told("OTHER"), (5, 4));
    let empty = load("[retry.COUPON]\nbackoff_seconds = []\n", &[]).unwrap();
    let error = empty.retry_policies().unwrap_err().to_string();
    assert_eq!(error, "retry.COUPON.backoff_seconds");
    let unknown = load("[retry.COUPON]\nbackof = [1]\n", &[]).unwrap_err();
    assert!(unknown.to_string().contains("backof"), "{unknown}");
}

#[test]
fn how_much_a_context_may_hold_can_be_set_within_bounds() {
    let largest = 16 << 20;
    assert_eq!(load("", &[]).unwrap().handlers.max_context_bytes, 1 << 20);
    for bytes in [1, largest] {
        let settings = load(&format!("[handlers]\nmax_context_bytes = {bytes}\n"), &[]);
        assert_eq!(settings.unwrap().handlers.max_context_bytes, bytes);
    }
    for bytes in ["0".to_owned(), (largest + 1).to_string()] {
        let set = [("QUAYSIDE__HANDLERS__MAX_CONTEXT_BYTES", bytes.as_str())];
        let error = load("", &set).unwrap_err().to_string();
        let wanted = "the setting handlers.max_context_bytes must be from 1 to 16777216";
        assert_eq!(error, wanted);
    }
    let error = load("[handlers]\nmax_context_bytes = -1\n", &[]).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
}

#[test]
fn the_kinds_of_work_that_a_worker_does_are_a_list_in_the_file_and_in_the_environment() {
    assert!(load("", &[]).unwrap().handlers.only.is_empty());
    let settings = load("[handlers]\nonly = [\"coupon_grant\"]\n", &[]).unwrap();
    assert_eq!(settings.handlers.only, ["coupon_grant"]);
    let set = [("QUAYSIDE__HANDLERS__ONLY", "coupon_grant, callback")];
    let settings = load("", &set).unwrap();
    assert_eq!(settings.handlers.only, ["coupon_grant", "callback"]);
    let error = load("[handlers]\nonly = 7\n", &[]).unwrap_err();
    assert!(error.to_string().contains("a list of names"), "{error}");
}

#[test]
fn how_imports_are_read_can_be_set_and_no_part_of_it_be_zero() {
    let settings = load(
        "[import]\nsplits_at_once = 1\ntemp_dir = \"/var/tmp\"\n",
        &[("QUAYSIDE__IMPORT__BATCHES_AT_ONCE", "6")],
    )
    .unwrap();
    let import = settings.import;
    assert_eq!((import.splits_at_once, import.batches_at_once), (1, 6));
    assert_eq!(import.temp_dir.as_deref(), Some("/var/tmp".as_ref()));
    for key in ["splits_at_once", "batches_at_once", "stall_seconds"] {
        let error = load(&format!("[import]\n{key} = 0\n"), &[]).unwrap_err();
        assert!(
            error.to_string().contains(&format!("import.{key}")),
            "{error}"
        );
    }
}
