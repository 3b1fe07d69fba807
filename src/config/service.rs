//! How the service runs: keys, doors, certificates, limits and the log.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::choices::{FirstContact, KeySource, LogFormat, LogLevel, LogTarget, SecondFactor};
use super::declare::{Check, section};
use super::problem::Place;
use super::values::{ByteSize, Name, WebAddress};
use crate::address::Domain;
use crate::net::Subnet;

section! {
    /// Where the root key comes from. Only a passphrase, or a credential that is bound to a TPM, protects a stolen disk or
    /// a snapshot of the machine; the others protect the database file and its backups.
    pub struct RootKey {
        /// "credential" (systemd gives it, see hustings.service), "file" or "passphrase" (typed at `hustings unlock` after
        /// each start).
        source: KeySource = default(KeySource::Credential),
        /// The name of the systemd credential.
        credential: String = default("hustings-root-key".to_owned()),
        /// The key file, for "file": mode 0400, owned by the service, outside the data directory.
        file: Option<PathBuf> = optional("/etc/hustings/root.key"),
    }
}

impl Check for RootKey {
    fn check(&self, at: &Place<'_>) {
        at.expect(
            self.source != KeySource::File || self.file.is_some(),
            "source",
            "`source` is \"file\", but `file` doesn't say which",
            "add file = \"/etc/hustings/root.key\"; `hustings init` makes the file",
        );
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        at.expect(
            self.credential.chars().all(plain),
            "credential",
            "`credential` has a character that no systemd credential has",
            "use letters, digits, `-`, `_` and `.`, as in LoadCredentialEncrypted= of the unit",
        );
    }
}

