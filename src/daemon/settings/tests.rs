//! Tests of the settings.

use super::*;

/// What a restart is needed for after this change.
fn after(change: impl FnOnce(&mut Config)) -> Vec<String> {
    let started = Config::example();
    let mut config = Config::example();
    change(&mut config);
    let settings = Settings::new(config, Date::constant(2026, 11, 21)).expect("is sound");
    settings.needs_restart(&started)
}

#[tokio::test]
async fn mail_to_our_own_domains_comes_in_by_our_own_door() {
    let mut config = Config::example();
    (
        config.delivery.trust_anchor,
        config.delivery.trusted_certificates,
    ) = (None, None);
    let settings = Settings::new(config, Date::constant(2026, 11, 21)).expect("is sound");
    let door = "127.0.0.1:25".parse().expect("an address");
    let network = settings.network(Some(door), &Trust::default());
    let network = network.expect("is sound");
    let found = network.router.find(settings.config.domain(), false).await;
    assert_eq!(found.expect("is routed").targets[0].addresses, [door]);
}

#[test]
fn a_restart_is_asked_for_only_where_it_is_needed() {
    assert!(after(|_| {}).is_empty());
    let none = after(|config| {
        config.limits.connections = 7;
        config.limits.recipients = 7;
        config.limits.signups_per_network = 7;
        config.staff.wrong_passwords = 7;
        config.staff.messages_per_day = 7;
    });
    assert!(none.is_empty(), "{none:?}");
    let some = after(|config| {
        config.listen.smtp.addresses.clear();
        config.listen.https.fd = "other".into();
        config.delivery.connections = 7;
        config.limits.buffers = crate::config::ByteSize::mib(9);
    });
    let expected = ["listen.smtp", "listen.https", "limits.buffers", "delivery"];
    assert_eq!(some, expected);
}
