//! What a shell is told to complete.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::command::quay;

fn script(shell: &str) -> String {
    let ran = quay(&["completion", shell], &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
    ran.stdout
}

/// What a real bash offers when TAB is pressed after these words and the beginning of another.
fn offered(words: &str, begun: &str) -> Vec<String> {
    let pressed = format!(
        "registered=$(complete -p quay); named=${{registered#*-F }}; named=${{named%% *}}\n\
         COMP_WORDS=({words} '{begun}'); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
         \"$named\" quay '{begun}' \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
    );
    let mut bash = Command::new("bash")
        .args(["--norc", "--noprofile"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("bash runs");
    let mut stdin = bash.stdin.take().expect("a pipe");
    write!(stdin, "{}\n{pressed}", script("bash")).expect("bash reads");
    drop(stdin);
    let output = bash.wait_with_output().expect("bash ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_real_bash_completes_commands_options_and_values() {
    assert_eq!(offered("quay", "ta"), ["tasks"]);
    assert_eq!(offered("quay tasks", "wa"), ["watch"]);
    assert_eq!(offered("quay tasks", "de"), ["delete"]);
    assert_eq!(
        offered("quay export employee", "--rows-per"),
        ["--rows-per-sheet", "--rows-per-file"]
    );
    assert_eq!(
        offered("quay export employee --format", ""),
        ["xlsx", "csv"]
    );
    assert_eq!(
        offered("quay tasks list --status", "PA"),
        ["PARTIAL_SUCCESS"]
    );
}

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = script(shell);
        for word in ["quay", "watch", "rows-per-sheet"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
