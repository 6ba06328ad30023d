//! The tour as a person starts it: every step comes out as it should, and no secret is printed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_types, reason = "the program is run as a person runs it")]
#![expect(clippy::std_instead_of_alloc, reason = "a test takes what std offers")]

use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};

use photoprint::{Narrator, Sites, tour};

#[test]
fn the_tour_ends_well_and_prints_no_secret() {
    let output = Command::new(env!("CARGO_BIN_EXE_photoprint")).arg("--tour").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.ends_with("All 18 steps came out as they should.\n"), "{text}");
    assert_no_secret(&text);
}

#[tokio::test]
async fn the_password_is_not_printed_on_the_way() {
    let written = Written::default();
    let narrator = Narrator::new(written.clone());
    let sites = Sites::open(narrator.clone(), "PhotoPrint").await.unwrap();
    tour::walk(&sites, &narrator).await.unwrap();
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("POST /login username=ada"));
    assert!(!text.contains(sites.password().expose()) && !text.contains("not the password"));
    assert_no_secret(&text);
}

#[test]
fn an_unknown_option_is_an_error_and_help_is_none() {
    let run = |option| Command::new(env!("CARGO_BIN_EXE_photoprint")).arg(option).output().unwrap();
    assert!(run("--help").status.success());
    let unknown = run("--tuor");
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("--tuor"));
}

/// Codes, tokens, cookies, verifiers and client secrets are runs of 43 such characters or more.
fn assert_no_secret(text: &str) {
    let is_of_secrets = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let longest = text.split(|c| !is_of_secrets(c)).max_by_key(|run| run.len()).unwrap();
    assert!(longest.len() < 24, "{longest}");
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
