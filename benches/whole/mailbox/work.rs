//! The pieces of work.

use std::sync::Barrier;

use super::client::Client;
use super::mails::mail;
use super::table::{Meter, Row};
use super::{PEOPLE, Server};

/// What the one with much mail has.
const MANY: usize = 10_000;
/// How many of them one command brings.
const BODIES: usize = 1_000;
/// How many come at a time while it fills.
const APPENDED: usize = 2_000;
/// What each of the others has.
const FEW: usize = 200;
/// How often each of the others does its part at a time.
const TURNS: usize = 10;
/// How many idle.
const IDLE: usize = 50;

const LIST: &str = "FETCH 1:* (FLAGS UID RFC822.SIZE ENVELOPE)";

pub(crate) fn all(servers: &[Server]) {
    for server in servers {
        println!("{}: {}", server.name, reader(server, 0).suite());
    }
    fill(servers);
    open(servers);
    list(servers);
    bodies(servers);
    at_once(servers);
    pop(servers);
}

/// Somebody who has logged in.
fn reader(server: &Server, person: usize) -> Client {
    let (name, password) = &server.people[person];
    let mut client = Client::connect(server.imaps, &server.config);
    client.log_in(name, password);
    client
}

/// Somebody with an open INBOX.
fn opened(server: &Server, person: usize) -> Client {
    let mut client = reader(server, person);
    client.command("SELECT INBOX");
    client
}

fn fill(servers: &[Server]) {
    let row = Row {
        name: "APPEND, one after another",
        rounds: MANY / APPENDED - 1,
        items: APPENDED,
    };
    let first = |server: &Server| (reader(server, 0), 0);
    row.measure(servers, first, |server, (client, next), meter| {
        let mails: Vec<_> = (*next..*next + APPENDED).map(|n| vec![mail(n)]).collect();
        *next += APPENDED;
        meter.time(server, || {
            for mail in &mails {
                client.append("INBOX", mail);
            }
        });
    });
    for server in servers {
        for person in 1..=PEOPLE {
            let mut client = reader(server, person);
            let mails: Vec<_> = (0..FEW).map(|n| mail(person * FEW + n)).collect();
            for mails in mails.chunks(20) {
                client.append("INBOX", mails);
            }
        }
    }
}

fn open(servers: &[Server]) {
    let row = Row {
        name: "SELECT 10,000, new connection",
        rounds: 30,
        items: 1,
    };
    row.measure(
        servers,
        |_| (),
        |server, (), meter| {
            let mut client = reader(server, 0);
            meter.time(server, || client.command("SELECT INBOX"));
            client.command("LOGOUT");
        },
    );
    let row = Row {
        name: "SELECT 10,000, again",
        rounds: 30,
        items: 1,
    };
    row.measure(
        servers,
        |server| opened(server, 0),
        |server, client, meter| {
            client.command("UNSELECT");
            meter.time(server, || client.command("SELECT INBOX"));
        },
    );
}

fn list(servers: &[Server]) {
    for server in servers {
        let heard = opened(server, 0).command_kept(LIST);
        let found = memchr::memmem::find_iter(&heard, b" FETCH (").count();
        assert_eq!(found, MANY, "{}", server.name);
        let found = memchr::memmem::find_iter(&heard, b"side door of hall number").count();
        assert_eq!(found, MANY, "{}", server.name);
    }
    let row = Row {
        name: "FETCH 10,000 (FLAGS UID RFC822.SIZE ENVELOPE)",
        rounds: 20,
        items: MANY,
    };
    row.measure(
        servers,
        |server| opened(server, 0),
        |server, client, meter| {
            meter.time(server, || client.command(LIST));
        },
    );
    let row = Row {
        name: "FETCH 10,000 (UID FLAGS)",
        rounds: 20,
        items: MANY,
    };
    row.measure(
        servers,
        |server| opened(server, 0),
        |server, client, meter| {
            meter.time(server, || client.command("FETCH 1:* (UID FLAGS)"));
        },
    );
}

fn bodies(servers: &[Server]) {
    let at_once = format!("FETCH 1:{BODIES} (BODY.PEEK[])");
    for server in servers {
        let heard = opened(server, 0).command_kept(&at_once);
        for n in 0..BODIES {
            let mail = mail(n);
            assert!(
                memchr::memmem::find(&heard, &mail).is_some(),
                "{}: {n}",
                server.name
            );
        }
    }
    let row = Row {
        name: "1,000 bodies of 10 KB, one FETCH",
        rounds: 20,
        items: BODIES,
    };
    row.measure(
        servers,
        |server| opened(server, 0),
        |server, client, meter| {
            meter.time(server, || client.command(&at_once));
        },
    );
    let row = Row {
        name: "1,000 bodies of 10 KB, each its UID FETCH",
        rounds: 10,
        items: BODIES,
    };
    row.measure(
        servers,
        |server| opened(server, 0),
        |server, client, meter| {
            meter.time(server, || {
                for n in 1..=BODIES {
                    client.command(&format!("UID FETCH {n} (BODY.PEEK[])"));
                }
            });
        },
    );
}

