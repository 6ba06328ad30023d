//! Who may log in: passwords, checked slowly and away from the async threads.

use std::collections::BTreeMap;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};
use grantry::core::{Moment, SecretString};
use grantry::server::Subject;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// The most checks at once: each takes 19 MiB of memory, and anybody can ask for one.
const MAX_CHECKS: usize = 2;

/// A person with an account.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) subject: Subject,
    pub(crate) name: String,
}

/// The accounts of the site.
pub(crate) struct Passwords {
    accounts: BTreeMap<String, Account>,
    decoy: PasswordHash,
    checks: Semaphore,
}

struct Account {
    person: Person,
    hash: PasswordHash,
}

impl Passwords {
    /// Makes the one account of the demonstration.
    pub(crate) async fn new(
        username: &str,
        password: &SecretString,
        person: Person,
        moment: &Moment,
    ) -> Result<Self, Error> {
        let account = Account { person, hash: hash(password.clone()).await? };
        let decoy = hash(SecretString::from(moment.random_text("decoy password"))).await?;
        let accounts = BTreeMap::from([(username.to_owned(), account)]);
        Ok(Self { accounts, decoy, checks: Semaphore::new(MAX_CHECKS) })
    }

    /// Checks a password. An unknown user costs the same work as a known one, so that the time of
    /// the answer does not tell who has an account.
    pub(crate) async fn check(&self, username: &str, password: SecretString) -> Option<Person> {
        let account = self.accounts.get(username);
        let hash = account.map_or(&self.decoy, |account| &account.hash).clone();
        let _permit = self.checks.acquire().await.ok()?;
        let verify = move || Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok();
        let verified = spawn_blocking(verify).await.unwrap_or(false);
        account.filter(|_| verified).map(|account| account.person.clone())
    }
}

async fn hash(password: SecretString) -> Result<PasswordHash, Error> {
    let hashed = spawn_blocking(move || Argon2::default().hash_password(password.expose().as_bytes()));
    hashed.await.map_err(|_| Error::Crypto)?
}
