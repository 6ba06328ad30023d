//! The pages of PhotoPrint. All text from elsewhere is escaped by the templates.

use axum::response::{IntoResponse, Response};
use grantry::core::SecretString;
use maud::{DOCTYPE, Markup, html};

use crate::photos_api::Photo;
use crate::web;

/// A message that the next page shows once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Refused,
    Failed,
    Ended,
    Disconnected,
    Refreshed,
    Printed(usize),
}

impl Notice {
    fn text(self) -> String {
        match self {
            Self::Refused => "You said no, so nothing was shared. You can connect whenever you like.".into(),
            Self::Failed => {
                "Your photos could not be connected. Nothing was shared; please try again.".into()
            }
            Self::Ended => "The accounts site has ended the connection. Connect again to go on.".into(),
            Self::Disconnected => "Disconnected. PhotoPrint can no longer see your photos.".into(),
            Self::Refreshed => "PhotoPrint has new tokens. The old refresh token is used up.".into(),
            Self::Printed(0) => "Choose at least one photo to print.".into(),
            Self::Printed(1) => "1 print ordered. (This is a demonstration: nothing will arrive.)".into(),
            Self::Printed(n) => {
                format!("{n} prints ordered. (This is a demonstration: nothing will arrive.)")
            }
        }
    }

    const fn role(self) -> &'static str {
        match self {
            Self::Refused | Self::Failed | Self::Ended | Self::Printed(0) => "alert",
            Self::Disconnected | Self::Refreshed | Self::Printed(_) => "status",
        }
    }
}

pub(super) fn welcome(csrf: &SecretString, notice: Option<Notice>) -> Markup {
    layout(
        "Your photos, on paper",
        notice,
        &html! {
            div .hero {
                h1 { "Your photos, on paper" }
                p {
                    "Pick from the album you already have. PhotoPrint only looks at your photos: "
                    "it never learns your password, and you can disconnect it at any time."
                }
                form method="post" action="/connect" {
                    input type="hidden" name="csrf" value=(csrf.expose());
                    button .primary { "Connect my photos" }
                }
            }
            ol .how {
                li { strong { "Connect" } span { "You sign in at your accounts site, not here." } }
                li { strong { "Choose" } span { "You say what PhotoPrint may see." } }
                li { strong { "Print" } span { "Matt paper, white border, by post." } }
            }
        },
    )
}

pub(super) fn album(csrf: &SecretString, notice: Option<Notice>, account: &str, photos: &[Photo]) -> Markup {
    let csrf = html! { input type="hidden" name="csrf" value=(csrf.expose()); };
    layout(
        "Your photos",
        notice,
        &html! {
            h1 { "Your photos" }
            form method="post" action="/print" {
                (csrf)
                ul .album {
                    @for photo in photos {
                        li {
                            label {
                                img src={ "/photos/" (photo.file) } alt="" width="480" height="320";
                                span { input type="checkbox" name="photo" value=(photo.file); (photo.title) }
                            }
                        }
                    }
                }
                div .buttons { button .primary { "Print the chosen ones" } }
            }
            section aria-labelledby="connection" {
                h2 #connection { "Your connection" }
                p {
                    "Connected to account " strong { (account) } ". "
                    "The tokens stay on PhotoPrint's server; this page never had one."
                }
                div .buttons {
                    form method="post" action="/refresh" { (csrf) button { "Refresh the token" } }
                    form method="post" action="/disconnect" { (csrf) button { "Disconnect" } }
                }
            }
        },
    )
}

/// Why the site shows an error page in place of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Problem {
    NotOurForm,
    NotOurLogin,
    NotFound,
    Unavailable,
}

impl Problem {
    const fn text(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotOurForm => (
                403,
                "This page is out of date",
                "Nothing was changed. Go to the start page and try again from there.",
            ),
            Self::NotOurLogin => (
                400,
                "This sign-in has no beginning",
                "It was started in another browser, took too long or was finished before. \
                 Nothing was changed. Go to the start page and look from there.",
            ),
            Self::NotFound => (404, "There is no such page", "Go to the start page and look from there."),
            Self::Unavailable => (
                503,
                "Your photos can't be reached right now",
                "You are still connected. Wait a minute, then go to the start page again.",
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
            p { a .button href="/" { "Start page" } }
        };
        web::page(status, layout(title, None, &body))
    }
}

fn layout(title: &str, notice: Option<Notice>, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " – PhotoPrint" }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/style.css";
            }
            body {
                header { a href="/" { "Photo" span { "Print" } } }
                main {
                    @if let Some(notice) = notice {
                        p .notice role=(notice.role()) { (notice.text()) }
                    }
                    (body)
                }
                footer { "PhotoPrint is a demonstration of grantry. It runs on this computer only." }
            }
        }
    }
}
