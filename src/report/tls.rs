//! A report of others on TLS (RFC 8460), as far as it is about us: their JSON, cut down.

use jiff::Timestamp;
use mail_auth::report::tlsrpt::{PolicyType, TlsReport};
use serde::{Deserialize, Serialize};

use super::words;
use crate::address::Domain;

/// Policies of one report that are kept.
const POLICIES: usize = 32;
/// Failures of one report that are kept one by one; the sums count all.
const FAILURES: usize = 100;
/// Lists and things in a report, and what stands between their parts: each becomes something in memory, however short it
/// is.
const THINGS: usize = 10_000;
const COMMAS: usize = 100_000;

/// A report, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsReceived {
    /// Who wrote it, by their own word.
    pub reporter: String,
    /// Their id of it.
    pub id: String,
    /// The time that it covers.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// What came of connections, by policy.
    pub policies: Vec<PolicyReceived>,
}

/// What came of connections under one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyReceived {
    /// The domain of ours.
    pub domain: Domain,
    /// `sts`, `tlsa`, `no-policy-found` or `other`.
    pub kind: String,
    /// Connections that were as the policy asks.
    pub successes: u64,
    /// Those that weren't.
    pub failures: u64,
    /// How they failed, as far as it is told.
    pub details: Vec<FailureReceived>,
}

/// How connections failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureReceived {
    /// As in RFC 8460 §4.3.
    pub result: String,
    /// At which server of ours.
    pub host: Option<String>,
    /// How many.
    pub count: u64,
    /// What else is said.
    pub reason: Option<String>,
}

/// Why a report is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It isn't one.
    #[error("it is no report as the RFC has it")]
    Unreadable,
    /// It is about others.
    #[error("it is about none of our domains")]
    NotOurs,
    /// It would take more room than there is for one.
    #[error("it says more than is read of one report")]
    TooMuch,
}

impl TlsReceived {
    /// Reads a report.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn read(json: &[u8], is_ours: impl Fn(&Domain) -> bool) -> Result<Self, Unfit> {
        let things = memchr::memchr2_iter(b'{', b'[', json).count();
        if things > THINGS || memchr::memchr_iter(b',', json).count() > COMMAS {
            return Err(Unfit::TooMuch);
        }
        let report = TlsReport::parse_json(json).map_err(|_| Unfit::Unreadable)?;
        let time = |time: &mail_parser::DateTime| Timestamp::from_second(time.to_timestamp());
        let from = time(&report.date_range.start_datetime).map_err(|_| Unfit::Unreadable)?;
        let to = time(&report.date_range.end_datetime).map_err(|_| Unfit::Unreadable)?;
        if report.report_id.is_empty() || from == Timestamp::UNIX_EPOCH || from > to {
            return Err(Unfit::Unreadable);
        }
        let ours = report.policies.iter().filter_map(|policy| {
            let domain = Domain::parse(policy.policy.policy_domain.trim_end_matches('.')).ok()?;
            is_ours(&domain).then_some((domain, policy))
        });
        let mut room = FAILURES;
        let policies: Vec<_> = ours
            .take(POLICIES)
            .map(|(domain, policy)| PolicyReceived::of(domain, policy, &mut room))
            .collect();
        if policies.is_empty() {
            return Err(Unfit::NotOurs);
        }
        let contact = report.contact_info.as_deref();
        let reporter = report.organization_name.as_deref().or(contact);
        Ok(Self {
            reporter: words(reporter.unwrap_or("somebody")),
            id: words(&report.report_id),
            from,
            to,
            policies,
        })
    }
}

impl PolicyReceived {
    fn of(domain: Domain, policy: &mail_auth::report::tlsrpt::Policy, room: &mut usize) -> Self {
        let details = policy.failure_details.iter().take(*room);
        *room -= details.len();
        let details = details.map(|one| FailureReceived {
            result: name(&one.result_type),
            host: one.receiving_mx_hostname.as_deref().and_then(host),
            count: one.failed_session_count.into(),
            reason: one.failure_reason_code.as_deref().map(words),
        });
        Self {
            domain,
            kind: match policy.policy.policy_type {
                PolicyType::Tlsa => "tlsa",
                PolicyType::Sts => "sts",
                PolicyType::NoPolicyFound => "no-policy-found",
                PolicyType::Other => "other",
            }
            .to_owned(),
            successes: policy.summary.total_success.into(),
            failures: policy.summary.total_failure.into(),
            details: details.collect(),
        }
    }
}

/// A server's name, if it is one.
fn host(text: &str) -> Option<String> {
    let domain = Domain::parse(text.trim().trim_end_matches('.')).ok()?;
    Some(domain.to_string())
}

