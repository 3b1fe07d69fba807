//! The configuration of a stage, as text.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::{DOMAIN, HOST, OFFICE, Plan};

/// All of it.
pub(super) fn config_text(root: &Path, plan: &Plan) -> String {
    let at = |name: &str| quoted(&root.join(name).display().to_string());
    let more = |section: &str| more(plan, section);
    let text = format!(
        r#"# The sandbox's configuration. Nothing in it leaves this machine.
domains = ["{DOMAIN}"]
hostname = "{HOST}"
postmaster = "office"
data_dir = {data}
runtime_dir = {run}
{top}
[party]
name = "The Example Party"
short_name = "Example Party"
postal_address = "1 High Street, Leeds LS1 1AA"
privacy_contact = "privacy@{DOMAIN}"
hosting = "this machine: it is a sandbox"

[imprint]

[mailbox.office]
title = "Office"
addresses = ["{OFFICE}", "privacy@{DOMAIN}"]

[list.news]
title = "News"
purpose = "news about our campaigns, about twice a month"
purpose_cy = "newyddion am ein hymgyrchoedd, tua dwywaith y mis"
from = "{OFFICE}"
from_name = "Example Party News"
approval = "second-person"
{news}
[list.appeals]
title = "Appeals"
purpose = "appeals for donations and help, about once a month"
from = "{OFFICE}"
from_name = "Example Party"
approval = "self"

[key]
{key}

{doors}
[delivery]
{outside}
{delivery}
[incoming]
{incoming}
[limits]
connections_per_network = 1000
signups_per_network = 100000
challenges_per_domain = 100000
{limits}
[staff]
{staff}
[dns]
{dns}
[log]
to = "stderr"
"#,
        data = at("data"),
        run = at("run"),
        top = more(""),
        news = more("list.news"),
        key = match &plan.passphrase {
            Some(_) => "source = \"passphrase\"".to_owned(),
            None => format!("source = \"file\"\nfile = {}", at("keys/root.key")),
        },
        doors = doors(root, plan),
        outside = match plan.routed {
            true => format!("route.\"*\" = {}", quoted(&plan.outside.to_string())),
            false => String::new(),
        },
        delivery = more("delivery"),
        // There is no DNS in a sandbox, unless a story brings one.
        incoming = match more("incoming").as_str() {
            "" =>
                "verify = false\nmails_per_network = 1000000\nmails_per_sender = 1000000".to_owned(),
            lines => lines.to_owned(),
        },
        limits = more("limits"),
        staff = more("staff"),
        dns = match more("dns").as_str() {
            "" => "check = false".to_owned(),
            lines => lines.to_owned(),
        },
    );
    match plan.domain {
        Some(domain) => text.replace(DOMAIN, domain),
        None => text,
    }
}

/// Where the doors are, and with which certificates.
fn doors(root: &Path, plan: &Plan) -> String {
    let at = |name: &str| quoted(&root.join(name).display().to_string());
    let address =
        |n: usize| quoted(&SocketAddr::from((Ipv4Addr::LOCALHOST, plan.ports[n])).to_string());
    let more = |section: &str| more(plan, section);
    format!(
        r#"[listen.smtp]
addresses = [{smtp}]

[listen.submissions]
addresses = [{submissions}]

[listen.submission]
addresses = [{submission}]

[listen.imaps]
addresses = [{imaps}]

[listen.pop3s]
addresses = [{pop3s}]

[listen.https]
addresses = [{https}]

[listen.http]
{http}
{tls}"#,
        smtp = address(0),
        submissions = address(1),
        submission = address(2),
        imaps = address(5),
        pop3s = address(6),
        https = address(3),
        // Nobody asks it for anything here, unless a story does.
        http = match more("listen.http").as_str() {
            "" => "addresses = []".to_owned(),
            lines => lines.to_owned(),
        },
        tls = match more("tls").as_str() {
            "" => format!(
                "[[tls.certificate]]\nchain = {}\nkey = {}",
                at("tls/party.pem"),
                at("tls/party.key")
            ),
            lines => format!("[tls]\ndirectory = {}\n{lines}", at("kept-tls")),
        },
    )
}

/// What else a story wants to stand in a section.
fn more(plan: &Plan, section: &str) -> String {
    let lines = plan.more.iter().filter(|(name, _)| *name == section);
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

pub(super) fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
