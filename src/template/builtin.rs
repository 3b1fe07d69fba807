//! The built-in templates, compiled in from `config/templates/`.

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../config/templates/", $name)))),*]
    };
}

/// Every template: its name, which is also its path below a template directory, and its text.
pub(super) const TEMPLATES: &[(&str, &str)] = templates![
    "pages/layout.html",
    "pages/errors.html",
    "pages/constituency.html",
    "pages/consent.html",
    "pages/privacy_short.html",
    "pages/signup.html",
    "pages/full_form.html",
    "pages/confirm.html",
    "pages/subscribed.html",
    "pages/unsubscribe.html",
    "pages/unsubscribed.html",
    "pages/never.html",
    "pages/met.html",
    "pages/approve.html",
    "pages/notice.html",
    "pages/privacy.html",
    "pages/style.css",
    "mails/layout.html",
    "mails/button.html",
    "mails/sign.html",
    "mails/sign.txt",
    "mails/challenge.txt",
    "mails/challenge.html",
    "mails/challenge_open.txt",
    "mails/challenge_open.html",
    "mails/welcome.txt",
    "mails/welcome.html",
    "mails/already.txt",
    "mails/already.html",
    "mails/stop.txt",
    "mails/stop.html",
    "mails/first_contact.txt",
    "mails/first_contact.html",
    "mails/footer.txt",
    "mails/footer.html",
    "mails/preview.txt",
    "mails/not_approved.txt",
    "mails/approval.txt",
    "mails/waiting.txt",
    "mails/delayed.txt",
    "mails/dsn.txt",
    "mails/delivered.txt",
];

/// The string tables: language tag, path below a template directory, text.
pub(super) const STRINGS: &[(super::Lang, &str, &str)] = &[
    (
        super::Lang::En,
        "strings/en.toml",
        include_str!("../../config/templates/strings/en.toml"),
    ),
    (
        super::Lang::Cy,
        "strings/cy.toml",
        include_str!("../../config/templates/strings/cy.toml"),
    ),
];

/// Whether there is a template of this name.
pub(super) fn exists(name: &str) -> bool {
    TEMPLATES.iter().any(|(known, _)| *known == name)
}
