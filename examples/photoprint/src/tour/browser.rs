//! A browser without a window: it keeps cookies, reads forms from pages and submits them. It follows
//! a redirect only when it is told to. What cannot be done, because the page has no such thing or
//! there is no answer, is [`Failed`].
#![expect(clippy::missing_errors_doc, reason = "the module says it for all")]

use std::sync::Arc;

use axum::http::HeaderMap;
use grantry::core::form;
use html5gum::{HtmlString, StartTag, Token, Tokenizer};
use reqwest::cookie::{CookieStore, Jar};
use url::Url;

use super::Failed;

/// A browser with cookies of its own.
#[derive(Debug)]
pub struct Browser {
    client: reqwest::Client,
    cookies: Arc<Jar>,
}

impl Browser {
    /// Opens a browser that has been nowhere yet.
    pub fn new() -> Result<Self, Failed> {
        let cookies = Arc::new(Jar::default());
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .cookie_provider(Arc::clone(&cookies))
            .no_proxy()
            .build()?;
        Ok(Self { client, cookies })
    }

    /// Opens an address.
    pub async fn open(&self, url: &str) -> Result<Page, Failed> {
        self.send(self.client.get(url)).await
    }

    /// Goes where the page redirects to, with status 303.
    pub async fn follow(&self, page: &Page) -> Result<Page, Failed> {
        self.open(page.redirect()?.as_str()).await
    }

    /// Submits a form.
    pub async fn submit(&self, form: &Form) -> Result<Page, Failed> {
        let pairs = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = self.client.post(form.action.clone()).body(form::encode(pairs));
        self.send(request.header("Content-Type", "application/x-www-form-urlencoded")).await
    }

    /// Returns the cookies that go to an address.
    #[must_use]
    pub fn cookies(&self, url: &Url) -> String {
        let header = self.cookies.cookies(url);
        header.and_then(|value| value.to_str().map(String::from).ok()).unwrap_or_default()
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Page, Failed> {
        let response = request.send().await?;
        let (url, status) = (response.url().clone(), response.status().as_u16());
        let headers = response.headers().clone();
        Ok(Page::read(url, status, headers, response.text().await?))
    }
}

/// What a browser got, and what it found in it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page {
    /// Where it came from.
    pub url: Url,
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its text.
    pub body: String,
    /// The forms, in order.
    pub forms: Vec<Form>,
    /// Where its pictures are.
    pub pictures: Vec<Url>,
    /// The roles of its elements, `alert` for one.
    pub roles: Vec<String>,
}

impl Page {
    fn read(url: Url, status: u16, headers: HeaderMap, body: String) -> Self {
        let (forms, pictures, roles) = (vec![], vec![], vec![]);
        let mut page = Self { url, status, headers, body: String::new(), forms, pictures, roles };
        for token in Tokenizer::new(&body).flatten() {
            if let Token::StartTag(tag) = token {
                page.take_up(&tag);
            }
        }
        Self { body, ..page }
    }

    fn take_up(&mut self, tag: &StartTag<()>) {
        self.roles.extend(attribute(tag, "role"));
        let name = attribute(tag, "name");
        let value = attribute(tag, "value").unwrap_or_default();
        let linked = |name: &str| attribute(tag, name).and_then(|link| self.url.join(&link).ok());
        match (tag.name.as_slice(), self.forms.last_mut(), name) {
            (b"form", ..) => self.forms.extend(linked("action").map(Form::new)),
            (b"img", ..) => self.pictures.extend(linked("src")),
            (b"button", Some(form), Some(name)) => form.buttons.push((name, value)),
            (b"input", Some(form), Some(name)) if attribute(tag, "type").as_deref() == Some("checkbox") => {
                form.buttons.push((name, value));
            }
            (b"input", Some(form), Some(name)) => form.fields.push((name, value)),
            _ => {}
        }
    }

    /// Returns where the page sends the browser, with status 303.
    pub fn redirect(&self) -> Result<Url, Failed> {
        let location = self.headers.get("Location").and_then(|value| value.to_str().ok());
        match location {
            Some(location) if self.status == 303 => Ok(self.url.join(location)?),
            _ => Err(Failed::new(format!("expected a redirect, got status {}", self.status))),
        }
    }

    /// Returns the form that goes to a path.
    pub fn form(&self, path: &str) -> Result<Form, Failed> {
        let form = self.forms.iter().find(|form| form.action.path() == path);
        form.cloned()
            .ok_or_else(|| Failed::new(format!("the page (status {}) has no form for {path}", self.status)))
    }
}

/// A form of a page.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Form {
    /// Where it goes.
    pub action: Url,
    /// What it sends.
    pub fields: Vec<(String, String)>,
    /// What its buttons and boxes add.
    pub buttons: Vec<(String, String)>,
}

impl Form {
    const fn new(action: Url) -> Self {
        Self { action, fields: vec![], buttons: vec![] }
    }

    /// Fills in a field.
    pub fn fill(mut self, name: &str, value: &str) -> Result<Self, Failed> {
        let field = self.fields.iter_mut().find(|(field, _)| field == name);
        let (_, filled) = field.ok_or_else(|| Failed::new(format!("the form has no field {name}")))?;
        value.clone_into(filled);
        Ok(self)
    }

    /// Presses a button, or ticks a box.
    pub fn press(mut self, name: &str, value: &str) -> Result<Self, Failed> {
        let pressed = (name.to_owned(), value.to_owned());
        if !self.buttons.contains(&pressed) {
            return Err(Failed::new(format!("the form has no button {name}={value}")));
        }
        self.fields.push(pressed);
        Ok(self)
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value: &HtmlString = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}
