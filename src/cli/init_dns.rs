//! `init`: the DNS records, step by step: shown, and looked up once somebody says that they're published.

use super::context::{Context, write_out};
use super::init::{failure, println_note};
use super::style::{Tone, clean};
use super::{dns, prompt};
use crate::config::{CertificateSource, Config};
use crate::control::api::dns::RecordReport;
use crate::control::{Class, Failure};
use crate::daemon::init::{self, DnsStep, NewRoot};

/// Goes through all records. Where nobody is there they're printed, as a zone file has them.
pub(super) fn walk(config: &Config, root: &NewRoot, context: &Context) -> Result<(), Failure> {
    let steps = context.run(async {
        let steps = init::dns_steps(config, &root.key).await;
        steps.map_err(|error| failure(&error))
    })?;
    if !prompt::somebody_there() {
        let records: Vec<RecordReport> = steps.iter().flat_map(DnsStep::records).collect();
        let zone = dns::zone_file(&records, context.style);
        return write_out(
            format!(
                "\nPublish these DNS records, and A and AAAA records of {} if none are among them:\n\n{zone}\n",
                config.hostname
            )
            .as_bytes(),
        );
    }
    println_note(
        "Now the DNS records. Each step shows what to publish where the party's domain is kept, and looks whether it is there. All of it can be done later: `hustings dns records` and `hustings dns check` say the same at any time.",
    );
    let count = steps.len();
    for (n, one) in steps.iter().enumerate() {
        let title = format!("\n{} of {count}: {}\n\n", n + 1, one.what);
        write_out(context.style.paint(&title, Tone::Strong).as_bytes())?;
        write_out(dns::zone_file(&one.records(), context.style).as_bytes())?;
        if n == 0 {
            machine(config)?;
        }
        if !step(one, config, context)? {
            return Ok(());
        }
    }
    Ok(())
}

/// What belongs to this machine and isn't known: large receivers refuse mail from an address without a name.
fn machine(config: &Config) -> Result<(), Failure> {
    let host = &config.hostname;
    if config.dns.addresses.is_empty() {
        let text = format!(
            "{host}. IN A <this machine's public IPv4 address>\n{host}. IN AAAA <its IPv6 address, if it has one>\n"
        );
        write_out(text.as_bytes())?;
        println_note(&format!(
            "Whoever rents out each of these addresses sets its reverse name (PTR) to {host}, often in a panel of its own. Write the addresses into the configuration (dns.addresses), and all of this is looked up."
        ));
    }
    if config.tls.source != CertificateSource::Files {
        println_note(
            "The TLSA records (DANE) follow once the service runs and has made its keys: hustings dns records has them.",
        );
    }
    Ok(())
}

/// One step; says whether to go on.
fn step(one: &DnsStep, config: &Config, context: &Context) -> Result<bool, Failure> {
    loop {
        let answer = prompt::choose(
            "Published?",
            &[
                "look whether it is there",
                "go on",
                "leave the rest for later",
            ],
        )?;
        match answer {
            "go on" => return Ok(true),
            "leave the rest for later" => return Ok(false),
            _ => {}
        }
        let findings = context.run(async {
            let looked = one.look(config).await;
            looked.map_err(|error| {
                Failure::from_error(Class::Failed, "can't look the records up", &error)
            })
        })?;
        for finding in &findings {
            println_note(&format!(
                "{}  {} {}: {}",
                clean(&finding.state),
                clean(&finding.topic),
                clean(&finding.name),
                clean(&finding.said)
            ));
        }
        let wrong = |state: &str| matches!(state, "missing" | "different");
        if !findings.iter().any(|finding| wrong(&finding.state)) {
            return Ok(true);
        }
    }
}
