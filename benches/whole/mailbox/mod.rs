//! Folders as mail programs use them, over TLS: ours and Dovecot's by turns, with the same mails, the same certificate, the
//! same client.
//!
//! `HUSTINGS_BENCH_DOVECOT="FORMAT FSYNC"` asks Dovecot to keep mail otherwise, `none` leaves it out.

mod client;
mod mails;
mod table;
mod work;

use std::net::SocketAddr;
use std::sync::Arc;

use hustings::control::api::staff::Add;
use hustings::daemon::sandbox::stage::DOMAIN;
use hustings::staff::Role;
use rustls::ClientConfig;

use crate::dovecot::{Dovecot, Keeping, PASSWORD};
use crate::house::House;
use crate::process::Tree;

/// How many are at work at once, beside the one with much mail.
pub(crate) const PEOPLE: usize = 20;

/// A server under load, however it was started.
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) imaps: SocketAddr,
    pub(crate) pop3s: SocketAddr,
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) tree: Tree,
    /// Names and passwords; the first has much mail.
    pub(crate) people: Vec<(String, String)>,
}

impl Server {
    fn ours(house: &House, people: Vec<(String, String)>) -> Self {
        Self {
            name: "Hustings",
            imaps: house.imaps(),
            pop3s: house.pop3s(),
            config: house.stage.trust().config(),
            tree: Tree(house.process()),
            people,
        }
    }

    fn dovecots(dovecot: &Dovecot, house: &House) -> Self {
        let person = |n: usize| (person(n), PASSWORD.to_owned());
        Self {
            name: "Dovecot",
            imaps: dovecot.imaps(),
            pop3s: dovecot.pop3s(),
            config: house.stage.trust().config(),
            tree: dovecot.tree(),
            people: (0..=PEOPLE).map(person).collect(),
        }
    }
}

pub(crate) async fn beside_dovecot() {
    let mut house = House::start().await;
    let people = people(&house).await;
    let tls = |name: &str| house.stage.root().join("tls").join(name);
    let (certificate, key) = (tls("party.pem"), tls("party.key"));
    let keeping = std::env::var("HUSTINGS_BENCH_DOVECOT");
    let keeping = keeping.unwrap_or_else(|_| "sdbox always".to_owned());
    let dovecot = keeping.split_once(' ').and_then(|(format, fsync)| {
        let keeping = Keeping {
            format: format.to_owned(),
            fsync: fsync.to_owned(),
        };
        Dovecot::start(&certificate, &key, &keeping)
    });
    println!("mailbox, beside Dovecot ({keeping}), medians; CPU is the server's");
    let mut servers = vec![Server::ours(&house, people.clone())];
    servers.extend(
        dovecot
            .iter()
            .map(|dovecot| Server::dovecots(dovecot, &house)),
    );
    let servers = tokio::task::spawn_blocking(|| {
        work::all(&servers);
        servers
    });
    let mut servers = servers.await.unwrap();
    // What was freed by earlier work would hide what a connection takes.
    house.restart().await;
    servers[0].tree = Tree(house.process());
    let idle = tokio::task::spawn_blocking(move || work::idle(&servers));
    idle.await.unwrap();
}

/// Makes everybody's account.
async fn people(house: &House) -> Vec<(String, String)> {
    let mut people = Vec::new();
    for name in (0..=PEOPLE).map(person) {
        let add = Add {
            addresses: vec![format!("{name}@{DOMAIN}")],
            name: name.clone(),
            roles: vec![Role::Reader],
            uid: None,
            reason: Some("to measure".to_owned()),
        };
        let made = house.stage.socket().ask(add).await.unwrap().answer;
        people.push((name, made.password.reveal().to_owned()));
    }
    people
}

fn person(n: usize) -> String {
    format!("person{n}")
}
