//! What this machine is worth at the moment.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::RSA_PKCS1_SHA256;

use crate::process::Process;

const SIGNATURES: u32 = 500;

/// What one RSA-2048 signature costs, which no mailing can do without.
pub(crate) fn signature() -> String {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    let random = SystemRandom::new();
    let this = Process(std::process::id());
    let before = this.cpu();
    for n in 0..SIGNATURES {
        let message = n.to_be_bytes();
        key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature)
            .unwrap();
    }
    let each = (this.cpu() - before) / SIGNATURES;
    format!(
        "reference: an RSA-2048 signature takes {:.3} CPU ms",
        each.as_secs_f64() * 1000.0
    )
}
