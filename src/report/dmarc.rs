//! A report of others on mail in our name (DMARC: RFC 7489 appendix C, RFC 9990), as far as it concerns us: their XML, cut
//! down to networks, counts and results. To whom the mail went is not kept.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use mail_auth::report::{ActionDisposition, DkimResult, DmarcResult, Record, Report, SpfResult};
use serde::{Deserialize, Serialize};

use super::tls::Unfit;
use super::words;
use crate::address::Domain;
use crate::net::Network;

/// Sources of one report that are kept one by one; the others are summed up.
const SOURCES: usize = 200;
/// Names that are kept of who vouched for a source.
const NAMES: usize = 3;
/// Letters of all names together; sources whose names have no room are summed up with the others.
const LETTERS: usize = 24 << 10;
/// Records of a report, and tags in it: each becomes something in memory, however short it is.
const RECORDS: usize = 5_000;
const TAGS: usize = 120_000;

/// A report, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DmarcReceived {
    /// Who wrote it, by their own word.
    pub reporter: String,
    /// Whether SPF or DKIM vouched for the mail that it came with.
    pub proven: bool,
    /// Their id of it.
    pub id: String,
    /// The time that it covers.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// The domain of ours.
    pub domain: Domain,
    /// Who sent in its name.
    pub sources: Vec<Source>,
}

/// Mail in our name from one network that fared alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The network; none is all that were too many.
    pub network: Option<String>,
    /// It is this machine.
    pub own: bool,
    /// The domain in From.
    pub author: String,
    /// How many mails.
    pub count: u64,
    /// Whether DKIM passed, aligned.
    pub dkim: bool,
    /// Whether SPF passed, aligned.
    pub spf: bool,
    /// What became of them: `none` (delivered), `quarantine`, `reject`.
    pub became: String,
    /// Whose SPF or DKIM passed, aligned or not: it says who that is.
    pub vouched: Vec<String>,
}

impl Source {
    /// Whether DMARC passes.
    pub fn passes(&self) -> bool {
        self.dkim || self.spf
    }
}

impl DmarcReceived {
    /// Reads a report that is XML.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn read(
        xml: &[u8],
        is_ours: impl Fn(&Domain) -> bool,
        is_own: impl Fn(IpAddr) -> bool,
    ) -> Result<Self, Unfit> {
        let records = memchr::memmem::find_iter(xml, "<record").count();
        if records > RECORDS || memchr::memchr_iter(b'<', xml).count() > TAGS {
            return Err(Unfit::TooMuch);
        }
        let report = Report::parse_xml(xml).map_err(|_| Unfit::Unreadable)?;
        let domain = report.domain().trim_end_matches('.');
        let domain = Domain::parse(domain).map_err(|_| Unfit::Unreadable)?;
        let time = |seconds: u64| {
            let seconds = i64::try_from(seconds).map_err(|_| Unfit::Unreadable)?;
            Timestamp::from_second(seconds).map_err(|_| Unfit::Unreadable)
        };
        let from = time(report.date_range_begin())?;
        let to = time(report.date_range_end())?;
        let id = words(report.report_id());
        if id.is_empty() || from == Timestamp::UNIX_EPOCH || from > to {
            return Err(Unfit::Unreadable);
        }
        if !is_ours(&domain) {
            return Err(Unfit::NotOurs);
        }
        let reporter = Some(report.org_name()).filter(|name| !name.is_empty());
        Ok(Self {
            reporter: words(reporter.unwrap_or(report.email())),
            proven: false,
            id,
            from,
            to,
            domain,
            sources: sources(report.records(), is_own),
        })
    }
}

