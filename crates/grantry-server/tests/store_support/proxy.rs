//! A proxy on loopback that counts round trips: for the tests of the crates of stores.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Passes bytes on between a connection and a server. A round trip begins when a client speaks that was answered before.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    round_trips: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let round_trips = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&round_trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let is_answered = Arc::new(Mutex::new(true));
                let (asked, answered) = (Arc::clone(&is_answered), is_answered);
                let count = Arc::clone(&count);
                tokio::spawn(pass_on(from_client, to_server, move || {
                    if core::mem::take(&mut *asked.lock().unwrap()) {
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                }));
                tokio::spawn(pass_on(from_server, to_client, move || *answered.lock().unwrap() = true));
            }
        });
        Self { port, round_trips }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Runs `work`, and returns what it returns and how many round trips it took.
    pub(crate) async fn count<T>(&self, work: impl Future<Output = T>) -> (T, usize) {
        self.round_trips.store(0, Ordering::SeqCst);
        let result = work.await;
        (result, self.round_trips.load(Ordering::SeqCst))
    }
}

async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, seen: impl Fn()) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        seen();
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
