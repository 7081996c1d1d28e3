//! Every `--help`, as a user reads it.

use crate::command::quay;

#[test]
fn every_help_text_is_the_one_that_was_reviewed() {
    let mut commands = vec![vec![]];
    let mut seen = 0;
    while let Some(command) = commands.pop() {
        let mut arguments = command.clone();
        arguments.push("--help".to_owned());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let ran = quay(&arguments, &[]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        let name = [&["quay".to_owned()], command.as_slice()]
            .concat()
            .join("_");
        insta::assert_snapshot!(name, ran.stdout);
        for below in commands_in(&ran.stdout) {
            commands.push([command.clone(), vec![below]].concat());
        }
        seen += 1;
    }
    assert!(seen > 20, "only {seen} commands were found");
}

/// The names under `Commands:`.
fn commands_in(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let names = lines
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_wrong_word_says_which_and_what_there_is() {
    for (arguments, says) in [
        (
            &["export", "employee", "--format", "xls"][..],
            &["'xls'", "[possible values: xlsx, csv]"][..],
        ),
        (
            &["export", "employee", "--rows-per-sheet", "0"],
            &["--rows-per-sheet", "0 is not in 1.."],
        ),
        (
            &["export", "employee", "--rows-per-file", "many"],
            &["--rows-per-file", "invalid digit"],
        ),
        (&["export", "employee", "--overwrite"], &["--output"]),
        (
            &["import", "member", "m.csv", "--numbers", "1,5"],
            &[
                "--numbers",
                "it is one of \"1,234.5\", \"1.234,5\", \"1 234,5\", \"1'234.5\"",
            ],
        ),
        (
            &["import", "member", "m.csv", "--encoding", "latin1"],
            &[
                "--encoding",
                "it is one of \"utf-8\", ",
                "\"gb18030\"",
                "\"windows-1252\"",
            ],
        ),
        (
            &["import", "member", "m.csv", "--stop-after-blank-rows", "0"],
            &["--stop-after-blank-rows", "0 is not in 1..=1048576"],
        ),
        (&["export", "employee", "--header"], &["--no-header"]),
        (&["tasks"], &["Usage: quay tasks <COMMAND>", "watch"]),
        (&["tasks", "wach"], &["'watch'"]),
        (&["tasks", "watch", "x"], &["an id is a number"]),
        (&["tasks", "retry"], &["<ID>"]),
        (&["tasks", "attempts", "-1"], &["-1"]),
        (&["completion", "dos"], &["'dos'", "bash", "zsh", "fish"]),
    ] {
        let ran = quay(arguments, &[("QUAYSIDE_TOKEN", "x")]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        for words in says {
            assert!(
                ran.stderr.contains(words),
                "{arguments:?} says {words:?}: {}",
                ran.stderr
            );
        }
    }
}