/// Records that say the same are one source.
fn sources(records: &[Record], is_own: impl Fn(IpAddr) -> bool) -> Vec<Source> {
    let mut all: BTreeMap<Key, Source> = BTreeMap::new();
    let mut room = LETTERS;
    for record in records {
        let mut source = source(record, &is_own);
        let mut key = Key::of(&source);
        let vouched = source.vouched.iter().map(String::len).sum::<usize>();
        let letters = source.author.len() + vouched;
        let known = all.contains_key(&key);
        if !known && all.len() < SOURCES && letters <= room {
            room -= letters;
        } else if !known {
            source.network = None;
            source.own = false;
            source.author.clear();
            source.vouched.clear();
            key = Key::of(&source);
        }
        let count = source.count;
        let kept = all.entry(key).or_insert(Source { count: 0, ..source });
        kept.count = kept.count.saturating_add(count);
    }
    all.into_values().collect()
}

/// What makes two records one source.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key(Option<String>, bool, String, bool, bool, String);

impl Key {
    fn of(source: &Source) -> Self {
        Self(
            source.network.clone(),
            source.own,
            source.author.clone(),
            source.dkim,
            source.spf,
            source.became.clone(),
        )
    }
}

/// A domain's name, if it is one: anything could stand there.
fn domain_of(text: &str) -> Option<String> {
    let domain = Domain::parse(text.trim().trim_end_matches('.')).ok()?;
    Some(domain.to_string())
}

