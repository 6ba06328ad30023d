//! Where a store that keeps grants finds the registrations of clients.

use alloc::{boxed::Box, collections::BTreeMap, sync::Arc};
#[cfg(feature = "std")]
use std::sync::{PoisonError, RwLock};

use grantry_core::ClientId;

use crate::client::Client;

/// The registrations that a store hands to operations, beside the grants that it keeps itself.
///
/// Hosts keep their clients where they are managed: in a file of settings, in a table of their own. What is called
/// here is called by every request, so it answers from memory or from something as near. An asynchronous store
/// calls it on its executor's thread: there it must not block. A host whose registrations have to be awaited
/// implements the store's trait around the store: it reads the client by itself, hands the rest of the
/// [`Lookup`](crate::Lookup) on, and adds [`Records::with_client`](crate::Records::with_client).
///
/// A client is one at every issuer. A host whose tenants have clients of their own reads them by itself in the same
/// way, parted by [`Lookup::issuer`](crate::Lookup::issuer).
pub trait Clients: Send + Sync {
    /// Finds the registration of exactly this client; `None` if there is no such client.
    ///
    /// # Errors
    ///
    /// [`ClientsUnavailable`] when the registrations cannot be read now. It becomes status 503; an absent client
    /// is refused.
    fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, ClientsUnavailable>;
}

/// The registrations cannot be read now. Why is for the host to log where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the registrations of clients cannot be read")]
#[expect(clippy::exhaustive_structs, reason = "hosts make it, and it holds nothing")]
pub struct ClientsUnavailable;

/// Registrations that stay as they are.
impl Clients for BTreeMap<ClientId, Arc<Client>> {
    fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, ClientsUnavailable> {
        Ok(self.get(id).cloned())
    }
}

macro_rules! through_a_reference {
    ($($pointer:ty),*) => {$(
        impl<C: Clients + ?Sized> Clients for $pointer {
            fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, ClientsUnavailable> {
                (**self).client(id)
            }
        }
    )*};
}

through_a_reference!(&C, Box<C>, Arc<C>);

/// Registrations in memory, which a host adds, replaces and removes while its server runs.
///
/// Share it as an `Arc` between the store and whatever manages the clients.
#[cfg(feature = "std")]
#[derive(Debug, Default)]
pub struct MemoryClients(RwLock<BTreeMap<ClientId, Arc<Client>>>);

#[cfg(feature = "std")]
impl MemoryClients {
    /// Makes a register of these clients.
    #[must_use]
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        let register = Self::default();
        clients.into_iter().for_each(|client| register.put(client));
        register
    }

    /// Adds a client or replaces its registration.
    pub fn put(&self, client: Client) {
        let mut clients = self.0.write().unwrap_or_else(PoisonError::into_inner);
        clients.insert(client.id().clone(), Arc::new(client));
    }

    /// Removes a client: it can redeem and refresh nothing any more. Its access tokens live on where others look
    /// them up, until [`Policy::with_not_before_of_client`](crate::Policy::with_not_before_of_client) ends
    /// them.
    pub fn remove(&self, id: &ClientId) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

#[cfg(feature = "std")]
impl FromIterator<Client> for MemoryClients {
    fn from_iter<I: IntoIterator<Item = Client>>(clients: I) -> Self {
        Self::new(clients)
    }
}

#[cfg(feature = "std")]
impl Clients for MemoryClients {
    fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, ClientsUnavailable> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_authentication::ClientAuthentication;

    #[test]
    fn a_register_finds_what_was_put_last_and_nothing_that_was_removed() {
        let id = |text| ClientId::parse(text).unwrap();
        let named = |name| Client::new(id("app"), ClientAuthentication::None).with_name(name);
        let register = Arc::new(MemoryClients::new([named("first")]));
        let name = |text| {
            let found = Clients::client(&register, &id(text)).unwrap();
            found.map(|client| alloc::string::String::from(client.name()))
        };
        assert_eq!((name("app").as_deref(), name("App"), name("ap")), (Some("first"), None, None));
        register.put(named("second"));
        assert_eq!(name("app").as_deref(), Some("second"));
        register.remove(&id("app"));
        assert_eq!(name("app"), None);
    }
}
