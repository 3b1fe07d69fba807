//! Settings for mail programs, in the three forms in which they look for them: Mozilla's, Microsoft's, Apple's. Each is the
//! same text for whoever asks: nobody's address is read or looked up, and each program fills in the one that it was told.
//! What isn't offered here isn't in it.

use std::fmt::Write as _;

use aws_lc_rs::digest;

use crate::address::Domain;
use crate::config::{Config, MailDoor, MailProtocol};

/// As Thunderbird and its kin read it (autoconfig, version 1.1).
pub(super) fn thunderbird(config: &Config, domain: &Domain) -> String {
    let host = &config.hostname;
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<clientConfig version=\"1.1\">\n  <emailProvider id=\"{domain}\">\n    \
         <domain>{domain}</domain>\n    <displayName>{}</displayName>\n",
        escaped(party(config))
    );
    for door in config.mail_doors() {
        let (element, kind) = match door.protocol {
            MailProtocol::Imap => ("incomingServer", "imap"),
            MailProtocol::Pop3 => ("incomingServer", "pop3"),
            MailProtocol::Smtp => ("outgoingServer", "smtp"),
        };
        let socket = if door.starttls { "STARTTLS" } else { "SSL" };
        let _ = write!(
            text,
            "    <{element} type=\"{kind}\">\n      <hostname>{host}</hostname>\n      <port>{}</port>\n      \
             <socketType>{socket}</socketType>\n      <authentication>password-cleartext</authentication>\n      \
             <username>%EMAILADDRESS%</username>\n    </{element}>\n",
            door.port
        );
    }
    text + "  </emailProvider>\n</clientConfig>\n"
}

/// As Outlook reads it (autodiscover, POX). Without a log-in name it takes the address.
pub(super) fn outlook(config: &Config) -> String {
    let mut text = String::from(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n  \
         <Response xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n    \
         <Account>\n      <AccountType>email</AccountType>\n      <Action>settings</Action>\n",
    );
    for door in config.mail_doors() {
        let kind = match door.protocol {
            MailProtocol::Imap => "IMAP",
            MailProtocol::Pop3 => "POP3",
            MailProtocol::Smtp => "SMTP",
        };
        let encryption = if door.starttls { "TLS" } else { "SSL" };
        let _ = write!(
            text,
            "      <Protocol>\n        <Type>{kind}</Type>\n        <Server>{}</Server>\n        <Port>{}</Port>\n        \
             <DomainRequired>off</DomainRequired>\n        <SPA>off</SPA>\n        <SSL>on</SSL>\n        \
             <Encryption>{encryption}</Encryption>\n        <AuthRequired>on</AuthRequired>\n      </Protocol>\n",
            config.hostname, door.port
        );
    }
    text + "    </Account>\n  </Response>\n</Autodiscover>\n"
}

/// As an iPhone or a Mac installs it: a profile that asks for the address and the password. Without a door to read by there
/// is no account to set up.
pub(super) fn apple(config: &Config) -> String {
    let doors = config.mail_doors();
    let first = |wanted: &[MailProtocol]| {
        let mut found = doors.iter().filter(|door| wanted.contains(&door.protocol));
        found.next().copied()
    };
    let incoming = first(&[MailProtocol::Imap]).or_else(|| first(&[MailProtocol::Pop3]));
    let (Some(incoming), Some(outgoing)) = (incoming, first(&[MailProtocol::Smtp])) else {
        return String::new();
    };
    let (host, party) = (config.hostname.as_str(), escaped(party(config)));
    let kind = match incoming.protocol {
        MailProtocol::Pop3 => "EmailTypePOP",
        MailProtocol::Imap | MailProtocol::Smtp => "EmailTypeIMAP",
    };
    let server = |way: &str, door: MailDoor| {
        format!(
            "        <key>{way}MailServerHostName</key>\n        <string>{host}</string>\n        \
             <key>{way}MailServerPortNumber</key>\n        <integer>{}</integer>\n        \
             <key>{way}MailServerUseSSL</key>\n        <true/>\n        \
             <key>{way}MailServerAuthentication</key>\n        <string>EmailAuthPassword</string>\n",
            door.port
        )
    };
    let head = |identifier: &str, kind: &str| {
        format!(
            "<key>PayloadType</key>\n        <string>{kind}</string>\n        <key>PayloadVersion</key>\n        \
             <integer>1</integer>\n        <key>PayloadIdentifier</key>\n        <string>{identifier}</string>\n        \
             <key>PayloadUUID</key>\n        <string>{}</string>\n        <key>PayloadDisplayName</key>\n        \
             <string>{party}</string>",
            uuid(identifier)
        )
    };
    let (whole, account) = (format!("{host}.mail"), format!("{host}.mail.account"));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
         \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n  <dict>\n        {}\n    \
         <key>PayloadContent</key>\n    <array>\n      <dict>\n        {}\n        <key>EmailAccountType</key>\n        \
         <string>{kind}</string>\n        <key>EmailAccountDescription</key>\n        <string>{party}</string>\n{}{}        \
         <key>OutgoingPasswordSameAsIncomingPassword</key>\n        <true/>\n      </dict>\n    </array>\n  </dict>\n\
         </plist>\n",
        head(&whole, "Configuration"),
        head(&account, "com.apple.mail.managed"),
        server("Incoming", incoming),
        server("Outgoing", outgoing),
    )
}

