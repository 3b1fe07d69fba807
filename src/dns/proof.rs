//! What an answer proves, once each of its records has been judged.

use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::rdata::DNSSECRData;
use hickory_resolver::proto::op::Query;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::error::LookupError;

/// An answer. No records is an answer too.
pub(super) struct Answer {
    /// Without the signatures.
    pub(super) records: Vec<Record>,
    /// Whether all of it is proven.
    pub(super) secure: bool,
}

impl Answer {
    /// The name at the end of the aliases.
    pub(super) fn canonical(&self, start: &Name) -> Name {
        let mut name = start;
        // An alias may be named once: no circle is longer than the answer.
        for _ in &self.records {
            let next = self.records.iter().find_map(|record| match &record.data {
                RData::CNAME(alias) if record.name == *name => Some(&alias.0),
                _ => None,
            });
            match next {
                Some(next) => name = next,
                None => break,
            }
        }
        name.clone()
    }
}

/// Proven if all records are. One of which nobody knows whether it should be signed is as good as forged.
pub(super) fn judged(records: Vec<Record>) -> Result<Answer, LookupError> {
    let is = |record: &Record| record.proof;
    if records
        .iter()
        .any(|record| !matches!(is(record), Proof::Secure | Proof::Insecure))
    {
        return Err(LookupError::Bogus);
    }
    let secure = !records.is_empty() && records.iter().all(|record| is(record).is_secure());
    Ok(Answer { records, secure })
}

/// Whether an answer needs no proof that something is absent: from the name that was asked, over aliases, to a record of
/// the kind that was asked, all of it is signed, and none of it came out of a wildcard (RFC 4035 §5.3). Then whatever
/// denials a resolver adds have no say in it. Unbound leaves some behind an alias, by which it had found that the
/// target has no address.
pub(super) fn stands_alone(query: &Query, answers: &[Record]) -> bool {
    let records = data(answers);
    // As many labels as its owner's name has, or it stands for another name.
    let of_wildcard = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => {
            signature.input().num_labels < record.name.num_labels()
        }
        _ => false,
    };
    if answers.iter().any(of_wildcard) || !records.iter().all(|record| record.proof.is_secure()) {
        return false;
    }
    let answer = Answer {
        records,
        secure: true,
    };
    let end = answer.canonical(&query.name);
    let asked = |record: &Record| record.name == end && record.record_type() == query.query_type;
    answer.records.iter().any(asked)
}

/// Without the signatures.
pub(super) fn data(records: &[Record]) -> Vec<Record> {
    let is_data = |record: &&Record| record.record_type() != RecordType::RRSIG;
    records.iter().filter(is_data).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_answer_is_as_good_as_its_worst_record() {
        let judge = |proofs: &[Proof]| {
            let records = proofs.iter().map(|proof| {
                let address = RData::A(std::net::Ipv4Addr::LOCALHOST.into());
                let mut record = Record::from_rdata(Name::root(), 60, address);
                record.proof = *proof;
                record
            });
            judged(records.collect()).map(|answer| answer.secure)
        };
        let (good, unsigned) = (Proof::Secure, Proof::Insecure);
        assert_eq!(judge(&[good, good]), Ok(true));
        assert_eq!(judge(&[good, unsigned]), Ok(false));
        assert_eq!(judge(&[unsigned]), Ok(false));
        assert_eq!(judge(&[]), Ok(false), "nothing proves nothing");
        for doubtful in [Proof::Bogus, Proof::Indeterminate] {
            for beside in [good, unsigned] {
                assert_eq!(judge(&[beside, doubtful]), Err(LookupError::Bogus));
            }
        }
    }

    #[test]
    fn an_answer_of_signed_records_needs_no_denial() {
        use hickory_resolver::proto::dnssec::Algorithm;
        use hickory_resolver::proto::dnssec::rdata::{RRSIG, SigInput};
        use hickory_resolver::proto::rr::SerialNumber;
        use hickory_resolver::proto::rr::rdata::CNAME;

        let name = |text: &str| Name::from_ascii(text).unwrap();
        let proven = |owner: &str, data: RData| {
            let mut record = Record::from_rdata(name(owner), 60, data);
            record.proof = Proof::Secure;
            record
        };
        let signature = |owner: &str, num_labels: u8| {
            let input = SigInput {
                type_covered: RecordType::A,
                algorithm: Algorithm::ED25519,
                num_labels,
                original_ttl: 60,
                sig_expiration: SerialNumber::new(2),
                sig_inception: SerialNumber::new(1),
                key_tag: 1,
                signer_name: name("test."),
            };
            let data = DNSSECRData::RRSIG(RRSIG::from_sig(input, Vec::new()));
            proven(owner, RData::DNSSEC(data))
        };
        let address = || proven("b.test.", RData::A(std::net::Ipv4Addr::LOCALHOST.into()));
        let alias = proven("a.test.", RData::CNAME(CNAME(name("b.test."))));
        let query = Query::query(name("a.test."), RecordType::A);
        let whole = vec![
            alias.clone(),
            signature("a.test.", 2),
            address(),
            signature("b.test.", 2),
        ];
        assert!(stands_alone(&query, &whole));
        assert!(!stands_alone(&query, &whole[..2]), "leads nowhere");
        assert!(!stands_alone(&query, &whole[2..]), "not what was asked");
        assert!(!stands_alone(&query, &[]));
        let mut doubtful = whole.clone();
        doubtful[2].proof = Proof::Bogus;
        assert!(!stands_alone(&query, &doubtful));
        let mut wild = whole;
        wild[3] = signature("b.test.", 1);
        assert!(!stands_alone(&query, &wild), "another name's records");
    }
}
