//! The pages of the accounts site. All text from elsewhere is escaped by the templates.

use axum::response::{IntoResponse, Response};
use grantry::core::{Scope, SecretString};
use grantry::server::{Interaction, Page};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use url::Url;

use crate::web;

/// What every form of the site carries: the request it answers, and proof of its page.
pub(super) struct Hidden {
    pub(super) interaction: String,
    pub(super) csrf: SecretString,
}

/// Which login page: the first, or one after a wrong password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Wrong,
}

pub(super) fn login(
    hidden: &Hidden,
    interaction: &Interaction,
    username: Option<&str>,
    attempt: Attempt,
) -> Markup {
    let client = display_name(interaction.client_name());
    let username = username.or_else(|| interaction.login_hint());
    let wrong = attempt == Attempt::Wrong;
    let body = html! {
        h1 { "Sign in" }
        p { "to continue to " strong { (client) } }
        @if wrong {
            p #wrong .alert role="alert" {
                "That name and password do not go together. Check both and try again."
            }
        }
        form method="post" action="/login" {
            (hidden)
            label for="username" { "User name" }
            input #username name="username" type="text" autocomplete="username" autocapitalize="none"
                spellcheck="false" required autofocus[username.is_none()] value=[username]
                aria-invalid=[wrong.then_some("true")] aria-describedby=[wrong.then_some("wrong")];
            label for="password" { "Password" }
            input #password name="password" type="password" autocomplete="current-password" required
                autofocus[username.is_some()]
                aria-invalid=[wrong.then_some("true")] aria-describedby=[wrong.then_some("wrong")];
            div .buttons { button .primary { "Sign in" } }
        }
        p .quiet { "Your password stays on this site. " (client) " never sees it." }
    };
    layout("Sign in", &body)
}

pub(super) fn consent(hidden: &Hidden, interaction: &Interaction, person: &str) -> Markup {
    let client = display_name(interaction.client_name());
    let body = html! {
        h1 { "Let " (client) " in?" }
        p { "Signed in as " strong { (person) } ". " strong { (client) } " asks to:" }
        ul .scopes {
            @for (title, meaning) in wording(interaction.scope()) {
                li { strong { (title) } span { (meaning) } }
            }
        }
        @if let Some(redirect_uri) = interaction.redirect_uri() {
            p .quiet {
                "Your browser then goes to " strong .host { (host(redirect_uri)) }
                ". Stop here if you did not come from there."
            }
        }
        form method="post" action="/consent" {
            (hidden)
            div .buttons {
                button .primary name="decision" value="allow" { "Allow" }
                button name="decision" value="deny" { "Deny" }
            }
        }
    };
    layout("Allow access", &body)
}

impl maud::Render for Hidden {
    fn render(&self) -> Markup {
        html! {
            input type="hidden" name="interaction" value=(self.interaction);
            input type="hidden" name="csrf" value=(self.csrf.expose());
        }
    }
}

/// Why the site shows an error page in place of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Problem {
    /// The authorization request cannot be trusted enough to redirect anywhere.
    Refused(Page),
    /// The form has no proof that it comes from a page of this session.
    NotOurForm,
    /// The request that the form answers is too old.
    TooLate,
    /// The form cannot be read.
    Unreadable,
    /// There is no such page.
    NotFound,
    /// The store or the system failed.
    Unavailable,
}

impl Problem {
    fn text(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Refused(page) => (
                page.status(),
                "This request can't go on",
                "The site that sent you here made a mistake, so nothing was shared with it. \
                 Go back to it and try again; if that does not help, tell the people who run it.",
            ),
            Self::NotOurForm => (
                403,
                "This page is out of date",
                "You may have signed in or out in another tab since it was opened. Nothing was changed. \
                 Go back to the site that you came from and start again.",
            ),
            Self::TooLate => (
                400,
                "That took a little too long",
                "For your safety a request is open for fifteen minutes. Nothing was shared. \
                 Go back to the site that you came from and start again.",
            ),
            Self::Unreadable => (
                400,
                "The form could not be read",
                "Nothing was changed. Go back, fill in both fields and try again.",
            ),
            Self::NotFound => (
                404,
                "There is nothing here",
                "Pages of this site open when another site asks you to sign in. Start at that site.",
            ),
            Self::Unavailable => (
                503,
                "We can't answer right now",
                "This is our fault. Nothing was changed. Wait a minute, then go back and try again.",
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, title, advice) = self.text();
        let body = html! {
            h1 { (title) }
            p { (advice) }
            @if let Self::Refused(page) = self {
                p .quiet { "For those people: " (page.denial().reason) "." }
            }
        };
        web::page(status, layout(title, &body))
    }
}

fn layout(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – Accounts" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/style.css";
            }
            body {
                header { (PreEscaped(SHIELD)) span { "Accounts" } }
                main { (body) }
                footer { "A demonstration of grantry. It runs on this computer only." }
            }
        }
    }
}

const SHIELD: &str = r#"<svg viewBox="0 0 24 24" width="28" height="28" aria-hidden="true"><path fill="currentColor" d="M12 1.5 3.5 4.6v6.3c0 5.2 3.5 9.6 8.5 11.6 5-2 8.5-6.4 8.5-11.6V4.6L12 1.5Zm-1.3 14.6-3.9-3.9 1.6-1.6 2.3 2.3 5-5 1.6 1.6-6.6 6.6Z"/></svg>"#;

/// What each scope means to the person who grants it.
fn wording(scope: &Scope) -> Vec<(&str, &'static str)> {
    let mut rows: Vec<_> = scope.iter().map(words).collect();
    rows.sort_by_key(|(rank, ..)| *rank);
    rows.into_iter().map(|(_, title, meaning)| (title, meaning)).collect()
}

fn words(token: &str) -> (u8, &str, &'static str) {
    match token {
        "photos.read" => (0, "See your photos", "It can't change or delete them."),
        "openid" => (1, "Recognise you", "It gets a number for your account, and no password."),
        "offline_access" => (2, "Stay connected", "Until you disconnect it, also while you are away."),
        other => (3, other, "This site has no further description of it."),
    }
}

fn host(redirect_uri: &str) -> String {
    let authority = |url: Url| {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        url.host_str().map(|host| format!("{host}{port}"))
    };
    Url::parse(redirect_uri).ok().and_then(authority).unwrap_or_else(|| redirect_uri.into())
}

/// A client chose its name: cut it, and drop what would turn the text around it.
fn display_name(name: &str) -> String {
    const MAX_CHARACTERS: usize = 60;
    let turns =
        |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    name.chars().filter(|c| !c.is_control() && !turns(*c)).take(MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_cannot_write_into_the_page_by_its_name() {
        assert_eq!(display_name("a\u{202e}b\u{0}c"), "abc");
        assert_eq!(display_name(&"x".repeat(10_000)).len(), 60);
    }

    #[test]
    fn the_host_is_shown_with_its_port() {
        assert_eq!(host("https://photoprint.example@evil.example/cb"), "evil.example");
        assert_eq!(host("http://127.0.0.1:8080/callback"), "127.0.0.1:8080");
    }

    #[test]
    fn an_unknown_scope_is_shown_and_not_hidden() {
        let scope = Scope::parse("photos.delete openid").unwrap();
        assert_eq!(wording(&scope).last().map(|(title, _)| *title), Some("photos.delete"));
    }
}