/// Declares a listener: the same two keys with other defaults.
macro_rules! listener {
    ($(#[doc = $doc:literal])* $name:ident, $port:literal, $fd:literal) => {
        section! {
            $(#[doc = $doc])*
            pub struct $name {
                /// Where it listens if systemd hands over no socket. An empty list turns it off then.
                addresses: Vec<SocketAddr> = default(vec![SocketAddr::from(([0u16; 8], $port))]),
                /// The `FileDescriptorName=` of its socket in hustings.socket.
                fd: String = default($fd.to_owned()),
            }
        }

        impl Check for $name {}
    };
}

listener!(
    /// Mail from other servers (MX): port 25, STARTTLS.
    ListenSmtp, 25, "smtp"
);
listener!(
    /// Mail from staff, TLS from the first byte: port 465.
    ListenSubmissions, 465, "submissions"
);
listener!(
    /// Mail from staff, STARTTLS: port 587.
    ListenSubmission, 587, "submission"
);
listener!(
    /// The staff's folders for their mail programs (IMAP), TLS from the first byte: port 993.
    ListenImaps, 993, "imaps"
);
listener!(
    /// The staff's INBOX for mail programs that only fetch (POP3), TLS from the first byte: port 995.
    ListenPop3s, 995, "pop3s"
);
listener!(
    /// The pages: port 443.
    ListenHttps, 443, "https"
);
listener!(
    /// Port 80: answers ACME authorities (HTTP-01), and sends everybody else to the front page over TLS.
    ListenHttp, 80, "http"
);

section! {
    /// The doors. With hustings.socket, systemd opens the low ports and hands them over by name.
    pub struct Listen {
        /// Mail from other servers.
        smtp: ListenSmtp = section(),
        /// Mail from staff, TLS from the first byte.
        submissions: ListenSubmissions = section(),
        /// Mail from staff, STARTTLS.
        submission: ListenSubmission = section(),
        /// The staff's folders for their mail programs.
        imaps: ListenImaps = section(),
        /// The staff's INBOX for mail programs that only fetch.
        pop3s: ListenPop3s = section(),
        /// The pages.
        https: ListenHttps = section(),
        /// ACME, and the way to the pages.
        http: ListenHttp = section(),
    }
}

impl Listen {
    /// Each listener's name here, its addresses and its socket's name.
    pub fn all(&self) -> [(&'static str, &[SocketAddr], &str); 7] {
        [
            ("smtp", &self.smtp.addresses, &self.smtp.fd),
            (
                "submissions",
                &self.submissions.addresses,
                &self.submissions.fd,
            ),
            (
                "submission",
                &self.submission.addresses,
                &self.submission.fd,
            ),
            ("imaps", &self.imaps.addresses, &self.imaps.fd),
            ("pop3s", &self.pop3s.addresses, &self.pop3s.fd),
            ("https", &self.https.addresses, &self.https.fd),
            ("http", &self.http.addresses, &self.http.fd),
        ]
    }
}

impl Check for Listen {
    fn check(&self, at: &Place<'_>) {
        let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
        for (name, addresses, fd) in self.all() {
            for address in addresses {
                if let Some((other, _)) = taken.iter().find(|(_, taken)| clash(*taken, *address)) {
                    at.problem(
                        &format!("{name}.addresses"),
                        format!("`{name}` and `{other}` both listen on {address}"),
                        "give each its own port or address",
                    );
                }
                taken.push((name, *address));
            }
            let same_fd = self
                .all()
                .iter()
                .filter(|(_, _, other)| *other == fd)
                .count();
            at.expect(
                same_fd == 1,
                &format!("{name}.fd"),
                format!("two listeners have the socket name \"{fd}\""),
                "give each the name of its own FileDescriptorName= in hustings.socket",
            );
        }
    }
}

/// Whether the second of two sockets could not be bound: the same port on the same or on every address. Port 0 is any
/// free one.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let same_family = a.is_ipv4() == b.is_ipv4();
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    // `[::]` takes IPv4 as well.
    let dual = matches!((a.ip(), b.ip()), (IpAddr::V6(v6), _) | (_, IpAddr::V6(v6)) if v6.is_unspecified());
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || (any && same_family) || dual)
}

section! {
    /// The pages.
    pub struct Pages {
        /// Their address as people see it. If not set, https:// and the host name.
        url: Option<WebAddress> = optional("https://mail.party.example"),
    }
}

impl Check for Pages {}

section! {
    /// Signatures (DKIM). Each domain and kind of mail (list, staff, service) has two keys of its own. Their DNS records stand
    /// under selectors that begin with these names: hustings-rsa-list1. Keys that are there keep theirs until they are rotated.
    pub struct Dkim {
        /// What the selectors of RSA keys begin with, which all providers check.
        rsa_selector: Name = default(Name::parse("hustings-rsa").expect("a valid name")),
        /// What the selectors of Ed25519 keys begin with.
        ed25519_selector: Name = default(Name::parse("hustings-ed").expect("a valid name")),
    }
}

impl Check for Dkim {
    fn check(&self, at: &Place<'_>) {
        at.expect(
            self.rsa_selector != self.ed25519_selector,
            "ed25519_selector",
            "both keys have the same selector: DNS holds one key under each",
            "choose another name for one of them",
        );
    }
}

section! {
    /// Staff.
    pub struct StaffLimits {
        /// Mails a staff member may send in 24 hours, list mailings aside. For the next their mail program hears 450, and
        /// tries again later.
        messages_per_day: u32 = default(300),
        /// Recipients outside the party in one mail, 10 at most: for more there are lists.
        outside_recipients: u32 = default(10),
        /// Different people outside the party that a staff member may write to in an hour, over all mails: one mail to many
        /// may not be cut up into many mails. For the next their mail program hears 450, and tries again later.
        outside_per_hour: u32 = default(60),
        /// For how many months somebody's data protection training counts (`hustings staff training`). Whose training is over
        /// writes to no list until the next.
        training_months: u32 = default(24),
        /// Of whom a code of an authenticator app is asked (`hustings staff second-factor`) for what reaches far: to unlock, to
        /// export, to agree to an export or an import, to print the recovery sheet, to approve a mailing, to note a
        /// training, and to give others accounts, roles, mailboxes, addresses or passwords.
        /// "enrolled": of whoever has a second factor. "required": who has none may do none of this. Mail programs, and
        /// whoever leaves a list, are never asked.
        second_factor: SecondFactor = default(SecondFactor::Enrolled),
        /// How much one mailbox may hold, a role's too. To a full one, mail is put off (452) until something is thrown away.
        /// Strangers' mail that waits, and junk, may fill a tenth more each; of what waits, mail that no domain vouches for
        /// may take half.
        mailbox_size: ByteSize = default(ByteSize::mib(2048)),
        /// Wrong passwords from one network (IPv4 /24, IPv6 /64) before it has to wait, at every door. Accounts that logged in
        /// well from there in the last 30 days don't.
        wrong_passwords: u32 = default(10),
        /// How long it has to wait then. An admin lifts it with `hustings staff unlock`.
        wait_after_wrong_passwords: Duration = default(Duration::from_secs(15 * 60)),
        /// Networks that never wait, such as the office's: ["192.0.2.0/24", "2001:db8::/48"].
        trusted_networks: Vec<Subnet> = default(Vec::new()),
    }
}

impl Check for StaffLimits {
    fn check(&self, at: &Place<'_>) {
        between(at, "messages_per_day", self.messages_per_day, 1, 10_000);
        between(at, "outside_recipients", self.outside_recipients, 1, 10);
        between(at, "outside_per_hour", self.outside_per_hour, 1, 1000);
        between(at, "wrong_passwords", self.wrong_passwords, 3, 100);
        between(at, "training_months", self.training_months, 1, 120);
        let size = self.mailbox_size;
        let (least, most) = (ByteSize::mib(10), ByteSize::mib(1 << 20));
        at.expect(
            size >= least && size <= most,
            "mailbox_size",
            format!("`mailbox_size` is {size}: expected {least} to {most}"),
            format!("write a size from \"{least}\" to \"{most}\""),
        );
    }
}

section! {
    /// Mail from other servers: who wrote it, and how much is taken. DNS is asked as in `delivery.resolver`.
    pub struct Incoming {
        /// Check SPF, DKIM and DMARC, and do what the sender's DMARC policy asks. Only a laboratory without DNS wants false.
        verify: bool = default(true),
        /// "challenge": mail of strangers waits in the folder Unconfirmed, and who proves to have written it is asked "was it
        /// you?"; their button brings it to the inbox. What nobody confirms, or takes out, is erased after 14 days.
        /// "deliver": it goes to the inbox at once. So it does without `verify`, when nothing is proven of any mail.
        first_contact: FirstContact = default(FirstContact::Challenge),
        /// How long the look-ups for one mail may take. Its server hears 451 then, and comes again.
        patience: Duration = default(Duration::from_secs(20)),
        /// Mails an hour from one network (an IPv4 /24 or an IPv6 /56); for the next it hears 450.
        mails_per_network: u32 = default(1_000),
        /// Mails an hour from one sender's address in one network; for the next its server hears 450.
        mails_per_sender: u32 = default(200),
        /// Mail in an hour from one network, in all; for what comes beyond it hears 450.
        size_per_network: ByteSize = default(ByteSize::mib(1024)),
        /// A DNS blocklist: mail from the addresses on it is refused. None is asked by default: whoever runs it learns who
        /// writes to the party, and can keep anybody out.
        blocklist: Option<Domain> = optional("zen.blocklist.example"),
    }
}

impl Check for Incoming {
    fn check(&self, at: &Place<'_>) {
        let seconds = u32::try_from(self.patience.as_secs()).unwrap_or(u32::MAX);
        at.expect(
            (1..=120).contains(&seconds),
            "patience",
            "`patience` is not between one second and two minutes: other servers hang up after a while",
            "write a time from \"1s\" to \"2m\"",
        );
        between(
            at,
            "mails_per_network",
            self.mails_per_network,
            1,
            1_000_000,
        );
        between(at, "mails_per_sender", self.mails_per_sender, 1, 1_000_000);
        let size = self.size_per_network;
        let (least, most) = (ByteSize::mib(256), ByteSize::mib(1 << 20));
        at.expect(
            size >= least && size <= most,
            "size_per_network",
            format!("`size_per_network` is {size}: expected {least} to {most}"),
            format!("write a size from \"{least}\" to \"{most}\""),
        );
    }
}

section! {
    /// Limits. They keep a small machine alive; the defaults are for 512 MB. A network is an IPv4 /24 or an IPv6 /56.
    pub struct Limits {
        /// The largest mail that is taken.
        message_size: ByteSize = default(ByteSize::mib(35)),
        /// Memory for mail on its way in and out, all connections together.
        buffers: ByteSize = default(ByteSize::mib(64)),
        /// Mail that is coming in and not yet whole, on the disk, all connections together, with what mail programs put into
        /// folders. One network may have a quarter, one account a half, all but the staff three quarters; for what comes
        /// beyond a server hears 452.
        unfinished: ByteSize = default(ByteSize::mib(512)),
        /// Room on the disk that mail leaves free, so that people can always withdraw: with less, mail hears 452. Up to half
        /// of it may be free pages inside the database. If not set, a twentieth of the disk, but 256 MiB at least and 1 GiB
        /// at most (of a tiny disk a quarter).
        disk_reserve: Option<ByteSize> = optional("512 MiB"),
        /// Connections at once, per door.
        connections: u32 = default(400),
        /// Connections at once from one network.
        connections_per_network: u32 = default(20),
        /// Connections at once of one account at the door for mail programs (IMAP). A mail program has up to ten.
        connections_per_account: u32 = default(40),
        /// Recipients of one mail from outside.
        recipients: u32 = default(100),
        /// Sign-up forms an hour from one network.
        signups_per_network: u32 = default(20),
        /// "Was it you?" mails an hour to one domain; more wait.
        challenges_per_domain: u32 = default(200),
        /// "Did you write to us?" mails an hour to strangers who wrote to the party, a fifth of them to one domain; more wait,
        /// for seven days at most: then nobody is asked, and staff can still take the mail out.
        first_contacts_per_hour: u32 = default(100),
        /// "Was it you?" mails a day for imported rows.
        import_challenges_per_day: u32 = default(500),
    }
}

impl Check for Limits {
    fn check(&self, at: &Place<'_>) {
        let sizes = [
            ("message_size", self.message_size, 1, 200),
            ("buffers", self.buffers, 8, 4_096),
            ("unfinished", self.unfinished, 64, 65_536),
        ];
        for (name, size, least, most) in sizes {
            at.expect(
                size >= ByteSize::mib(least) && size <= ByteSize::mib(most),
                name,
                format!("`{name}` is {size}: expected {least} to {most} MiB"),
                format!("write a size from \"{least} MiB\" to \"{most} MiB\""),
            );
        }
        between(at, "connections", self.connections, 1, 100_000);
        between(
            at,
            "connections_per_network",
            self.connections_per_network,
            1,
            100_000,
        );
        between(
            at,
            "connections_per_account",
            self.connections_per_account,
            4,
            1_000,
        );
        between(at, "recipients", self.recipients, 1, 1_000);
        between(
            at,
            "signups_per_network",
            self.signups_per_network,
            1,
            100_000,
        );
        between(
            at,
            "challenges_per_domain",
            self.challenges_per_domain,
            1,
            100_000,
        );
        between(
            at,
            "first_contacts_per_hour",
            self.first_contacts_per_hour,
            1,
            100_000,
        );
        between(
            at,
            "import_challenges_per_day",
            self.import_challenges_per_day,
            1,
            100_000,
        );
    }
}

section! {
    /// The log. No level shows personal data.
    pub struct Log {
        /// "error", "warn", "info" or "debug".
        level: LogLevel = default(LogLevel::Info),
        /// "text" for people, "json" for machines.
        format: LogFormat = default(LogFormat::Text),
        /// "stderr", or "journald": the same with levels the journal understands.
        to: LogTarget = default(LogTarget::Journald),
    }
}

impl Check for Log {}

pub(super) fn between(at: &Place<'_>, name: &str, value: u32, least: u32, most: u32) {
    at.expect(
        (least..=most).contains(&value),
        name,
        format!("`{name}` is {value}: expected {least} to {most}"),
        format!("write a number from {least} to {most}"),
    );
}
