//! What an approval needs besides a good request.
#![expect(clippy::panic, reason = "a test fails by panicking")]

mod support;

use grantry_server::{Answered, Approval, Client, Interaction, Reason, Refusal, Reply};
use support::{ISSUER, NOW, Site, approval, clients, code, redirect, response, server_of, subject, time};

fn approve(site: &Site, interaction: &Interaction, login: u64, now: u64) -> Reply<Answered> {
    let approval = Approval::new(subject(), time(login));
    site.run(&site.server.approve(interaction.clone(), approval), now)
}

fn assert_page(reply: &Reply<Answered>, reason: Reason) {
    let Answered::Page(page) = &reply.answer else { panic!("{reply:?}") };
    assert_eq!(page.denial().reason, reason);
}

fn assert_seals(site: &Site, interaction: &Interaction) {
    let sealed = site.server.seal(interaction, "session");
    assert_eq!(site.server.unseal(&sealed, "session", time(NOW)).as_ref(), Ok(interaction));
}

#[test]
fn oidc_core_3_1_2_1_prompt_login_asks_for_a_login_after_the_request() {
    let site = Site::new();
    let interaction = site.interaction("web", &[("prompt", Some("login consent"))], NOW);
    let reply = approve(&site, &interaction, NOW - 1, NOW + 1);
    assert_eq!(response(redirect(&reply)).get("error"), Some("login_required"));
    code(&approve(&site, &interaction, NOW, NOW + 1));
}

#[test]
fn oidc_core_3_1_2_1_what_a_person_reads_on_the_page_is_no_age_of_the_login() {
    let site = Site::new();
    let interaction = site.interaction("web", &[("max_age", Some("0"))], NOW);
    code(&approve(&site, &interaction, NOW + 30, NOW + 300));
}

#[test]
fn a_prompt_that_stands_often_counts_once() {
    let site = Site::new();
    let prompt = "login ".repeat(9000);
    assert_seals(&site, &site.interaction("web", &[("prompt", Some(&prompt))], NOW));
}

#[test]
fn a_long_client_name_is_cut_where_it_is_shown() {
    let site = Site::new();
    let name = "\u{202e}name".repeat(10_000);
    for client in clients() {
        site.store.inner.put_client(client.with_name(name.as_str()));
    }
    let interaction = site.interaction("web", &[], NOW);
    assert_eq!(interaction.client_name().chars().count(), Client::MAX_NAME_CHARACTERS);
    assert_seals(&site, &interaction);
}

#[test]
fn rfc9207_2_a_request_to_one_issuer_is_approved_by_no_other() {
    let site = Site::new();
    let interaction = site.interaction("web", &[], NOW);
    let other = server_of("https://other.example");
    let reply = site.run(&other.approve(interaction.clone(), approval()), NOW);
    assert_page(&reply, Reason::OtherIssuer);
    let refused = site.run(&other.refuse(&interaction, Refusal::AccessDenied), NOW);
    assert_eq!(response(redirect(&refused)).get("iss"), Some(ISSUER));
}

#[test]
fn rfc7591_2_a_client_without_the_grant_gets_no_code() {
    let site = Site::new();
    let interaction = site.interaction("web", &[], NOW);
    for client in clients() {
        site.store.inner.put_client(client.with_grant_types([]));
    }
    assert_page(&approve(&site, &interaction, NOW, NOW), Reason::GrantTypeNotRegistered);
}
