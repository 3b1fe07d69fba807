//! A report of ours on TLS (RFC 8460 §4.4), and the mail around one (§5.3). It speaks of servers and counts alone.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use mail_auth::report::tlsrpt::{
    DateRange, FailureDetails, Policy, PolicyDetails, PolicyType, ResultType as Named, Summary,
    TlsReport,
};
use mail_builder::headers::date::Date as MailDate;
use serde_json::Value;

use super::tally::{DayResults, PolicyDay, begin_of};
use crate::address::{Domain, EmailAddress};
use crate::delivery::policy::results::{PolicyKind, ResultType};
use crate::message::mime::encode;
use crate::store::TlsDayRecord;

/// Who reports.
#[derive(Debug, Clone)]
pub struct Author {
    /// The party's name.
    pub organization: String,
    /// Its first domain.
    pub submitter: Domain,
    /// Who answers, and who the mails are from.
    pub contact: EmailAddress,
}

/// The report on a day's connections to a domain.
pub fn report(author: &Author, day: &TlsDayRecord, results: &DayResults, id: &str) -> TlsReport {
    let begin = begin_of(day.day).as_second();
    TlsReport {
        organization_name: Some(author.organization.clone()),
        date_range: DateRange::from_timestamps(begin, begin + 86_399),
        contact_info: Some(format!("mailto:{}", author.contact)),
        report_id: id.to_owned(),
        policies: results
            .policies
            .iter()
            .map(|one| policy(&day.domain, one))
            .collect(),
    }
}

fn policy(domain: &Domain, day: &PolicyDay) -> Policy {
    let kind = match day.kind {
        PolicyKind::Tlsa => PolicyType::Tlsa,
        PolicyKind::Sts => PolicyType::Sts,
        PolicyKind::None => PolicyType::NoPolicyFound,
    };
    let many = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let details = day.failures.iter().map(|one| FailureDetails {
        result_type: named(one.result),
        receiving_mx_hostname: one.host.clone(),
        receiving_ip: one.address,
        failed_session_count: many(one.count),
        ..FailureDetails::default()
    });
    let failed = day
        .failures
        .iter()
        .fold(0u64, |sum, one| sum.saturating_add(one.count));
    Policy {
        policy: PolicyDetails {
            policy_string: day.lines.clone(),
            mx_host: day.mx.clone(),
            ..PolicyDetails::new(kind, domain.as_str())
        },
        summary: Summary {
            total_success: many(day.successes),
            total_failure: many(failed),
        },
        failure_details: details.collect(),
    }
}

fn named(result: ResultType) -> Named {
    match result {
        ResultType::StarttlsNotSupported => Named::StartTlsNotSupported,
        ResultType::CertificateHostMismatch => Named::CertificateHostMismatch,
        ResultType::CertificateNotTrusted => Named::CertificateNotTrusted,
        ResultType::CertificateExpired => Named::CertificateExpired,
        ResultType::ValidationFailure => Named::ValidationFailure,
        ResultType::TlsaInvalid => Named::TlsaInvalid,
        ResultType::DnssecInvalid => Named::DnssecInvalid,
        ResultType::DaneRequired => Named::DaneRequired,
        ResultType::StsPolicyFetchError => Named::StsPolicyFetchError,
        ResultType::StsPolicyInvalid => Named::StsPolicyInvalid,
        ResultType::StsWebpkiInvalid => Named::StsWebpkiInvalid,
    }
}

/// The report as it is sent: JSON without what isn't known, in gzip.
pub fn packed(report: &TlsReport) -> std::io::Result<Vec<u8>> {
    let mut json = serde_json::to_value(report).map_err(std::io::Error::other)?;
    leave_out_empty(&mut json);
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(json.to_string().as_bytes())?;
    packer.finish()
}

/// Strict readers take no `null`, and no empty list, for what may be left out.
fn leave_out_empty(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
            fields.retain(|_, value| !value.is_null() && !is_empty(value));
            fields.values_mut().for_each(leave_out_empty);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_empty),
        _ => {}
    }
}

/// The mail that carries a packed report.
pub fn mail(
    author: &Author,
    day: &TlsDayRecord,
    to: &EmailAddress,
    id: &str,
    packed: &[u8],
    now: Timestamp,
) -> Vec<u8> {
    let (domain, submitter) = (&day.domain, &author.submitter);
    let begin = begin_of(day.day);
    let end = begin.saturating_add(SignedDuration::from_secs(86_399));
    let end = end.unwrap_or(begin).as_second();
    let file = format!("{submitter}!{domain}!{}!{end}.json.gz", begin.as_second());
    let local = id.split_once('@').map_or(id, |(local, _)| local);
    let mut out = Vec::with_capacity(2 * packed.len() + 2_048);
    encode::mailbox_field(
        &mut out,
        "From",
        &author.organization,
        author.contact.as_str(),
    );
    let mut field = |name: &str, value: &str| {
        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    };
    field("To", &format!("<{to}>"));
    field("Date", &MailDate::new(now.as_second()).to_rfc822());
    field(
        "Message-ID",
        &format!("<{local}.{}@{submitter}>", short(to)),
    );
    // Folded, since the names in it may be long.
    field(
        "Subject",
        &format!("Report Domain: {domain}\r\n Submitter: {submitter}\r\n Report-ID: <{id}>"),
    );
    field("TLS-Report-Domain", domain.as_str());
    field("TLS-Report-Submitter", submitter.as_str());
    field("Auto-Submitted", "auto-generated");
    field("MIME-Version", "1.0");
    let mut body = Vec::with_capacity(packed.len() * 4 / 3 + 256);
    encode::base64_lines(&mut body, packed);
    let boundary = encode::boundary(&body);
    let text = format!(
        "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"{boundary}\"\r\n\r\n--{boundary}\r\n\
         Content-Type: text/plain; charset=\"us-ascii\"\r\n\r\n\
         How encrypted connections to the mail servers of\r\n {domain}\r\nfared on {} (UTC), as seen by\r\n {submitter}.\r\n\
         The report is attached (RFC 8460).\r\n\r\n--{boundary}\r\n\
         Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment;\r\n filename=\"{file}\"\r\n\r\n",
        day.day
    );
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(&body);
    out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    out
}

