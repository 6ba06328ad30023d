//! Names that a careless store confuses: the clients and the persons of the kit.

use alloc::{format, string::String, vec::Vec};

use grantry_core::{ClientId, Scope};

use super::port::Register;
use super::rule::Mismatch;
use super::scene::{Scene, filler};
use crate::client::Client;
use crate::client_authentication::{ClientAuthentication, SecretDigest};
use crate::operation::Lookup;

/// Names of at most so many bytes, each near another one or full of what a language takes for its own.
pub(super) fn odd_names(scene: &Scene<'_>, max_bytes: usize) -> Vec<String> {
    let tag = &scene.tag;
    // Above what a double tells apart.
    let number = 1_000_000_000_000_000_000 + u64::from_be_bytes(scene.random("number", "")) / 4;
    let long = filler(scene, "name", max_bytes - 1);
    let mut names = [
        // Cases, blanks and numbers that are equal to somebody.
        format!("{tag}n"),
        format!("{tag}N"),
        format!("{tag}n "),
        format!("{tag}n  "),
        format!(" {tag}n"),
        format!("{number}"),
        format!("{}", number + 1),
        format!("0{number}"),
        format!("+{number}"),
        format!("{number}.0"),
        format!("{number}e0"),
        // Patterns of LIKE, of globs and of keys.
        format!("{tag}n%"),
        format!("{tag}n_"),
        format!("{tag}na"),
        format!("{tag}n*"),
        format!("{tag}n?"),
        format!("{tag}n[a]"),
        format!("{{{tag}n}}"),
        format!("{tag}n:"),
        // Quotes and escapes.
        format!("{tag}n'"),
        format!("{tag}n\""),
        format!("{tag}n`"),
        format!("{tag}n\\"),
        format!("{tag}n\\0"),
        format!("{tag}n%00"),
        format!("{tag}n' OR '1'='1"),
        format!("{tag}n'); DROP TABLE grants; --"),
        format!("{tag}n$1 ?1 :a @a"),
        // The end of the room, and of what an index takes of it.
        long.clone(),
    ]
    .to_vec();
    names.extend(["x", "y"].map(|last| format!("{long}{last}")));
    names
}

pub(super) async fn client_as_registered(scene: &Scene<'_>, clients: &dyn Register) -> Result<(), Mismatch> {
    let mut registered = Vec::new();
    for (name, number) in odd_names(scene, ClientId::MAX_BYTES).into_iter().zip(0..) {
        let digest = SecretDigest::from_bytes(scene.random("digest", &format!("{number}")));
        let authentication = ClientAuthentication::SecretBasic(digest);
        let client =
            Client::new(ClientId::parse(name)?, authentication).with_name(format!("Kit {number} '\u{e9}'"));
        register(clients, &client).await?;
        registered.push(client);
    }
    for client in &registered {
        reads_as(scene, client).await?;
    }
    for client in &mut registered {
        *client = client.clone().with_scope(Scope::parse("kit.read")?);
        register(clients, client).await?;
        reads_as(scene, client).await?;
    }
    for client in &registered {
        reads_as(scene, client).await?;
    }
    Ok(())
}

async fn register(clients: &dyn Register, client: &Client) -> Result<(), Mismatch> {
    let step = "registering a client";
    clients.register(client.clone()).await.map_err(|error| Mismatch::of_error(step, &error))
}

async fn reads_as(scene: &Scene<'_>, client: &Client) -> Result<(), Mismatch> {
    let step = "a read of a client";
    let expected = || format!("the client {:?} as it was registered last", client.id().as_str());
    let records = scene.read(step, &Lookup { client: Some(client.id()), ..Lookup::default() }).await?;
    match records.client(client.id()) {
        Some(read) if read == client => Ok(()),
        Some(_) => Err(Mismatch::new(step, expected(), "another registration")),
        None => Err(Mismatch::new(step, expected(), "no such client")),
    }
}
