use super::*;
use crate::decision::ClaimId;

#[test]
fn a_commit_compares_a_cached_grant_by_its_id_and_version_alone() {
    let grant = Grant::from_bytes(include_bytes!("../../tests/golden/grant-1-active")).unwrap();
    let mut terms = (*grant.terms).clone();
    terms.id = GrantId::from_bytes([9; 16]);
    let mut other = grant.clone();
    other.terms = Arc::new(terms);
    let version = Version::FIRST.next();
    let recalled = Recalled(Versioned::new(grant.clone(), version));
    let is_compared = |change| recalled.is_compared_by(&ChangeSet::from_iter([change]));
    let put = |expected, grant: &Grant| Change::Put { expected, grant: grant.clone() };
    assert!(is_compared(put(Some(version), &grant)));
    for expected in [None, Some(Version::FIRST), Some(version.next())] {
        assert!(!is_compared(put(expected, &grant)), "{expected:?}");
    }
    assert!(!is_compared(put(Some(version), &other)));
    assert!(!is_compared(Change::Claim { id: ClaimId::from_bytes([1; 32]), until: UnixTime::MAX }));
}
