//! What this machine is worth at the moment.

use hustings::message::dkim::SigningKey;

use crate::process::Process;

const SIGNATURES: u32 = 500;

/// What one RSA-2048 signature costs, which no mailing can do without.
pub(crate) fn signature() -> String {
    let key = SigningKey::generate_rsa().unwrap();
    let this = Process(std::process::id());
    let before = this.cpu();
    for n in 0..SIGNATURES {
        std::hint::black_box(key.sign(&n.to_be_bytes()).unwrap());
    }
    let each = (this.cpu() - before) / SIGNATURES;
    format!(
        "reference: an RSA-2048 signature takes {:.3} CPU ms",
        each.as_secs_f64() * 1000.0
    )
}
