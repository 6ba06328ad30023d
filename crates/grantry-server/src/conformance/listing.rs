//! The rules of lists.

use alloc::{format, sync::Arc, vec::Vec};

use grantry_core::{ClientId, Issuer};

use super::names::odd_names;
use super::port::List;
use super::rule::Mismatch;
use super::scene::{Scene, insert, replace, rotated};
use crate::grant::{Grant, GrantId, Origin, State, Subject};
use crate::grant_list::{GrantsOf, MAX_LISTED_GRANTS};
use crate::operation::Version;

/// More pages than the kit ever fills: a list without an end is found out.
const MAX_PAGES: usize = 400;
/// OpenID Connect Core section 2.
const MAX_SUBJECT_BYTES: usize = 255;

/// A scene with a store that lists.
pub(super) struct Lists<'a, 's> {
    pub(super) scene: &'a Scene<'s>,
    pub(super) list: &'a dyn List,
}

impl Lists<'_, '_> {
    pub(super) async fn list_their_own(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let (ann, bob) = (scene.subject("own a")?, scene.subject("own b")?);
        let (app, web) = (scene.client_id("own app")?, scene.client_id("own web")?);
        let other = Issuer::parse(format!("https://{}.other.example", scene.tag))?;
        let nobody = (scene.subject("own nobody")?, scene.client_id("own nobody")?);
        let grants = [
            scene.grant_of(scene.id("own 1"), &app, Some(&ann)),
            scene.grant_of(scene.id("own 2"), &app, Some(&ann)),
            scene.grant_of(scene.id("own 3"), &web, Some(&ann)),
            scene.grant_of(scene.id("own 4"), &app, Some(&bob)),
            scene.grant_of(scene.id("own 5"), &app, None),
            scene.grant_at(&other, scene.id("own 6"), &app, Some(&ann)),
            scene.grant_at(&other, scene.id("own 7"), &app, Some(&bob)),
        ];
        for grant in &grants {
            scene.applies("inserting a grant", [insert(grant)]).await?;
        }
        for of in [
            GrantsOf::Subject(&scene.issuer, &ann),
            GrantsOf::Subject(&scene.issuer, &bob),
            GrantsOf::Client(&scene.issuer, &app),
            GrantsOf::Client(&scene.issuer, &web),
            GrantsOf::SubjectAtClient(&scene.issuer, &ann, &app),
            GrantsOf::SubjectAtClient(&scene.issuer, &ann, &web),
            GrantsOf::SubjectAtClient(&scene.issuer, &bob, &web),
            GrantsOf::Subject(&scene.issuer, &nobody.0),
            GrantsOf::Client(&scene.issuer, &nobody.1),
            GrantsOf::SubjectAtClient(&scene.issuer, &ann, &nobody.1),
            GrantsOf::Subject(&other, &ann),
            GrantsOf::Client(&other, &app),
            GrantsOf::SubjectAtClient(&other, &bob, &app),
            GrantsOf::Client(&other, &web),
        ] {
            self.has("a list", of, grants.iter().filter(|grant| of.includes(grant))).await?;
        }
        Ok(())
    }

    pub(super) async fn list_in_pages(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let (subject, client_id) = (scene.subject("pages")?, scene.client_id("pages")?);
        let id = |first: u8| {
            let mut bytes = *scene.id(&format!("page {first}")).as_bytes();
            bytes.iter_mut().take(1).for_each(|byte| *byte = first);
            GrantId::from_bytes(bytes)
        };
        let ids = [0xff, 0x00, 0x7f, 0x80, 0x5c, 0x27, 0x81].map(id);
        for id in ids {
            let grant = scene.grant_of(id, &client_id, Some(&subject));
            scene.applies("inserting a grant", [insert(&grant)]).await?;
        }
        let mut ordered = ids;
        ordered.sort_unstable();
        for of in [
            GrantsOf::Subject(&scene.issuer, &subject),
            GrantsOf::Client(&scene.issuer, &client_id),
            GrantsOf::SubjectAtClient(&scene.issuer, &subject, &client_id),
        ] {
            let none = self.page("a list of no grants", of, None, 0).await?;
            Mismatch::unless_equal("a list of no grants", &ids_of(&[]), &ids_of(&none))?;
            for limit in [1, 2, 3, 7, 8, usize::MAX] {
                let all = self.walk(of, None, limit).await?;
                Mismatch::unless_equal("the pages of a list", &ordered.to_vec(), &ids_of(&all))?;
            }
            // An id that nobody has: its grant may be gone since the page before.
            let between = [0x80, 0xff].map(|first| GrantId::from_bytes([first; 16]));
            for after in ordered.into_iter().chain(between) {
                let rest = self.walk(of, Some(after), 2).await?;
                let expected: Vec<_> = ordered.into_iter().filter(|id| *id > after).collect();
                Mismatch::unless_equal("the pages after an id", &expected, &ids_of(&rest))?;
            }
        }
        Ok(())
    }