/// Everybody but the one with much mail does this at once.
fn together(
    server: &Server,
    clients: &mut [Client],
    meter: &mut Meter,
    work: impl Fn(usize, &mut Client) + Sync,
) {
    let ready = Barrier::new(clients.len() + 1);
    std::thread::scope(|scope| {
        let (ready, work) = (&ready, &work);
        let mut threads = Vec::new();
        for (n, client) in clients.iter_mut().enumerate() {
            threads.push(scope.spawn(move || {
                ready.wait();
                work(n, client);
            }));
        }
        meter.time(server, || {
            ready.wait();
            for thread in threads {
                thread.join().unwrap();
            }
        });
    });
}

fn at_once(servers: &[Server]) {
    let all = |server: &Server| -> (usize, Vec<Client>) {
        (
            0,
            (1..=PEOPLE).map(|person| opened(server, person)).collect(),
        )
    };
    let row = Row {
        name: "20 clients: SELECT, list 50, body, STORE",
        rounds: 7,
        items: PEOPLE * TURNS * 4,
    };
    let last = format!("FETCH {}:{FEW} (FLAGS UID RFC822.SIZE ENVELOPE)", FEW - 49);
    row.measure(servers, all, |server, (round, clients), meter| {
        *round += 1;
        let sign = if *round % 2 == 0 { '-' } else { '+' };
        together(server, clients, meter, |n, client| {
            for turn in 1..=TURNS {
                let at = n + turn * 7;
                client.command("SELECT INBOX");
                client.command(&last);
                client.command(&format!("FETCH {at} (BODY.PEEK[])"));
                client.command(&format!("STORE {at} {sign}FLAGS (\\Flagged)"));
            }
        });
    });
    let row = Row {
        name: "20 clients: STORE alone",
        rounds: 7,
        items: PEOPLE * TURNS,
    };
    row.measure(servers, all, |server, (round, clients), meter| {
        *round += 1;
        let sign = if *round % 2 == 0 { '-' } else { '+' };
        together(server, clients, meter, |_, client| {
            for at in 1..=TURNS {
                client.command(&format!("STORE {at} {sign}FLAGS (\\Answered)"));
            }
        });
    });
    let row = Row {
        name: "20 clients: APPEND",
        rounds: 5,
        items: PEOPLE * TURNS,
    };
    let mails: Vec<_> = (0..TURNS).map(|n| vec![mail(n)]).collect();
    row.measure(servers, all, |server, (_, clients), meter| {
        together(server, clients, meter, |_, client| {
            for mail in &mails {
                client.append("Archive", mail);
            }
        });
    });
}

fn pop(servers: &[Server]) {
    let row = Row {
        name: "POP3: 1,000 of 10 KB, each its RETR",
        rounds: 10,
        items: BODIES,
    };
    let logged_in = |server: &Server| {
        let (name, password) = &server.people[0];
        let mut client = Client::connect(server.pop3s, &server.config);
        client.line(&format!("USER {name}"));
        client.line(&format!("PASS {password}"));
        client
    };
    row.measure(servers, logged_in, |server, client, meter| {
        meter.time(server, || {
            for n in 1..=BODIES {
                client.text(&format!("RETR {n}"));
            }
        });
    });
}

/// What each of many takes that wait for news of the folder with much mail.
pub(crate) fn idle(servers: &[Server]) {
    let mut each = Vec::new();
    for server in servers {
        let idle = || {
            let mut client = opened(server, 0);
            client.idle();
            client
        };
        let _first = idle();
        let before = server.tree.proportional();
        let clients: Vec<Client> = (0..IDLE).map(|_| idle()).collect();
        let after = server.tree.proportional();
        each.push((after - before) as f64 / clients.len() as f64);
    }
    let shown: Vec<String> = each.iter().map(|each| format!("{each:.0} KiB")).collect();
    let ratio = match each[..] {
        [ours, theirs] => format!(" | {:.2}", ours / theirs),
        _ => String::new(),
    };
    println!(
        "{:<44} | {}{ratio}",
        "50 idle connections, each",
        shown.join(" | ")
    );
}
