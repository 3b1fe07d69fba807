//! Somebody's authenticator app.

use std::process::Output;
use std::sync::{Arc, Mutex};

use hustings::staff::TotpSecret;
use jiff::Timestamp;

use super::party::said;

/// What may be told to a command for each line that it says.
pub type Answer = Box<dyn FnMut(&str) -> Option<String> + Send>;

/// Sets a second factor up by the command line: reads the secret where it is shown, and gives the code that an app would
/// show at `now`. Gives the secret, the recovery codes and all that was shown.
pub async fn enrol<'a, F>(
    run: impl FnOnce(&'a [&'a str], Answer) -> F,
    now: impl Fn() -> Timestamp + Send + 'static,
) -> (TotpSecret, Vec<String>, String)
where
    F: Future<Output = Output>,
{
    let found = Arc::new(Mutex::new(None));
    let keep = found.clone();
    let answer = move |line: &str| {
        let secret = line.strip_prefix("Secret:")?.trim();
        let secret = TotpSecret::from_base32(secret).expect("a secret in base 32");
        let code = secret.code_at(now());
        *keep.lock().unwrap() = Some(secret);
        Some(format!("{}\n", *code))
    };
    let output = run(&["staff", "second-factor", "add"], Box::new(answer)).await;
    assert!(output.status.success(), "{}", said(&output));
    let shown = said(&output);
    let codes = shown.lines().filter_map(|line| line.strip_prefix("    "));
    let codes = codes.map(str::to_owned).collect();
    let secret = found.lock().unwrap().take().expect("it was shown");
    (secret, codes, shown)
}
