//! What a mail program has to be told: which protocol at which port, and how it's encrypted.

use super::Config;

/// What a mail program does at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailProtocol {
    /// It reads.
    Imap,
    /// It fetches.
    Pop3,
    /// It sends.
    Smtp,
}

/// A door for mail programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailDoor {
    /// What for.
    pub protocol: MailProtocol,
    /// Its port.
    pub port: u16,
    /// Whether TLS begins with STARTTLS and not with the first byte.
    pub starttls: bool,
}

/// The listeners for mail programs and their usual ports, the best of each kind first.
const DOORS: [(&str, u16, MailProtocol, bool); 4] = [
    ("imaps", 993, MailProtocol::Imap, false),
    ("pop3s", 995, MailProtocol::Pop3, false),
    ("submissions", 465, MailProtocol::Smtp, false),
    ("submission", 587, MailProtocol::Smtp, true),
];

impl Config {
    /// The doors for mail programs that are open by this configuration.
    pub fn mail_doors(&self) -> Vec<MailDoor> {
        let listeners = self.listen.all();
        let doors = DOORS
            .iter()
            .filter_map(|&(name, usual, protocol, starttls)| {
                let (_, addresses, _) = listeners.iter().find(|(known, ..)| *known == name)?;
                let port = match addresses.first()?.port() {
                    // Any free one, in a laboratory.
                    0 => usual,
                    port => port,
                };
                Some(MailDoor {
                    protocol,
                    port,
                    starttls,
                })
            });
        doors.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doors_are_those_of_the_configuration() {
        let mut config = Config::example();
        let sending = |config: &Config| -> Vec<(u16, bool)> {
            let doors = config.mail_doors().into_iter();
            let sending = doors.filter(|door| door.protocol == MailProtocol::Smtp);
            sending.map(|door| (door.port, door.starttls)).collect()
        };
        assert_eq!(sending(&config), [(465, false), (587, true)]);
        config.listen.submission.addresses.clear();
        config.listen.submissions.addresses = vec!["127.0.0.1:2465".parse().expect("an address")];
        assert_eq!(sending(&config), [(2465, false)]);
    }
}
