//! Text in its charset, as Unicode with `\n` line ends.

use mail_parser::decoders::charsets::map::charset_decoder;

use super::MimeError;
use super::tree::Part;

/// The text of a part. Line ends are `\n`.
///
/// # Errors
/// [`MimeError::TransferEncoding`], [`MimeError::Charset`] for a charset nobody knows, [`MimeError::NotText`] for octets that
/// it doesn't have.
pub fn decode(part: &Part<'_>) -> Result<String, MimeError> {
    let bytes = part.decoded()?;
    let text = to_unicode(
        &bytes,
        part.content_type.get("charset").unwrap_or("us-ascii"),
    )?;
    Ok(unify(&text))
}

/// Octets in a charset as Unicode.
fn to_unicode(bytes: &[u8], charset: &str) -> Result<String, MimeError> {
    let charset = charset.trim();
    let utf8 = ["utf-8", "utf8", "us-ascii", "ascii", ""];
    // What calls itself ASCII and isn't, is UTF-8 or nothing: guessing a legacy charset would garble it silently.
    let text = if utf8.iter().any(|known| charset.eq_ignore_ascii_case(known)) {
        String::from_utf8(bytes.to_vec()).map_err(|_| MimeError::NotText)?
    } else {
        let decoder = charset_decoder(charset.as_bytes()).ok_or(MimeError::Charset)?;
        // The decoders write U+FFFD for what the charset doesn't have.
        Some(decoder(bytes))
            .filter(|text| !text.contains('\u{FFFD}'))
            .ok_or(MimeError::NotText)?
    };
    let text = text
        .strip_prefix('\u{FEFF}')
        .map(str::to_owned)
        .unwrap_or(text);
    if text.contains('\0') {
        Err(MimeError::NotText)
    } else {
        Ok(text)
    }
}

/// All kinds of line ends as `\n`.
fn unify(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
