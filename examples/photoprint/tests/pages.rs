//! What the pages must not do, tried over the sockets with a browser that a person does not hold.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use photoprint::tour::{Browser, Form, Page};
use photoprint::{Narrator, Sites};

async fn sites() -> Sites {
    Sites::open(Narrator::new(std::io::sink()), "PhotoPrint").await.unwrap()
}

/// Connects up to the accounts site's first page.
async fn asked(sites: &Sites, browser: &Browser) -> Page {
    let home = browser.open(sites.shop_url()).await.unwrap();
    let redirect = browser.submit(&home.form("/connect").unwrap()).await.unwrap();
    browser.follow(&redirect).await.unwrap()
}

/// Connects and signs in, up to the consent page.
async fn signed_in(sites: &Sites, browser: &Browser) -> Page {
    let login = asked(sites, browser).await.form("/login").unwrap();
    let login = login.fill("username", sites.username()).unwrap();
    let login = login.fill("password", sites.password().expose()).unwrap();
    let redirect = browser.submit(&login).await.unwrap();
    browser.follow(&redirect).await.unwrap()
}

fn allow(consent: &Page) -> Form {
    consent.form("/consent").unwrap().press("decision", "allow").unwrap()
}

fn without(mut form: Form, name: &str) -> Form {
    form.fields.retain(|(field, _)| field != name);
    form
}

#[tokio::test]
async fn a_hostile_client_name_is_text_on_every_page() {
    let name = "<script>alert(1)</script>\"'&\u{202e}";
    let sites = Sites::open(Narrator::new(std::io::sink()), name).await.unwrap();
    let browser = Browser::new().unwrap();
    let consent = signed_in(&sites, &browser).await;
    for page in [asked(&sites, &Browser::new().unwrap()).await, consent] {
        assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{}", page.body);
        assert!(!page.body.contains("<script") && !page.body.contains('\u{202e}'), "{}", page.body);
    }
}

#[tokio::test]
async fn rfc9700_4_7_a_form_without_its_csrf_value_changes_nothing() {
    let (sites, browser) = (sites().await, Browser::new().unwrap());
    let consent = signed_in(&sites, &browser).await;
    let home = browser.open(sites.shop_url()).await.unwrap();
    let other = asked(&sites, &Browser::new().unwrap()).await.form("/login").unwrap();
    let others_csrf = other.fields.into_iter().find(|(name, _)| name == "csrf").unwrap().1;
    for form in [
        without(allow(&consent), "csrf"),
        allow(&consent).fill("csrf", &others_csrf).unwrap(),
        without(allow(&consent), "interaction"),
        without(home.form("/connect").unwrap(), "csrf"),
    ] {
        assert_eq!(browser.submit(&form).await.unwrap().status, 403, "{}", form.action);
    }
    assert_eq!(browser.submit(&allow(&consent)).await.unwrap().status, 303);
}

#[tokio::test]
async fn rfc9700_4_7_a_request_sealed_for_another_session_is_refused() {
    let (sites, browser, other) = (sites().await, Browser::new().unwrap(), Browser::new().unwrap());
    let (consent, others) = (signed_in(&sites, &browser).await, signed_in(&sites, &other).await);
    let sealed = others.form("/consent").unwrap().fields.into_iter().find(|(name, _)| name == "interaction");
    let swapped = allow(&consent).fill("interaction", &sealed.unwrap().1).unwrap();
    assert_eq!(browser.submit(&swapped).await.unwrap().status, 403);
    assert_eq!(browser.open(others.url.as_str()).await.unwrap().status, 403);
}

#[tokio::test]
async fn consent_by_get_never_grants() {
    let (sites, browser) = (sites().await, Browser::new().unwrap());
    let consent = signed_in(&sites, &browser).await;
    let mut url = consent.url.clone();
    url.set_query(None);
    url.query_pairs_mut().extend_pairs(allow(&consent).fields);
    let shown = browser.open(url.as_str()).await.unwrap();
    assert_eq!((shown.status, shown.form("/consent").is_ok()), (200, true));
}

#[tokio::test]
async fn a_password_alone_gets_nobody_past_the_login_of_another_browser() {
    let (sites, browser) = (sites().await, Browser::new().unwrap());
    let login = asked(&sites, &browser).await.form("/login").unwrap();
    let login = login.fill("username", sites.username()).unwrap();
    let login = login.fill("password", sites.password().expose()).unwrap();
    // Login CSRF: another browser submits a form that was made for this one.
    assert_eq!(Browser::new().unwrap().submit(&login).await.unwrap().status, 403);
}

#[tokio::test]
async fn an_answer_counts_only_in_the_browser_that_asked() {
    let (sites, browser) = (sites().await, Browser::new().unwrap());
    let consent = signed_in(&sites, &browser).await;
    let answer = browser.submit(&allow(&consent)).await.unwrap().redirect().unwrap();
    let other = Browser::new().unwrap();
    other.open(sites.shop_url()).await.unwrap();
    assert_eq!(other.open(answer.as_str()).await.unwrap().status, 400);
    assert_eq!(browser.open(answer.as_str()).await.unwrap().status, 303);
}

#[tokio::test]
async fn every_page_keeps_out_of_caches_frames_and_referrers() {
    let (sites, browser) = (sites().await, Browser::new().unwrap());
    let consent = signed_in(&sites, &browser).await;
    let missing = browser.open(&format!("{}/nowhere", sites.accounts_url())).await.unwrap();
    let home = browser.open(sites.shop_url()).await.unwrap();
    for page in [consent, missing, home] {
        let header = |name: &str| page.headers.get(name).and_then(|value| value.to_str().ok()).unwrap();
        assert_eq!(header("Cache-Control"), "no-store");
        assert_eq!(header("Referrer-Policy"), "no-referrer");
        assert_eq!(header("X-Content-Type-Options"), "nosniff");
        let policy = header("Content-Security-Policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains("form-action"), "{policy}");
    }
}