/// The name of a result in reports.
fn name(result: &mail_auth::report::tlsrpt::ResultType) -> String {
    let name = serde_json::to_value(result).ok();
    let name = name.as_ref().and_then(|name| name.as_str());
    name.unwrap_or("other").to_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8460, appendix B.
    pub(crate) const RFC: &str = r#"{
        "organization-name": "Company-X",
        "date-range": {
          "start-datetime": "2016-04-01T00:00:00Z",
          "end-datetime": "2016-04-01T23:59:59Z"
        },
        "contact-info": "sts-reporting@company-x.example",
        "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
        "policies": [{
          "policy": {
            "policy-type": "sts",
            "policy-string": ["version: STSv1","mode: testing",
                  "mx: *.mail.company-y.example","max_age: 86400"],
            "policy-domain": "company-y.example",
            "mx-host": ["*.mail.company-y.example"]
          },
          "summary": {
            "total-successful-session-count": 5326,
            "total-failure-session-count": 303
          },
          "failure-details": [{
            "result-type": "certificate-expired",
            "sending-mta-ip": "2001:db8:abcd:0012::1",
            "receiving-mx-hostname": "mx1.mail.company-y.example",
            "failed-session-count": 100
          }, {
            "result-type": "starttls-not-supported",
            "sending-mta-ip": "2001:db8:abcd:0013::1",
            "receiving-mx-hostname": "mx2.mail.company-y.example",
            "receiving-ip": "203.0.113.56",
            "failed-session-count": 200,
            "additional-information": "https://reports.company-x.example/report_info ? id = 5065427 c - 23 d3# StarttlsNotSupported "
          }, {
            "result-type": "validation-failure",
            "sending-mta-ip": "198.51.100.62",
            "receiving-ip": "203.0.113.58",
            "receiving-mx-hostname": "mx-backup.mail.company-y.example",
            "failed-session-count": 3,
            "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"
          }]
        }]
      }"#;

    fn company_y(domain: &Domain) -> bool {
        domain.as_str() == "company-y.example"
    }

    #[test]
    fn the_rfcs_example_is_read() {
        let report = TlsReceived::read(RFC.as_bytes(), company_y).unwrap();
        assert_eq!(report.reporter, "Company-X");
        assert_eq!(report.id, "5065427c-23d3-47ca-b6e0-946ea0e8c4be");
        assert_eq!(report.from.to_string(), "2016-04-01T00:00:00Z");
        let [policy] = report.policies.as_slice() else {
            panic!("{report:?}");
        };
        assert_eq!((policy.successes, policy.failures), (5326, 303));
        let told: Vec<_> = policy
            .details
            .iter()
            .map(|one| (one.result.as_str(), one.count))
            .collect();
        let expected = [
            ("certificate-expired", 100),
            ("starttls-not-supported", 200),
            ("validation-failure", 3),
        ];
        assert_eq!(told, expected);
        let kept = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<TlsReceived>(&kept).unwrap(), report);
        assert!(!kept.contains("2001:db8"), "no more than is needed: {kept}");
    }

    #[test]
    fn what_is_about_others_or_no_report_is_refused() {
        assert_eq!(
            TlsReceived::read(RFC.as_bytes(), |_| false),
            Err(Unfit::NotOurs)
        );
        let no_id = RFC.replace("5065427c-23d3-47ca-b6e0-946ea0e8c4be", "");
        let no_time = RFC.replace("2016-04-01T00:00:00Z", "yesterday");
        for bad in ["", "{}", "[]", "null", &no_id, &no_time] {
            let read = TlsReceived::read(bad.as_bytes(), company_y);
            assert_eq!(read, Err(Unfit::Unreadable), "{bad}");
        }
    }

    #[test]
    fn what_is_kept_has_bounds() {
        let policy = r#"{"policy":{"policy-type":"new","policy-domain":"company-y.example."},
            "summary":{},"failure-details":[DETAILS]}"#;
        let detail = format!(
            r#"{{"result-type":"other-thing","receiving-mx-hostname":"a\u0007\n{}","failed-session-count":1}}"#,
            "x".repeat(5_000)
        );
        let policy = policy.replace("DETAILS", &vec![detail; 120].join(","));
        let json = format!(
            r#"{{"date-range":{{"start-datetime":"2026-01-01T00:00:00Z","end-datetime":"2026-01-02T00:00:00Z"}},
            "report-id":"1","policies":[{}]}}"#,
            vec![policy; 40].join(",")
        );
        let report = TlsReceived::read(json.as_bytes(), company_y).unwrap();
        assert_eq!(report.policies.len(), POLICIES);
        assert_eq!(report.policies[0].details.len(), FAILURES);
        assert!(report.policies[1].details.is_empty());
        assert_eq!(report.policies[0].kind, "other");
        let kept = serde_json::to_string(&report).unwrap();
        assert!(kept.len() < 1 << 16 && !kept.contains("\\u0007"));
    }

    #[test]
    fn what_is_short_and_becomes_much_is_not_read() {
        // A list may stand for a thing, and an empty one for a policy.
        let lists = format!("[\"\",[],\"\",\"1\",[{}]]", vec!["[]"; 50_000].join(","));
        let texts = format!(
            "{{\"policies\":[{{\"mx-host\":[{}]}}]}}",
            vec!["\"\""; 200_000].join(",")
        );
        for json in [lists, texts] {
            assert!(json.len() < 1 << 20);
            let read = TlsReceived::read(json.as_bytes(), company_y);
            assert_eq!(read, Err(Unfit::TooMuch));
        }
        // A report that fills what may come.
        let (head, rest) = RFC.split_once("\"failure-details\": [{").unwrap();
        let (detail, _) = rest.split_once('}').unwrap();
        let details = vec![format!("{{{detail}}}"); 5_000].join(",");
        let json = format!("{head}\"failure-details\": [{details}]}}]}}");
        assert!(json.len() > 1 << 20);
        assert!(TlsReceived::read(json.as_bytes(), company_y).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(
            noise in prop::collection::vec(any::<u8>(), 0..200),
            at in 0usize..2_000,
            cut in 0usize..2_000,
        ) {
            let _ = TlsReceived::read(&noise, |_| true);
            let mut json = RFC.as_bytes().to_vec();
            let at = at.min(json.len());
            json.splice(at..(at + noise.len()).min(json.len()), noise);
            json.truncate(json.len().saturating_sub(cut % 100));
            let _ = TlsReceived::read(&json, |_| true);
        }
    }
}