    pub(super) async fn are_bounded(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let subject = scene.subject("bounded")?;
        let mut ids = Vec::new();
        for number in 0..MAX_LISTED_GRANTS + 3 {
            let id = scene.id(&format!("bounded {number}"));
            let grant = scene.grant_of(id, &scene.client_id, Some(&subject));
            scene.applies("inserting a grant", [insert(&grant)]).await?;
            ids.push(id);
        }
        ids.sort_unstable();
        for limit in [MAX_LISTED_GRANTS + 1, usize::MAX] {
            let all = self.walk(GrantsOf::Subject(&scene.issuer, &subject), None, limit).await?;
            Mismatch::unless_equal("the pages of a long list", &ids, &ids_of(&all))?;
        }
        Ok(())
    }

    pub(super) async fn follow(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let (subject, client_id) = (scene.subject("follows")?, scene.client_id("follows")?);
        let mut waits = scene.grant_of(scene.id("follows"), &client_id, None);
        Arc::make_mut(&mut waits.terms).origin = Origin::Device { client_name: "Kit".into() };
        waits.state = State::DevicePending { interval: 5, polled_at: scene.now() };
        let of_both = GrantsOf::SubjectAtClient(&scene.issuer, &subject, &client_id);
        scene.applies("inserting a grant without a person", [insert(&waits)]).await?;
        self.has("a list of its client", GrantsOf::Client(&scene.issuer, &client_id), [&waits]).await?;
        self.has("a list of a person who did not answer", GrantsOf::Subject(&scene.issuer, &subject), [])
            .await?;
        self.has("a list of a person who did not answer", of_both, []).await?;

        let mut approved = waits.clone();
        Arc::make_mut(&mut approved.terms).person = Some(scene.person(&subject));
        approved.state = State::DeviceApproved;
        scene.applies("naming the person of a grant", [replace(Version::FIRST, &approved)]).await?;
        for of in
            [GrantsOf::Client(&scene.issuer, &client_id), GrantsOf::Subject(&scene.issuer, &subject), of_both]
        {
            self.has("a list after the person answered", of, [&approved]).await?;
        }
        Ok(())
    }

