//! What `status` says of certificates.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::super::rooms::Rooms;
use crate::certificate::OwnCertificates;
use crate::config::CertificateSource;
use crate::control::api::service::{CertificateReport, RefusedReport};
use crate::tls::{Certificates, KeyKind, Pair};

/// A certificate that ends within this time should have been renewed.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);
/// The same where we renew by ourselves: authorities may issue for days only.
const DUE: SignedDuration = SignedDuration::from_hours(48);

pub(super) fn report(
    served: &Certificates,
    source: CertificateSource,
    own: Option<Arc<OwnCertificates>>,
) -> Vec<CertificateReport> {
    let source = |pair: &Pair| match source {
        CertificateSource::Acme if pair.is_self_signed() => CertificateSource::SelfMade.as_str(),
        source => source.as_str(),
    };
    let pairs = served.pairs();
    let kind = |pair: &Pair| match pair.is_rsa() {
        true => KeyKind::Rsa,
        false => KeyKind::Ecdsa,
    };
    let one = |pair: &Pair| CertificateReport {
        names: pair.names().to_vec(),
        key: kind(pair).as_str().to_owned(),
        source: source(pair).to_owned(),
        expires_at: pair.expires(),
        renews_at: own.as_ref().and_then(|own| own.renews_at(kind(pair))),
    };
    pairs.iter().map(one).collect()
}

pub(super) fn refused(served: &Certificates) -> Vec<RefusedReport> {
    let all = served.refusals().all().into_iter();
    all.map(|one| RefusedReport {
        door: one.door.into_owned(),
        reason: one.reason.as_str().to_owned(),
        times: one.times,
        networks: one.networks,
    })
    .collect()
}

pub(super) fn warnings(
    served: &Certificates,
    rooms: Option<&Rooms>,
    now: Timestamp,
) -> Vec<String> {
    let mut all = Vec::new();
    let own = rooms.and_then(|rooms| rooms.certificates.as_ref());
    let soon = own.map_or(SOON, |_| DUE);
    if let Some(ends) = served.expires() {
        let ends_at = ends.strftime("%F %H:%M");
        if ends <= now {
            all.push(format!(
                "a certificate ended on {ends_at}: verifying servers and browsers refuse it"
            ));
        } else if ends.duration_since(now) < soon {
            all.push(format!("a certificate ends on {ends_at}"));
        }
    }
    let Some(own) = own else { return all };
    if let Some(trouble) = own.trouble() {
        all.push(format!(
            "certificates: {} (since {}; tried again {})",
            trouble.refusal,
            trouble.since.strftime("%F %H:%M"),
            trouble.again_at.strftime("%F %H:%M")
        ));
    }
    if let Some(why) = own.unwritten() {
        all.push(format!(
            "certificates can't be kept for when the vault is locked: {why}"
        ));
    }
    for (name, why) in own.left_out() {
        all.push(format!("no certificate for {name}: {why}"));
    }
    if own.is_acme() && served.pairs().iter().any(Pair::is_self_signed) {
        all.push(
            "a certificate that is made here is served until the authority has issued one"
                .to_owned(),
        );
    }
    all
}