/// Tells mails of one report to several addresses apart.
fn short(to: &EmailAddress) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, to.as_str().as_bytes());
    let digits = digest.as_ref().iter().take(4);
    digits.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::report::tally::FailureDay;
    use crate::report::unpack::gunzip;

    fn author() -> Author {
        Author {
            organization: "The Exämple Party".to_owned(),
            submitter: Domain::parse("party.example").unwrap(),
            contact: EmailAddress::parse("postmaster@party.example").unwrap(),
        }
    }

    fn day() -> TlsDayRecord {
        TlsDayRecord {
            domain: Domain::parse("company-y.example").unwrap(),
            day: "2026-11-21".parse().unwrap(),
            results: Value::Null,
        }
    }

    fn results() -> DayResults {
        let failure = FailureDay {
            result: ResultType::CertificateExpired,
            host: Some("mx1.mail.company-y.example".to_owned()),
            address: Some("203.0.113.56".parse().unwrap()),
            count: 100,
        };
        let sts = PolicyDay {
            kind: PolicyKind::Sts,
            lines: vec!["version: STSv1".to_owned(), "mode: testing".to_owned()],
            mx: vec!["*.mail.company-y.example".to_owned()],
            successes: 5_326,
            failures: vec![
                failure.clone(),
                FailureDay {
                    result: ResultType::StsWebpkiInvalid,
                    host: None,
                    address: None,
                    count: 3,
                },
            ],
        };
        let none = PolicyDay {
            kind: PolicyKind::None,
            lines: Vec::new(),
            mx: Vec::new(),
            successes: 1,
            failures: Vec::new(),
        };
        DayResults {
            policies: vec![sts, none],
            ..DayResults::default()
        }
    }

    #[test]
    fn what_is_written_can_be_read_and_has_no_null() {
        let report = report(&author(), &day(), &results(), "id1");
        let packed = packed(&report).unwrap();
        let json = gunzip(&packed, 1 << 20).unwrap();
        assert_eq!(TlsReport::parse_json(&json).unwrap(), report);
        let text = String::from_utf8(json).unwrap();
        assert!(!text.contains("null") && !text.contains("[]"), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        let range = &value["date-range"];
        assert_eq!(range["start-datetime"], "2026-11-21T00:00:00Z");
        assert_eq!(range["end-datetime"], "2026-11-21T23:59:59Z");
        let summary = &value["policies"][0]["summary"];
        assert_eq!(summary["total-failure-session-count"], 103);
        assert_eq!(
            value["policies"][1]["policy"]["policy-type"],
            "no-policy-found"
        );
    }

    #[test]
    fn every_result_keeps_its_name() {
        for (ours, kept) in [
            ResultType::StarttlsNotSupported,
            ResultType::CertificateHostMismatch,
            ResultType::CertificateNotTrusted,
            ResultType::CertificateExpired,
            ResultType::ValidationFailure,
            ResultType::TlsaInvalid,
            ResultType::DnssecInvalid,
            ResultType::DaneRequired,
            ResultType::StsPolicyFetchError,
            ResultType::StsPolicyInvalid,
            ResultType::StsWebpkiInvalid,
        ]
        .map(|one| (one, serde_json::to_value(one).unwrap()))
        {
            assert_eq!(kept, ours.name());
            assert_eq!(serde_json::to_value(named(ours)).unwrap(), ours.name());
        }
        for kind in [PolicyKind::Tlsa, PolicyKind::Sts, PolicyKind::None] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }

    #[test]
    fn the_mail_is_as_the_rfc_has_it() {
        let report = report(&author(), &day(), &results(), "a1@mail.party.example");
        let packed = packed(&report).unwrap();
        let to = EmailAddress::parse("reports@company-y.example").unwrap();
        let now = "2026-11-22T02:00:00Z".parse().unwrap();
        let mail = mail(&author(), &day(), &to, &report.report_id, &packed, now);
        assert_eq!(TlsReport::parse_rfc5322(&mail, 1 << 20).unwrap(), report);
        let text = String::from_utf8(mail).unwrap();
        assert!(text.is_ascii() && text.split("\r\n").all(|line| line.len() < 998));
        let flat = text.replace("\r\n ", " ");
        for said in [
            "To: <reports@company-y.example>\r\n",
            "Subject: Report Domain: company-y.example Submitter: party.example Report-ID: <a1@mail.party.example>\r\n",
            "TLS-Report-Domain: company-y.example\r\n",
            "TLS-Report-Submitter: party.example\r\n",
            "Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=",
            "Content-Type: application/tlsrpt+gzip\r\n",
            "filename=\"party.example!company-y.example!1795219200!1795305599.json.gz\"",
        ] {
            assert!(flat.contains(said), "{said}: {flat}");
        }
    }
}
