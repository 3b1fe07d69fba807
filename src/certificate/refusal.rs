//! Why there is no certificate, in words: what failed, why, and what to do. The texts of an authority are shortened and
//! cleaned: they end up in the log and on terminals.

use instant_acme::{Error, Problem};

/// The longest piece of an authority's text.
const LONGEST: usize = 400;

/// Why an authority gave no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {next}")]
pub struct Refusal {
    /// What failed and why.
    pub why: String,
    /// What to do.
    pub next: &'static str,
    /// The authority wants to be left alone for a while.
    pub slow_down: bool,
    /// The account is not known there, or not any more.
    pub(super) no_account: bool,
}

impl Refusal {
    /// Something that nobody can do much about.
    pub(super) fn odd(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            next: "it is tried again by itself",
            slow_down: false,
            no_account: false,
        }
    }
}

/// A request that failed as a whole.
pub(super) fn refusal(what: &str, error: &Error) -> Refusal {
    match error {
        Error::Api(problem) => of_problem(format!("can't {what}: "), problem),
        Error::Other(error) => Refusal {
            next: "see that this machine reaches the authority, and that tls.acme.directory is right; it is tried again by \
                   itself",
            ..Refusal::odd(format!("can't {what}: {}", clean(&error.to_string())))
        },
        other => Refusal::odd(format!("can't {what}: {}", clean(&other.to_string()))),
    }
}

/// Why the authority doesn't take a name for ours.
pub(super) fn reason(name: &str, problem: Option<&Problem>) -> Refusal {
    match problem {
        Some(problem) => of_problem(format!("{name}: "), problem),
        None => Refusal::odd(format!("{name}: the authority didn't find that it is ours")),
    }
}

fn of_problem(mut why: String, problem: &Problem) -> Refusal {
    let kind = problem.r#type.as_deref().unwrap_or_default();
    let kind = kind.rsplit(':').next().unwrap_or_default();
    let detail = problem.detail.as_deref().unwrap_or("no reason was given");
    why += &clean(detail);
    for sub in problem.subproblems.iter().take(3) {
        if let Some(detail) = &sub.detail {
            why += &format!("; {}", clean(detail));
        }
    }
    Refusal {
        why,
        next: next_step(kind),
        slow_down: kind == "rateLimited",
        no_account: kind == "accountDoesNotExist",
    }
}

fn next_step(kind: &str) -> &'static str {
    match kind {
        "dns" => "publish the name's record, as hustings dns records has it",
        "connection" | "tls" => {
            "see that ports 80 and 443 of this machine are reached from outside under that name"
        }
        "unauthorized" | "incorrectResponse" => {
            "see that the name leads to this machine and to no other: hustings dns check"
        }
        "caa" => {
            "name the authority in dns.caa, and publish the CAA record that hustings dns records has"
        }
        "rateLimited" => "wait: it is tried again by itself, later",
        "rejectedIdentifier" | "unsupportedIdentifier" | "malformed" => {
            "correct the name in the configuration, or ask another authority (tls.acme.directory)"
        }
        "userActionRequired" => "read the authority's new terms, and agree to them as it says",
        "externalAccountRequired" => {
            "this authority only serves accounts made elsewhere: choose another (tls.acme.directory)"
        }
        "invalidContact" | "unsupportedContact" => "correct tls.acme.contact",
        _ => "it is tried again by itself",
    }
}

fn clean(text: &str) -> String {
    let plain = text.chars().map(|c| match c.is_control() {
        true => ' ',
        false => c,
    });
    plain.take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authority_says_is_told_with_a_next_step() {
        let problem = Problem {
            r#type: Some("urn:ietf:params:acme:error:connection".to_owned()),
            detail: Some("Fetching http://x/: \u{1b}[31mrefused\n".to_owned()),
            status: Some(400),
            subproblems: Vec::new(),
        };
        let told = reason("mta-sts.party.example", Some(&problem)).to_string();
        assert!(
            told.starts_with("mta-sts.party.example: Fetching"),
            "{told}"
        );
        assert!(told.contains("ports 80 and 443"), "{told}");
        assert!(!told.contains('\u{1b}') && !told.contains('\n'), "{told}");
        let limited = Problem {
            r#type: Some("urn:ietf:params:acme:error:rateLimited".to_owned()),
            ..problem
        };
        assert!(refusal("ask", &Error::Api(limited)).slow_down);
    }
}
