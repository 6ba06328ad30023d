//! Prints what happens, as it happens: who asked whom, for what, and what came back.

use core::fmt;
use std::borrow::Cow;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use grantry::core::HttpRequest;
use url::form_urlencoded;

/// Tells the story of the flow to a person. Secrets are shortened before they get here.
#[derive(Clone)]
pub struct Narrator(Arc<Mutex<Box<dyn Write + Send>>>);

impl Narrator {
    /// Makes a narrator that writes to `out`.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(Box::new(out))))
    }

    /// Prints one message of one party to another.
    pub(crate) fn tell(&self, from: Party, to: Party, what: &str) {
        let head = format!("    {:>10} -> {:<10}  ", from.name(), to.name());
        let mut text = String::new();
        for (number, line) in wrapped(what, 72).iter().enumerate() {
            let margin = if number == 0 { head.clone() } else { " ".repeat(head.len()) };
            text += &format!("{margin}{line}\n");
        }
        self.write(&text);
    }

    /// Prints lines by themselves.
    pub fn say(&self, text: &str) {
        self.write(&text.split('\n').map(|line| printable(line) + "\n").collect::<String>());
    }

    // A reader that went away, as `| head` does, is no reason to fail.
    fn write(&self, text: &str) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl fmt::Debug for Narrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Narrator")
    }
}

/// Who takes part.
#[derive(Clone, Copy)]
pub(crate) enum Party {
    Browser,
    PhotoPrint,
    Accounts,
    PhotosApi,
    Stranger,
}

impl Party {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::PhotoPrint => "PhotoPrint",
            Self::Accounts => "accounts",
            Self::PhotosApi => "photos API",
            Self::Stranger => "stranger",
        }
    }

    /// The party that a program says it is: good enough for a story, and for nothing else.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        match request.headers.only("User-Agent") {
            Some("PhotoPrint") => Self::PhotoPrint,
            Some("photos API") => Self::PhotosApi,
            _ => Self::Stranger,
        }
    }
}

/// Shows the two ends of a secret, eight characters of at least 256 bits.
pub(crate) fn short(secret: &str) -> String {
    let characters: Vec<char> = secret.chars().collect();
    match (characters.first_chunk::<4>(), characters.last_chunk::<4>()) {
        (Some(first), Some(last)) if characters.len() >= 32 => {
            first.iter().chain(&['…']).chain(last).collect()
        }
        _ => "…".into(),
    }
}

/// Parameters that are no secret. Every other value is shortened, unknown ones too.
const SHOWN: [&str; 13] = [
    "client_id",
    "code_challenge_method",
    "decision",
    "error",
    "error_description",
    "grant_type",
    "iss",
    "prompt",
    "redirect_uri",
    "response_type",
    "scope",
    "token_type_hint",
    "username",
];

/// Writes the parameters of a query or a form for people.
pub(crate) fn parameters(form: &str) -> String {
    let pair = |(name, value): (Cow<'_, str>, Cow<'_, str>)| match &*value {
        value if !SHOWN.contains(&&*name) => format!("{name}={}", short(value)),
        value if value.contains(' ') => format!("{name}=\"{value}\""),
        value => format!("{name}={value}"),
    };
    form_urlencoded::parse(form.as_bytes()).map(pair).collect::<Vec<_>>().join(" ")
}

/// What strangers send must not steer the terminal.
fn printable(text: &str) -> String {
    const MAX_CHARACTERS: usize = 800;
    let keep = |c: char| if c.is_ascii_graphic() || matches!(c, ' ' | '…') { c } else { '?' };
    text.chars().take(MAX_CHARACTERS).map(keep).collect()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in printable(text).split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.len() + 1 + word.len() <= width => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_public_is_shortened() {
        let secret = "abcd0123456789012345678901234567890wxyz";
        let shown = parameters(&format!("scope=a+b&code={secret}&whatever={secret}&client_secret=hunter2"));
        assert_eq!(shown, "scope=\"a b\" code=abcd…wxyz whatever=abcd…wxyz client_secret=…");
    }

    #[test]
    fn a_stranger_cannot_steer_the_terminal() {
        assert_eq!(printable("a\r\n\u{1b}[31m\u{202e}b"), "a???[31m?b");
    }
}
