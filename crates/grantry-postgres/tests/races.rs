//! Many requests for one grant, each over a connection of its own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

extern crate alloc;

mod support;

use alloc::sync::Arc;
use core::time::Duration;

use grantry_core::HttpRequest;
use grantry_server::{Policy, Reason, TokenAnswer, TokenResponse};
use support::{Database, NOW, Site, TestStore, assert_denied, issued, redemption, refresh, refresh_token};
use tokio::sync::Barrier;

const PRESENTATIONS: usize = 64;
const RETRY: Duration = Duration::from_secs(10);

async fn site(database: &Database, policy: Policy) -> Arc<Site<TestStore>> {
    database.store().await;
    let store = database.store_over(database.pool(PRESENTATIONS));
    Arc::new(Site::with_policy(store, policy))
}

/// Presents one request many times at once.
async fn race(site: &Arc<Site<TestStore>>, request: HttpRequest) -> Vec<TokenAnswer> {
    let start = Arc::new(Barrier::new(PRESENTATIONS));
    let tasks: Vec<_> = (0..PRESENTATIONS)
        .map(|_| {
            let (site, request, start) = (Arc::clone(site), request.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                site.token(&request, NOW + 1).await.answer
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

fn successes(answers: &[TokenAnswer]) -> Vec<&TokenResponse> {
    let mut successes = Vec::new();
    for answer in answers {
        if let TokenAnswer::Issued(tokens) = answer {
            successes.push(tokens);
        }
    }
    successes
}

/// One success; the others raise the alarm or come after it.
#[track_caller]
fn one_success(answers: &[TokenAnswer], alarm: Reason) {
    assert_eq!(successes(answers).len(), 1);
    for answer in answers {
        if let TokenAnswer::Denied(denial) = answer {
            assert!([alarm, Reason::GrantRevoked].contains(&denial.reason), "{:?}", denial.reason);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_redemptions_of_one_code_one_succeeds() {
    let Some(database) = Database::new("of_64_redemptions_of_one_code_one_succeeds").await else { return };
    let site = site(&database, Policy::default()).await;
    let code = site.code("web", NOW).await;
    let answers = race(&site, redemption("web", &code)).await;
    one_success(&answers, Reason::CodeReused);
    // RFC 6749 section 4.1.2: what the code gave is taken back.
    let token = refresh_token(successes(&answers).first().unwrap());
    let later = site.token(&refresh("web", token), NOW + 2).await;
    assert_denied(&later, Reason::GrantRevoked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_refreshes_of_one_token_one_succeeds() {
    let Some(database) = Database::new("of_64_refreshes_of_one_token_one_succeeds").await else { return };
    let site = site(&database, Policy::default()).await;
    let tokens = site.tokens("web", NOW).await;
    let answers = race(&site, refresh("web", refresh_token(&tokens))).await;
    one_success(&answers, Reason::RefreshTokenReused);
    let token = refresh_token(successes(&answers).first().unwrap());
    let later = site.token(&refresh("web", token), NOW + 2).await;
    assert_denied(&later, Reason::GrantRevoked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_retry_64_refreshes_of_one_token_get_one_successor() {
    let name = "with_retry_64_refreshes_of_one_token_get_one_successor";
    let Some(database) = Database::new(name).await else { return };
    let site = site(&database, Policy::default().with_refresh_retry(RETRY)).await;
    let tokens = site.tokens("web", NOW).await;
    let answers = race(&site, refresh("web", refresh_token(&tokens))).await;
    let successes = successes(&answers);
    assert_eq!(successes.len(), PRESENTATIONS);
    let successor = refresh_token(successes.first().unwrap());
    assert!(successes.iter().all(|tokens| refresh_token(tokens).expose() == successor.expose()));
    issued(site.token(&refresh("web", successor), NOW + 2).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_retry_64_redemptions_of_one_code_get_one_refresh_token() {
    let name = "with_retry_64_redemptions_of_one_code_get_one_refresh_token";
    let Some(database) = Database::new(name).await else { return };
    let site = site(&database, Policy::default().with_code_retry(RETRY)).await;
    let code = site.code("web", NOW).await;
    let answers = race(&site, redemption("web", &code)).await;
    let successes = successes(&answers);
    assert_eq!(successes.len(), PRESENTATIONS);
    let token = refresh_token(successes.first().unwrap());
    assert!(successes.iter().all(|tokens| refresh_token(tokens).expose() == token.expose()));
    issued(site.token(&refresh("web", token), NOW + 2).await);
}
