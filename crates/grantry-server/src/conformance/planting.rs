//! The rules of records that cannot be read.

use alloc::vec::Vec;

use super::port::{Answer, List, Plant};
use super::rule::Mismatch;
use super::scene::{Scene, insert, rotated};
use crate::decision::{ChangeSet, Outcome};
use crate::grant::Grant;
use crate::grant_list::{GrantsOf, MAX_LISTED_GRANTS};
use crate::operation::{Lookup, Version};

/// A scene with a store whose records can be overwritten, and perhaps listed.
pub(super) struct Plants<'a, 's> {
    pub(super) scene: &'a Scene<'s>,
    pub(super) plant: &'a dyn Plant,
    pub(super) list: Option<&'a dyn List>,
}

impl Plants<'_, '_> {
    pub(super) async fn corrupt_is_refused(&self) -> Result<(), Mismatch> {
        self.refuses("corrupt", |good| {
            let half = good.len() / 2;
            [
                good.iter().copied().take(1).collect(),
                good.iter().copied().take(half).collect(),
                good.iter().copied().take(good.len() - 1).collect(),
                good.iter().copied().chain([0]).collect(),
                [0].into_iter().chain(good.iter().copied().skip(1)).collect(),
            ]
        })
        .await
    }

    pub(super) async fn newer_is_refused(&self) -> Result<(), Mismatch> {
        self.refuses("newer", |good| {
            let form = good.first().copied().unwrap_or_default();
            [form.saturating_add(1), u8::MAX]
                .map(|form| [form].into_iter().chain(good.iter().copied().skip(1)).collect())
        })
        .await
    }

    async fn refuses<const N: usize>(
        &self,
        label: &str,
        spoil: impl Fn(&[u8]) -> [Vec<u8>; N],
    ) -> Result<(), Mismatch> {
        let scene = self.scene;
        let (subject, client_id) = (scene.subject(label)?, scene.client_id(label)?);
        let grant = scene.grant_of(scene.id(label), &client_id, Some(&subject));
        let bytes = grant.to_bytes();
        scene.applies("inserting a grant", [insert(&grant)]).await?;
        for spoiled in spoil(&bytes) {
            self.plant(&grant, spoiled).await?;
            let lookup = Lookup { grant: Some(grant.id()), ..Lookup::default() };
            fails("a read of what cannot be decoded", scene.parts.store.read(&lookup)).await?;
            for of in
                [GrantsOf::Subject(&scene.issuer, &subject), GrantsOf::Client(&scene.issuer, &client_id)]
            {
                if let Some(list) = self.list {
                    let listed = list.list(of, None, MAX_LISTED_GRANTS);
                    fails("a list with what cannot be decoded", listed).await?;
                }
            }
            let again = ChangeSet::from_iter([insert(&rotated(&grant, 1))]);
            if scene.parts.store.commit(&again).await == Ok(Outcome::Applied) {
                let step = "an insert over what cannot be decoded";
                return Err(Mismatch::new(step, "a conflict or an error", "Applied"));
            }
            self.plant(&grant, bytes.clone()).await?;
            scene.stands("a read of the restored record", &grant, Version::FIRST).await?;
        }
        Ok(())
    }

    async fn plant(&self, grant: &Grant, bytes: Vec<u8>) -> Result<(), Mismatch> {
        let planted = self.plant.plant(grant.id(), bytes).await;
        planted.map_err(|error| Mismatch::of_error("overwriting the bytes of a record", &error))
    }
}

async fn fails<T>(step: &'static str, answer: Answer<'_, T>) -> Result<(), Mismatch> {
    match answer.await {
        Err(_) => Ok(()),
        Ok(_) => Err(Mismatch::new(step, "an error", "an answer")),
    }
}