/// A name-based id: the same profile replaces itself when it's installed again.
fn uuid(name: &str) -> String {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    let hex: String = hash.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    format!(
        "{}-{}-8{}-8{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[13..16],
        &hex[17..20],
        &hex[20..32]
    )
}

fn party(config: &Config) -> &str {
    let short = config.party.short_name.as_ref();
    short.unwrap_or(&config.party.name)
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each element is closed in its turn, and no text opens one.
    fn is_well_formed(text: &str) -> bool {
        let mut open = Vec::new();
        for piece in text.split('<').skip(1) {
            let Some((tag, rest)) = piece.split_once('>') else {
                return false;
            };
            let name = tag.split_whitespace().next().unwrap_or_default();
            if let Some(closed) = name.strip_prefix('/') {
                if open.pop() != Some(closed) {
                    return false;
                }
            } else if !tag.starts_with(['?', '!']) && !tag.ends_with('/') {
                open.push(name);
            }
            let entities = ["&amp;", "&lt;", "&gt;", "&quot;"];
            let plain = entities
                .iter()
                .fold(rest.to_owned(), |text, one| text.replace(one, ""));
            if plain.contains(['&', '"']) {
                return false;
            }
        }
        open.is_empty()
    }

    /// Each is well-formed, whatever the party is called.
    #[test]
    fn they_are_well_formed_and_name_the_doors() {
        let mut config = Config::example();
        config.party.short_name = Some("A <b> & \"c\"".into());
        let domain = config.domains[0].clone();
        let texts = [
            thunderbird(&config, &domain),
            outlook(&config),
            apple(&config),
        ];
        for text in &texts {
            assert!(is_well_formed(text), "{text}");
        }
        assert!(texts[0].contains("<port>465</port>\n      <socketType>SSL</socketType>"));
        assert!(texts[0].contains("<username>%EMAILADDRESS%</username>"));
        assert!(texts[0].contains("A &lt;b&gt; &amp; &quot;c&quot;"));
        assert!(texts[1].contains("<Port>587</Port>") && texts[1].contains("<Encryption>TLS<"));
        let [thunderbird, outlook, apple] = texts;
        for (kind, port) in [("imap", 993), ("pop3", 995)] {
            let begins = format!("<incomingServer type=\"{kind}\">");
            let (_, server) = thunderbird
                .split_once(&begins)
                .expect("it names the server");
            let (server, _) = server
                .split_once("</incomingServer>")
                .expect("it names the server");
            for told in [
                "<hostname>mail.party.example</hostname>".to_owned(),
                format!("<port>{port}</port>"),
                "<socketType>SSL</socketType>".to_owned(),
            ] {
                assert!(server.contains(&told), "{told}: {server}");
            }
            let named = format!("<Type>{}</Type>", kind.to_uppercase());
            let (_, server) = outlook.split_once(&named).expect("it names the server");
            let (server, _) = server
                .split_once("</Protocol>")
                .expect("it names the server");
            let told = format!("<Port>{port}</Port>");
            assert!(server.contains(&told), "{told}: {server}");
        }
        let value = |key: &str| {
            let (_, behind) = apple
                .split_once(&format!("<key>{key}</key>"))
                .expect("it names the server");
            behind
                .split(['<', '>'])
                .nth(2)
                .expect("it names the server")
                .to_owned()
        };
        for (key, told) in [
            ("EmailAccountType", "EmailTypeIMAP"),
            ("IncomingMailServerHostName", "mail.party.example"),
            ("IncomingMailServerPortNumber", "993"),
            ("OutgoingMailServerHostName", "mail.party.example"),
            ("OutgoingMailServerPortNumber", "465"),
        ] {
            assert_eq!(value(key), told, "{key}: {apple}");
        }
        assert!(apple.contains("<key>IncomingMailServerUseSSL</key>"));
    }

    #[test]
    fn ids_have_the_form_of_ids() {
        let id = uuid("mail.party.example.mail");
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(id, uuid("mail.party.example.mail"));
    }
}
