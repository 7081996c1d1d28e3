//! Wrong command lines: the exit code for scripts, and a sentence that says what to do.

use crate::command::quay;

/// A port of this machine on which nobody listens.
const NOBODY: &str = "http://127.0.0.1:1";

fn stderr_of(arguments: &[&str], environment: &[(&str, &str)], code: i32) -> String {
    let ran = quay(arguments, environment);
    assert_eq!(ran.code, code, "{arguments:?}: {}", ran.stderr);
    assert_eq!(
        ran.stdout, "",
        "{arguments:?} says on stdout what belongs on stderr"
    );
    ran.stderr
}

#[test]
fn a_wrong_command_line_is_two_and_says_what_is_missing() {
    for (arguments, says) in [
        (
            &["exprt"][..],
            "similar subcommands exist: 'import', 'export'",
        ),
        (&["export"], "<DATASET>"),
        (&["export", "employee"], "QUAYSIDE_TOKEN"),
        (
            &["export", "employee", "--token", "x", "--url", "foo"],
            "http://127.0.0.1:8080",
        ),
        (
            &["export", "employee", "--token", "x", "--url", "ftp://h"],
            "http:// or https://",
        ),
        (
            &["export", "employee", "--token", "x", "--filter", "a b"],
            "has no operator",
        ),
        (
            &["export", "employee", "--token", "x", "--filters", "[1]"],
            "not a JSON object",
        ),
        (
            &["export", "employee", "--token", "x", "--filters", "{"],
            "not JSON",
        ),
        (
            &["export", "employee", "--filter", "a=1", "--filters", "{}"],
            "cannot be used with",
        ),
        (&["tasks", "show", "abc"], "an id is a number"),
        (&["tasks", "list", "--status", "DONE"], "PARTIAL_SUCCESS"),
        (
            &["token", "--user", "7", "--role", "A"],
            "QUAYSIDE_JWT_SECRET",
        ),
        (
            &["token", "--user", " ", "--role", "A", "--secret", "s"],
            "user must be",
        ),
        (&["seed", "employee", "--rows", "1"], "QUAYSIDE_MYSQL"),
        (
            &["seed", "employee", "--rows", "0", "--mysql", "mysql://h/d"],
            "1..=100000000",
        ),
        (
            &["seed", "employee", "--rows", "1", "--mysql", "mysql://h"],
            "the name included",
        ),
        (
            &["seed", "member", "--rows", "1", "--deleted-percent", "5"],
            "cannot be marked",
        ),
        (&["topics", "create"], "QUAYSIDE_KAFKA"),
        (&["migrate"], "QUAYSIDE_MYSQL"),
    ] {
        let stderr = stderr_of(arguments, &[], 2);
        assert!(
            stderr.contains(says),
            "{arguments:?} should say {says:?}: {stderr}"
        );
    }
}

#[test]
fn what_cannot_be_reached_is_three_and_says_how_to_start_it() {
    let gateway = [("QUAYSIDE_TOKEN", "x"), ("QUAYSIDE_URL", NOBODY)];
    for arguments in [
        &["export", "employee"][..],
        &["tasks", "list"],
        &["tasks", "show", "1"],
    ] {
        let stderr = stderr_of(arguments, &gateway, 3);
        insta::allow_duplicates! {
            insta::assert_snapshot!(stderr, @r"
            quay: the gateway at http://127.0.0.1:1/ cannot be reached (Connection refused (os error 111))
              Is the gateway up? On your own machine: ./dev up
              Other address: --url or QUAYSIDE_URL
            ");
        }
    }
    let nobody = ["migrate", "--mysql", "mysql://root@127.0.0.1:1/quayside"];
    assert!(stderr_of(&nobody, &[], 3).contains("Is MySQL up?"));
}

#[test]
fn a_proxy_of_the_environment_is_not_asked_for_this_machine() {
    let environment = [
        ("QUAYSIDE_TOKEN", "x"),
        ("QUAYSIDE_URL", NOBODY),
        ("HTTP_PROXY", "http://192.0.2.1:9"),
    ];
    assert!(stderr_of(&["tasks", "list"], &environment, 3).contains("Connection refused"));
}

#[test]
fn a_token_is_printed_alone_and_carries_what_was_asked() {
    let secret = "a secret of the test, long enough";
    let arguments = [
        "token", "--user", "7", "--role", "MANAGER", "--role", "AUDITOR",
    ];
    let ran = quay(&arguments, &[("QUAYSIDE_JWT_SECRET", secret)]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let token = ran.stdout.strip_suffix('\n').expect("one line");
    let key = jsonwebtoken::DecodingKey::from_secret(secret.as_bytes());
    let rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    let claims: serde_json::Value = jsonwebtoken::decode(token.as_bytes(), &key, &rules)
        .expect("a good token")
        .claims;
    let number = |name: &str| claims[name].as_u64().expect("seconds");
    assert_eq!(number("exp") - number("iat"), 28_800);
    assert_eq!(claims["sub"], "7");
    assert_eq!(claims["tenant"], "acme");
    assert_eq!(claims["roles"], serde_json::json!(["MANAGER", "AUDITOR"]));
}

#[test]
fn secrets_of_the_environment_are_in_no_help() {
    let environment = [
        ("QUAYSIDE_TOKEN", "hidden-1"),
        ("QUAYSIDE_JWT_SECRET", "hidden-2"),
        ("QUAYSIDE_MYSQL", "mysql://root:hidden-3@h/d"),
    ];
    for command in ["export", "token", "seed", "migrate"] {
        let help = quay(&[command, "--help"], &environment);
        assert!(!help.stdout.contains("hidden-"), "{}", help.stdout);
    }
}

#[test]
fn every_code_of_a_failed_task_and_of_a_request_is_explained() {
    let page = include_str!("../../../../docs/ERRORS.md");
    let failed = domain::FailureCode::ALL.iter().map(|code| code.as_str());
    let refused = domain::FaultCode::ALL.iter().map(|code| code.as_str());
    for code in failed.chain(refused) {
        assert!(
            page.contains(&format!("`{code}` |")),
            "docs/ERRORS.md says nothing of {code}"
        );
    }
}