    pub(super) async fn list_ended(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let (subject, client_id) = (scene.subject("ended")?, scene.client_id("ended")?);
        let grant = scene.grant_of(scene.id("ended"), &client_id, Some(&subject));
        let (next, ended) = (rotated(&grant, 1), rotated(&grant, 1).revoked(scene.now()));
        scene.applies("inserting a grant", [insert(&grant)]).await?;
        let mut version = Version::FIRST;
        for written in [&next, &ended] {
            scene.applies("replacing a listed grant", [replace(version, written)]).await?;
            version = version.next();
            for of in [
                GrantsOf::Client(&scene.issuer, &client_id),
                GrantsOf::Subject(&scene.issuer, &subject),
                GrantsOf::SubjectAtClient(&scene.issuer, &subject, &client_id),
            ] {
                self.has("a list after a replacement", of, [written]).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn tell_names_apart(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let mut grants = Vec::new();
        let subjects = odd_names(scene, MAX_SUBJECT_BYTES);
        for (number, (subject, client_id)) in
            subjects.into_iter().zip(odd_names(scene, ClientId::MAX_BYTES)).enumerate()
        {
            let names = (Subject::parse(subject)?, ClientId::parse(client_id)?);
            let grant = scene.grant_of(scene.id(&format!("name {number}")), &names.1, Some(&names.0));
            scene.applies("inserting a grant with an odd name", [insert(&grant)]).await?;
            grants.push((grant, names));
        }
        for (grant, (subject, client_id)) in &grants {
            self.has("a list of an odd subject", GrantsOf::Subject(&scene.issuer, subject), [grant]).await?;
            self.has("a list of an odd client", GrantsOf::Client(&scene.issuer, client_id), [grant]).await?;
            let of = GrantsOf::SubjectAtClient(&scene.issuer, subject, client_id);
            self.has("a list of an odd subject at an odd client", of, [grant]).await?;
        }
        for ((_, (subject, _)), (_, (_, client_id))) in grants.iter().zip(grants.iter().skip(1)) {
            let of = GrantsOf::SubjectAtClient(&scene.issuer, subject, client_id);
            self.has("a list of one odd name at another", of, []).await?;
        }
        self.pairs_apart().await
    }

    /// Two names that are joined by a separator are still two.
    async fn pairs_apart(&self) -> Result<(), Mismatch> {
        let scene = self.scene;
        let part = format!("{}p", scene.tag);
        let short = (Subject::parse(part.as_str())?, ClientId::parse(part.as_str())?);
        for separator in [":", "|", "/", ",", ";", " ", "-", "_", ".", "#", "\\", "::", ""] {
            let long = format!("{part}{separator}{part}");
            let long = (Subject::parse(long.as_str())?, ClientId::parse(long)?);
            let grant = scene.grant_of(scene.id(&format!("pair {separator}")), &short.1, Some(&long.0));
            scene.applies("inserting a grant", [insert(&grant)]).await?;
            let same = GrantsOf::SubjectAtClient(&scene.issuer, &long.0, &short.1);
            self.has("a list of a long subject at a short client", same, [&grant]).await?;
            let other = GrantsOf::SubjectAtClient(&scene.issuer, &short.0, &long.1);
            self.has("a list of a short subject at a long client", other, []).await?;
        }
        Ok(())
    }

    /// Checks that a list has these grants, as they were written; their order is a rule of its own.
    pub(super) async fn has<'g>(
        &self,
        step: &'static str,
        of: GrantsOf<'_>,
        expected: impl IntoIterator<Item = &'g Grant>,
    ) -> Result<(), Mismatch> {
        let mut listed = self.page(step, of, None, MAX_LISTED_GRANTS).await?;
        listed.sort_unstable_by_key(Grant::id);
        let mut expected: Vec<_> = expected.into_iter().collect();
        expected.sort_unstable_by_key(|grant| grant.id());
        let ids: Vec<_> = expected.iter().map(|grant| grant.id()).collect();
        Mismatch::unless_equal(step, &ids, &ids_of(&listed))?;
        let bytes = listed.iter().map(Grant::to_bytes);
        if bytes.eq(expected.iter().map(|grant| grant.to_bytes())) {
            return Ok(());
        }
        Err(Mismatch::new(step, "the bytes that were written last", "other bytes of the same grants"))
    }

    /// Collects all pages of a list.
    async fn walk(
        &self,
        of: GrantsOf<'_>,
        mut after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, Mismatch> {
        let mut all = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = self.page("a page of a list", of, after, limit).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.id());
            all.extend(page);
        }
        Err(Mismatch::new("the pages of a list", "an empty page at the end", format!("{MAX_PAGES} pages")))
    }

    async fn page(
        &self,
        step: &'static str,
        of: GrantsOf<'_>,
        after: Option<GrantId>,
        limit: usize,
    ) -> Result<Vec<Grant>, Mismatch> {
        let listed = self.list.list(of, after, limit).await;
        let listed = listed.map_err(|error| Mismatch::of_error(step, &error))?;
        let most = limit.min(MAX_LISTED_GRANTS);
        if listed.len() > most {
            let seen = format!("{} grants", listed.len());
            return Err(Mismatch::new(step, format!("at most {most} grants"), seen));
        }
        Ok(listed)
    }
}

fn ids_of(grants: &[Grant]) -> Vec<GrantId> {
    grants.iter().map(Grant::id).collect()
}
