//! msmtp hands mail over, on both ports of submission.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use hustings::daemon::sandbox::stage::HOST;

use crate::support::mailbox::run;
use crate::support::party::{Party, needs, said};

#[tokio::test(flavor = "multi_thread")]
async fn msmtp_hands_mail_over() {
    if !needs("msmtp") {
        return;
    }
    let party = Party::start().await;
    let here = tempfile::tempdir().unwrap();
    let config = here.path().join("msmtprc");
    for (door, starttls, auth) in [
        ("submissions", "off", "plain"),
        ("submission", "on", "scram-sha-256"),
        ("submissions", "off", "on"),
    ] {
        let text = format!(
            "account default\nhost 127.0.0.1\nport {}\nfrom {}\nuser {}\npassword {}\nauth {auth}\ntls on\n\
             tls_starttls {starttls}\ntls_trust_file {}\ntls_host_override {HOST}\ntimeout 100\n",
            party.door(door).port(),
            party.sender.address,
            party.sender.name,
            party.sender.password,
            party.stage.authority_file().display(),
        );
        std::fs::write(&config, text).unwrap();
        std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o600)).unwrap();
        let subject = format!("{door} {auth}");
        let message = format!(
            "From: {}\nTo: b@elsewhere.example\nSubject: {subject}\n\n.\nHello.\n",
            party.sender.address
        );
        let file = here.path().join("message");
        std::fs::write(&file, message).unwrap();
        let mut msmtp = Command::new("sh");
        msmtp
            .args(["-c", "exec msmtp -C \"$1\" -t < \"$2\"", "sh"])
            .arg(&config)
            .arg(&file)
            .env("HOME", here.path());
        let output = run(msmtp).await;
        assert!(output.status.success(), "{subject}: {}", said(&output));
        let fits = |mail: &hustings::daemon::sandbox::inbox::Mail| {
            String::from_utf8_lossy(mail.message().as_ref())
                .contains(&format!("Subject: {subject}\r\n"))
        };
        let mail = party.mail("b@elsewhere.example", fits).await;
        let text = String::from_utf8_lossy(mail.message().as_ref()).into_owned();
        assert!(text.ends_with("\r\n\r\n.\r\nHello.\r\n"), "{text}");
    }
}
