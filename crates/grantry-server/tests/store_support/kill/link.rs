//! A user's connection: it asks until it is answered.

use alloc::sync::Arc;
use core::time::Duration;

use grantry_core::{HttpRequest, HttpResponse};
use grantry_server::Effect;
use serde_json::Value;
use tokio::sync::watch;

/// The header that tells what an answer has written.
pub(crate) const EFFECT: &str = "Effect";
/// How often the database may fail one request while its server starts again.
const MAX_OUTAGES: usize = 10_000;

/// Where the process serves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Serving {
    pub(crate) port: u16,
    /// How often the process or the database's server was started.
    pub(crate) restarts: usize,
    pub(crate) is_over: bool,
}

pub(crate) struct Link {
    client: reqwest::Client,
    serving: watch::Receiver<Serving>,
    answered: Arc<watch::Sender<usize>>,
    may_fail: bool,
}

impl Link {
    pub(crate) fn new(
        serving: watch::Receiver<Serving>,
        answered: Arc<watch::Sender<usize>>,
        may_fail: bool,
    ) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { client: client.build().unwrap(), serving, answered, may_fail }
    }

    pub(crate) fn serving(&self) -> Serving {
        *self.serving.borrow()
    }

    /// Waits until the process serves for the first time.
    pub(crate) async fn open(&mut self) {
        self.serving.wait_for(|serving| serving.restarts > 0).await.unwrap();
    }

    /// Asks the same until it is answered.
    pub(crate) async fn ask(&mut self, request: &HttpRequest) -> Answer {
        for lost in 0..MAX_OUTAGES {
            let Serving { port, restarts, .. } = self.serving();
            match self.try_ask(port, request).await {
                Ok(response) if response.status == 503 => {
                    assert!(self.may_fail, "the store failed");
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Ok(response) => {
                    self.answered.send_modify(|answered| *answered += 1);
                    return Answer { response, lost };
                }
                Err(_) => {
                    self.serving.wait_for(|serving| serving.restarts > restarts).await.unwrap();
                }
            }
        }
        panic!("the store does not come back");
    }

    async fn try_ask(&self, port: u16, request: &HttpRequest) -> reqwest::Result<HttpResponse> {
        let mut request = request.clone();
        request.target.insert_str(0, &format!("http://127.0.0.1:{port}"));
        let request = axum::http::Request::try_from(request).unwrap();
        let response = self.client.execute(reqwest::Request::try_from(request).unwrap()).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut whole = axum::http::Response::new(response.bytes().await?);
        *whole.status_mut() = status;
        *whole.headers_mut() = headers;
        Ok(HttpResponse::from(whole))
    }
}

/// An answer that arrived.
pub(crate) struct Answer {
    pub(crate) response: HttpResponse,
    /// How many before it got lost.
    pub(crate) lost: usize,
}

impl Answer {
    pub(crate) fn effect(&self) -> Effect {
        let effect = self.response.headers.only(EFFECT).unwrap();
        let effects = [Effect::Written, Effect::Repeated, Effect::Nothing];
        effects.into_iter().find(|known| format!("{known:?}") == effect).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.response.body).unwrap()
    }
}
