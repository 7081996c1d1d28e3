//! A house opens from its settings alone, or says what is wrong with them.

use service::{House, Settings};

/// Settings of a house of which nothing answers, with one definition.
fn settings(directory: &std::path::Path, definition: &str) -> Settings {
    let datasets = directory.join("datasets");
    std::fs::create_dir_all(&datasets).unwrap();
    std::fs::write(datasets.join("pay.toml"), definition).unwrap();
    let mut settings = Settings::default();
    settings.mysql.url = "mysql://root@127.0.0.1:1/nowhere".into();
    settings.kafka.brokers = "127.0.0.1:1".to_owned();
    settings.storage.root = directory.join("storage");
    settings.datasets.dir = datasets;
    settings
}

const PAY: &str = r#"name = "pay"
label = { en = "Pay" }
version = "1"
table = "pay"
shared = true
primary_key = ["id"]
key = ["code"]
source = "replica"
columns = [{ name = "code", label = { en = "Code" }, type = "string" }]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_dataset_whose_source_nobody_configured_keeps_the_process_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = settings(directory.path(), PAY);
    let refusal = House::open(&settings)
        .err()
        .map(|error| format!("{error:#}"));
    let refusal = refusal.expect("a house does not open without it");
    assert!(
        refusal.contains("pay.toml:8: source `replica`"),
        "{refusal}"
    );
    assert!(refusal.contains("sources.replica.url"), "{refusal}");

    let url = "mysql://reader:hunter2@127.0.0.1:1/hr".into();
    let source = service::SourceSettings { url };
    settings.sources.insert("replica".to_owned(), source);
    House::open(&settings).expect("now it opens, whether or not the source answers");
}