fn source(record: &Record, is_own: &impl Fn(IpAddr) -> bool) -> Source {
    let passed = |result| result == DmarcResult::Pass;
    let dkim = record.dkim_auth_result().iter();
    let dkim = dkim.filter(|one| one.result() == DkimResult::Pass);
    let spf = record.spf_auth_result().iter();
    let spf = spf.filter(|one| one.result() == SpfResult::Pass);
    let mut vouched = Vec::new();
    let named = dkim.map(|one| one.domain());
    for name in named
        .chain(spf.map(|one| one.domain()))
        .filter_map(domain_of)
    {
        if vouched.len() < NAMES && !vouched.contains(&name) {
            vouched.push(name);
        }
    }
    let address = record.source_ip().map(|address| address.to_canonical());
    Source {
        network: address.map(|address| Network::from(address).to_string()),
        own: address.is_some_and(is_own),
        author: domain_of(record.header_from()).unwrap_or_default(),
        count: record.count().into(),
        dkim: passed(record.dmarc_dkim_result()),
        spf: passed(record.dmarc_spf_result()),
        became: match record.action_disposition() {
            ActionDisposition::Quarantine => "quarantine",
            ActionDisposition::Reject => "reject",
            _ => "none",
        }
        .to_owned(),
        vouched,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As RFC 7489 has it, with two records of one network that fared alike.
    pub(crate) const OLD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<feedback>
  <version>1.0</version>
  <report_metadata>
    <org_name>far.example</org_name>
    <email>reports@far.example</email>
    <extra_contact_info>https://far.example/dmarc</extra_contact_info>
    <report_id>far-1</report_id>
    <date_range><begin>1795132800</begin><end>1795219199</end></date_range>
  </report_metadata>
  <policy_published>
    <domain>party.example</domain><adkim>r</adkim><aspf>r</aspf><p>quarantine</p><sp>quarantine</sp><pct>100</pct>
  </policy_published>
  <record>
    <row><source_ip>192.0.2.7</source_ip><count>12</count>
      <policy_evaluated><disposition>none</disposition><dkim>pass</dkim><spf>pass</spf></policy_evaluated></row>
    <identifiers><envelope_to>voter.example</envelope_to><header_from>party.example</header_from></identifiers>
    <auth_results>
      <dkim><domain>party.example</domain><selector>list1</selector><result>pass</result></dkim>
      <spf><domain>party.example</domain><scope>mfrom</scope><result>pass</result></spf>
    </auth_results>
  </record>
  <record>
    <row><source_ip>203.0.113.9</source_ip><count>3</count>
      <policy_evaluated><disposition>quarantine</disposition><dkim>fail</dkim><spf>fail</spf>
        <reason><type>local_policy</type><comment>arc=none</comment></reason></policy_evaluated></row>
    <identifiers><header_from>Party.example</header_from></identifiers>
    <auth_results><spf><domain>bulk.example</domain><result>pass</result></spf></auth_results>
  </record>
  <record>
    <row><source_ip>203.0.113.200</source_ip><count>4</count>
      <policy_evaluated><disposition>quarantine</disposition><dkim>fail</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><header_from>party.example</header_from></identifiers>
    <auth_results><spf><domain>bulk.example</domain><result>pass</result></spf></auth_results>
  </record>
</feedback>"#;

    /// As RFC 9990 has it.
    const NEW: &str = r#"<?xml version="1.0"?>
<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
  <version>1.0</version>
  <report_metadata>
    <org_name>Sample Reporter</org_name><email>report_sender@example-reporter.com</email>
    <report_id>3v98abbp8ya9n3va8yr8oa3ya</report_id>
    <date_range><begin>1741046400</begin><end>1741132799</end></date_range>
    <generator>Example DMARC Aggregate Reporter v1.2</generator>
  </report_metadata>
  <policy_published>
    <domain>party.example</domain><p>quarantine</p><sp>none</sp><np>none</np><testing>n</testing>
    <discovery_method>treewalk</discovery_method>
  </policy_published>
  <extensions><extension name="x" definition="https://x.example"><y>1</y></extension></extensions>
  <record>
    <row><source_ip>2001:db8:12:3456::78</source_ip><count>123</count>
      <policy_evaluated><disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf></policy_evaluated></row>
    <identifiers><envelope_from>party.example</envelope_from><header_from>party.example</header_from></identifiers>
    <auth_results>
      <dkim><domain>party.example</domain><selector>abc123</selector><result>pass</result></dkim>
      <spf><domain>party.example</domain><result>fail</result></spf>
    </auth_results>
  </record>
</feedback>"#;

    fn party(domain: &Domain) -> bool {
        domain.as_str() == "party.example"
    }

    fn own(address: IpAddr) -> bool {
        address.to_string() == "192.0.2.7"
    }

    #[test]
    fn both_forms_are_read_and_cut_down() {
        let old = DmarcReceived::read(OLD.as_bytes(), party, own).unwrap();
        let said: Vec<_> = old
            .sources
            .iter()
            .map(|one| {
                let network = one.network.as_deref().unwrap();
                (network, one.own, one.count, one.passes(), &*one.became)
            })
            .collect();
        let expected = [
            ("192.0.2.0/24", true, 12, true, "none"),
            ("203.0.113.0/24", false, 7, false, "quarantine"),
        ];
        assert_eq!(said, expected);
        assert_eq!(old.sources[1].vouched, ["bulk.example"]);
        let kept = serde_json::to_string(&old).unwrap();
        assert!(!kept.contains("voter.example") && !kept.contains("203.0.113.9\""));
        assert_eq!(serde_json::from_str::<DmarcReceived>(&kept).unwrap(), old);

        let new = DmarcReceived::read(NEW.as_bytes(), party, own).unwrap();
        assert_eq!(new.reporter, "Sample Reporter");
        let [source] = new.sources.as_slice() else {
            panic!("{new:?}");
        };
        assert_eq!(source.network.as_deref(), Some("2001:db8:12:3400::/56"));
        assert!(source.dkim && !source.spf && source.count == 123);
    }

    #[test]
    fn what_is_about_others_or_no_report_is_refused() {
        let read = |xml: &str| DmarcReceived::read(xml.as_bytes(), party, own);
        let other = OLD.replace(
            "<domain>party.example</domain><adkim>",
            "<domain>b.example</domain><adkim>",
        );
        assert_eq!(read(&other), Err(Unfit::NotOurs));
        let no_id = OLD.replace("<report_id>far-1</report_id>", "");
        for bad in ["", "<html></html>", "<feedback></feedback>", "{}", &no_id] {
            assert_eq!(read(bad), Err(Unfit::Unreadable), "{bad}");
        }
    }

    #[test]
    fn many_sources_are_summed_up_and_entities_expand_to_nothing() {
        let record = |ip: String| {
            format!(
                "<record><row><source_ip>{ip}</source_ip><count>2</count><policy_evaluated><dkim>fail</dkim><spf>fail</spf>\
                 </policy_evaluated></row><identifiers><header_from>party.example</header_from></identifiers></record>"
            )
        };
        let records: String = (0..2_000u32)
            .map(|n| record(format!("10.{}.{}.1", n / 250, n % 250)))
            .collect();
        let (head, _) = OLD.split_once("<record>").unwrap();
        let many = format!("{head}{records}</feedback>");
        let read = DmarcReceived::read(many.as_bytes(), party, own).unwrap();
        assert_eq!(read.sources.len(), SOURCES + 1);
        assert_eq!(read.sources.iter().map(|one| one.count).sum::<u64>(), 4_000);

        let declared = OLD.replace(
            "<feedback>",
            "<!DOCTYPE f [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">]><feedback>",
        );
        let read = |name: &str| {
            let xml = declared.replace("far.example</org_name>", &format!("{name}</org_name>"));
            DmarcReceived::read(xml.as_bytes(), party, own)
        };
        // It is read in spite of the declarations, and they stand for nothing.
        assert_eq!(read("Far&amp;Co").unwrap().reporter, "Far&Co");
        assert_eq!(read("Far&b;&b;").unwrap().reporter, "Farbb");
    }

    #[test]
    fn names_are_domains_or_nothing() {
        let bulk = "<domain>bulk.example</domain>";
        let xml = OLD.replace(bulk, &format!("<domain>{}</domain>", "x y ".repeat(60)));
        let xml = xml.replace("Party.example</header_from>", "a\u{202e}b</header_from>");
        let read = DmarcReceived::read(xml.as_bytes(), party, own).unwrap();
        for source in &read.sources {
            let author = source.author.as_str();
            assert!(matches!(author, "" | "party.example"), "{author}");
            let vouched = source.vouched.iter();
            assert!(vouched.clone().all(|one| one == "party.example"));
        }
    }

    #[test]
    fn what_is_short_and_becomes_much_is_not_read() {
        let (head, _) = OLD.split_once("<record>").unwrap();
        let records = "<record></record>".repeat(20_000);
        let dkim = format!(
            "<record><auth_results>{}</auth_results></record>",
            "<dkim></dkim>".repeat(70_000)
        );
        for many in [records, dkim] {
            let xml = format!("{head}{many}</feedback>");
            assert!(xml.len() < 1 << 20);
            let read = DmarcReceived::read(xml.as_bytes(), party, own);
            assert_eq!(read, Err(Unfit::TooMuch));
        }
        // A report that fills what may come.
        let record = OLD.split("<record>").nth(1).unwrap();
        let records = format!("<record>{record}").repeat(2_500);
        let xml = format!("{head}{records}</feedback>");
        assert!(xml.len() > 1 << 20);
        assert!(DmarcReceived::read(xml.as_bytes(), party, own).is_ok());
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(
            noise in prop::collection::vec(any::<u8>(), 0..60),
            tags in "[<>/a-z& ;!\\[\\]-]{0,60}",
            at in 0usize..2_500,
            cut in 0usize..2_500,
        ) {
            let _ = DmarcReceived::read(&noise, |_| true, |_| false);
            let _ = DmarcReceived::read(tags.as_bytes(), |_| true, |_| false);
            for put in [noise, tags.into_bytes()] {
                for form in [OLD, NEW] {
                    let mut xml = form.as_bytes().to_vec();
                    let at = at.min(xml.len());
                    xml.splice(at..at, put.iter().copied());
                    let _ = DmarcReceived::read(&xml, |_| true, |_| false);
                    xml.truncate(xml.len().saturating_sub(cut));
                    let _ = DmarcReceived::read(&xml, |_| true, |_| false);
                }
            }
        }
    }
}
