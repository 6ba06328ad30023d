//! The tour: the whole flow over the same sockets, without a person, every step checked.

mod browser;

use grantry::client::Tokens;
use grantry::core::{HttpRequest, HttpResponse, Moment, SecretString, base64url};
use url::Url;

pub use browser::{Browser, Form, Page};

use crate::narrator::{Party, short};
use crate::web::BackChannel;
use crate::{Narrator, Sites};

/// Walks the tour.
///
/// # Errors
///
/// [`Failed`] names the first step that came out otherwise than it should.
pub async fn walk(sites: &Sites, narrator: &Narrator) -> Result<(), Failed> {
    let mut tour = Tour {
        sites,
        narrator,
        browser: Browser::new()?,
        stranger: BackChannel::of(Party::Stranger)?,
        steps: 0,
    };
    let result = tour.walk().await;
    result.map_err(|failed| Failed::new(format!("step {}: {failed}", tour.steps)))
}

/// What came out otherwise than it should. It names no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(String);

struct Tour<'a> {
    sites: &'a Sites,
    narrator: &'a Narrator,
    browser: Browser,
    /// Somebody who is not PhotoPrint, with what was stolen from it.
    stranger: BackChannel,
    steps: usize,
}

impl Tour<'_> {
    async fn walk(&mut self) -> Result<(), Failed> {
        let login = self.ask().await?;
        let consent = self.log_in(login).await?;
        self.deny(&consent).await?;
        self.allow("The person changes their mind: still signed in, so no password is asked").await?;
        self.see_photos().await?;
        let stolen = self.read_access_token().await?;
        self.refresh(&stolen).await?;
        self.raise_alarm(&stolen).await?;
        self.allow("The person connects again").await?;
        self.disconnect().await?;
        self.narrator.say(&format!("\nAll {} steps came out as they should.", self.steps));
        Ok(())
    }

    async fn ask(&mut self) -> Result<Page, Failed> {
        self.step("A person opens PhotoPrint and presses Connect");
        let redirect = self.press_connect().await?;
        let url = redirect.redirect()?;
        let asked = |name: &str| url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value);
        self.check(
            url.as_str().starts_with(&self.sites.accounts_url),
            "the browser is sent to the accounts site",
        )?;
        self.check(
            asked("code_challenge_method").as_deref() == Some("S256"),
            "the request has a PKCE challenge",
        )?;
        self.check(
            asked("state").is_some() && asked("nonce").is_some(),
            "the request has a state and a nonce",
        )?;

        self.step("The same question with prompt=none, from a browser that is not signed in");
        let answer = Browser::new()?.open(&format!("{url}&prompt=none")).await?;
        self.check_error(&answer, "login_required")?;

        self.step("The browser goes to the accounts site");
        let login = self.browser.follow(&redirect).await?;
        self.check(login.status == 200 && login.form("/login").is_ok(), "the login page is shown")?;
        Ok(login)
    }

    async fn log_in(&mut self, login: Page) -> Result<Page, Failed> {
        self.step("The person mistypes the password");
        let form = login.form("/login")?.fill("username", self.sites.username())?;
        let again = self.browser.submit(&form.fill("password", "not the password")?).await?;
        self.check(
            again.roles.iter().any(|role| role == "alert"),
            "the login page is shown again, with the reason",
        )?;

        self.step("The person signs in");
        let before = self.browser.cookies(&again.url);
        let form = again.form("/login")?.fill("username", self.sites.username())?;
        let answer = self.browser.submit(&form.fill("password", self.sites.password.expose())?).await?;
        self.check(
            self.browser.cookies(&again.url) != before,
            "the session of the accounts site is a new one",
        )?;
        let consent = self.browser.follow(&answer).await?;
        self.check(consent.form("/consent").is_ok(), "the consent page is shown")?;
        self.check(consent.body.contains("See your photos"), "the consent page says what PhotoPrint wants")?;
        Ok(consent)
    }

    async fn deny(&mut self, consent: &Page) -> Result<(), Failed> {
        self.step("The person says no");
        let answer = self.browser.submit(&consent.form("/consent")?.press("decision", "deny")?).await?;
        self.check_error(&answer, "access_denied")?;
        let home = self.browser.follow(&self.browser.follow(&answer).await?).await?;
        self.check(home.body.contains("You said no"), "PhotoPrint says that nothing was shared")
    }

    /// Connects, from PhotoPrint's start page to the photos.
    async fn allow(&mut self, title: &str) -> Result<(), Failed> {
        self.step(title);
        let consent = self.browser.follow(&self.press_connect().await?).await?;
        let form = consent.form("/consent")?.press("decision", "allow")?;
        let answer = self.browser.submit(&form).await?;
        let url = answer.redirect()?;
        let names: Vec<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        self.check(names == ["code", "state", "iss"], "a code goes to PhotoPrint through the browser")?;

        self.step("PhotoPrint exchanges the code for tokens, and checks the ID token");
        let connected = self.browser.follow(&answer).await?;
        self.check(connected.redirect()?.path() == "/photos", "the person is connected")?;
        let again = self.browser.follow(&answer).await?;
        self.check(again.status == 400, "the same answer is worth nothing a second time")
    }

    async fn see_photos(&mut self) -> Result<(), Failed> {
        self.step("PhotoPrint shows the photos");
        let page = self.browser.open(&self.album()).await?;
        self.check(page.status == 200 && page.pictures.len() == 4, "the page shows 4 photos")?;
        for picture in &page.pictures {
            let picture = self.browser.open(picture.as_str()).await?;
            let is_svg = picture.headers.get("Content-Type").is_some_and(|value| value == "image/svg+xml");
            self.check(
                is_svg && picture.body.starts_with("<svg"),
                &format!("{} is a picture", picture.url.path()),
            )?;
        }
        let tokens = self.tokens().await?;
        let cookies = self.browser.cookies(&page.url);
        let seen =
            |secret: &SecretString| page.body.contains(secret.expose()) || cookies.contains(secret.expose());
        let leaked = seen(tokens.access_token()) || tokens.refresh_token().is_some_and(seen);
        self.check(!leaked, "no token is in the page or in a cookie")?;

        self.step("Somebody asks the photos API without a token");
        let answer = self.stranger.send(HttpRequest::new("GET", self.photos())).await?;
        self.check(answer.status == 401, "the photos API refuses")
    }

    async fn read_access_token(&mut self) -> Result<Tokens, Failed> {
        self.step("What PhotoPrint's access token says");
        let tokens = self.tokens().await?;
        let mut parts = tokens.access_token().expose().split('.');
        let header = decoded(parts.next())?;
        let claims = decoded(parts.next())?;
        self.show("header", &header);
        self.show("claims", &claims);
        self.check(
            member(&header, "typ") == "at+jwt" && member(&header, "alg") == "RS256",
            "it is an access token by RFC 9068",
        )?;
        self.check(member(&claims, "iss") == self.sites.accounts_url, "the accounts site issued it")?;
        self.check(member(&claims, "aud") == self.sites.photos_url, "it is for the photos API")?;
        self.check(
            member(&claims, "client_id") == "photoprint" && member(&claims, "sub") != "photoprint",
            "PhotoPrint acts for the person",
        )?;
        Ok(tokens)
    }

    async fn refresh(&mut self, before: &Tokens) -> Result<(), Failed> {
        self.step("The person presses Refresh the token");
        let page = self.press("/refresh").await?;
        self.check(page.redirect()?.path() == "/photos", "PhotoPrint has new tokens")?;
        let after = self.tokens().await?;
        let text = |tokens: &Tokens| tokens.refresh_token().map(|token| token.expose().to_owned());
        self.check(
            text(before).is_some() && text(before) != text(&after),
            "the refresh token is another one",
        )?;
        let page = self.browser.follow(&page).await?;
        self.check(page.status == 200 && page.pictures.len() == 4, "the photos are still there")
    }

    async fn raise_alarm(&mut self, stolen: &Tokens) -> Result<(), Failed> {
        let open_page = self.browser.open(&self.album()).await?;
        self.step("Somebody who copied the first refresh token uses it");
        let current = self.tokens().await?;
        let refresh = self.sites.shop.accounts.client.refresh(stolen);
        let moment = Moment::now().map_err(|error| Failed::new(error.to_string()))?;
        let request = refresh.map_err(|error| Failed::new(error.to_string()))?.request(moment);
        let request = request.map_err(|error| Failed::new(error.to_string()))?;
        let answer = self.stranger.send(request).await?;
        self.check(
            answer.status == 400 && error(&answer) == "invalid_grant",
            "the accounts site refuses it",
        )?;

        self.step("That was the alarm: of the two holders one is a thief, so both lose");
        let answer = self.stranger.send(with_token(self.photos(), current.access_token())).await?;
        self.check(answer.status == 401, "the photos API refuses the access token, long before it expires")?;
        let answer = self.browser.submit(&open_page.form("/refresh")?).await?;
        let home = self.browser.follow(&answer).await?;
        self.check(home.body.contains("ended the connection"), "the newest refresh token is refused too")
    }

    async fn disconnect(&mut self) -> Result<(), Failed> {
        self.step("The person presses Disconnect");
        let tokens = self.tokens().await?;
        let answer = self.stranger.send(with_token(self.photos(), tokens.access_token())).await?;
        self.check(answer.status == 200, "until then the access token is good")?;
        let home = self.browser.follow(&self.press("/disconnect").await?).await?;
        self.check(
            home.body.contains("can no longer see your photos"),
            "PhotoPrint has given its tokens back",
        )?;

        self.step("A copy of the access token is shown to the photos API");
        let answer = self.stranger.send(with_token(self.photos(), tokens.access_token())).await?;
        let challenge = answer.headers.only("WWW-Authenticate").unwrap_or_default();
        self.check(answer.status == 401 && challenge.contains("invalid_token"), "the photos API refuses")
    }

    async fn press_connect(&self) -> Result<Page, Failed> {
        let home = self.browser.open(&self.sites.shop_url).await?;
        self.browser.submit(&home.form("/connect")?).await
    }

    /// Presses a button of the page with the photos.
    async fn press(&self, path: &str) -> Result<Page, Failed> {
        let page = self.browser.open(&self.album()).await?;
        self.browser.submit(&page.form(path)?).await
    }

    async fn tokens(&self) -> Result<Tokens, Failed> {
        self.sites.shop.copy_of_newest_tokens().await.ok_or_else(|| Failed::new("PhotoPrint has no tokens"))
    }

    fn photos(&self) -> String {
        format!("{}/photos", self.sites.photos_url)
    }

    fn album(&self) -> String {
        format!("{}/photos", self.sites.shop_url)
    }

    fn step(&mut self, title: &str) {
        self.steps += 1;
        self.narrator.say(&format!("\n{:2}. {title}", self.steps));
    }

    fn check(&self, holds: bool, what: &str) -> Result<(), Failed> {
        if !holds {
            return Err(Failed::new(format!("it does not hold that {what}")));
        }
        self.narrator.say(&format!("    ok  {what}"));
        Ok(())
    }

    fn check_error(&self, answer: &Page, expected: &str) -> Result<(), Failed> {
        let url: Url = answer.redirect()?;
        let error = url.query_pairs().find(|(name, _)| name == "error").map(|(_, value)| value.into_owned());
        self.check(error.as_deref() == Some(expected), &format!("PhotoPrint is answered {expected}"))
    }

    fn show(&self, title: &str, object: &serde_json::Value) {
        self.narrator.say(&format!("    {title}"));
        for (name, value) in object.as_object().into_iter().flatten() {
            let value = match value.as_str() {
                // A key id and a token id are no secrets, and nobody reads them to the end either.
                Some(text) if name == "kid" || name == "jti" => short(text),
                _ => value.to_string(),
            };
            self.narrator.say(&format!("        {name:<10} {value}"));
        }
    }
}

impl Failed {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

fn with_token(url: String, access_token: &SecretString) -> HttpRequest {
    HttpRequest::new("GET", url).with_header("Authorization", format!("Bearer {}", access_token.expose()))
}

fn error(answer: &HttpResponse) -> String {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    member(&body, "error").into()
}

fn member<'a>(object: &'a serde_json::Value, name: &str) -> &'a str {
    object.get(name).and_then(|member| member.as_str()).unwrap_or_default()
}

fn decoded(part: Option<&str>) -> Result<serde_json::Value, Failed> {
    let bytes =
        base64url::decode(part.unwrap_or_default()).map_err(|_| Failed::new("the token is no JWT"))?;
    serde_json::from_slice(&bytes).map_err(|_| Failed::new("the token is no JWT"))
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        Self::new(format!("no answer: {}", error.without_url()))
    }
}

impl From<crate::web::Unreachable> for Failed {
    fn from(error: crate::web::Unreachable) -> Self {
        Self::new(error.to_string())
    }
}

impl From<url::ParseError> for Failed {
    fn from(error: url::ParseError) -> Self {
        Self::new(error.to_string())
    }
}
