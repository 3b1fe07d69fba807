//! Text in its charset, as Unicode with `\n` line ends.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;

use super::MimeError;
use super::tree::Part;

/// What means UTF-8. What calls itself ASCII and isn't, is UTF-8 or nothing: guessing a legacy charset would garble it
/// silently.
const UTF8: [&str; 5] = ["utf-8", "utf8", "us-ascii", "ascii", ""];

/// The text of a part. Line ends are `\n`.
///
/// # Errors
/// [`MimeError::TransferEncoding`], [`MimeError::Charset`] for a charset nobody knows, [`MimeError::NotText`] for octets that
/// it doesn't have.
pub fn decode(part: &Part<'_>) -> Result<String, MimeError> {
    let bytes = part.decoded()?;
    Ok(unify(&to_unicode(&bytes, legacy(part))?))
}

/// What can be read of the text of a part that may be cut or damaged: for looking alone. An encoding that it doesn't
/// follow counts for none, a charset that nobody knows for UTF-8, an octet that isn't in it for U+FFFD.
pub fn decode_leniently(part: &Part<'_>) -> String {
    let bytes = part.decoded().unwrap_or(Cow::Borrowed(part.body));
    let decoder = legacy(part).and_then(|name| charset_decoder(name.as_bytes()));
    let text = match decoder {
        Some(decoder) => decoder(&bytes),
        None => String::from_utf8_lossy(&bytes).into_owned(),
    };
    unify(text.trim_start_matches('\u{FEFF}'))
}

/// The charset of a part, if it isn't UTF-8 or its beginning, ASCII.
fn legacy<'p>(part: &'p Part<'_>) -> Option<&'p str> {
    let charset = part.content_type.get("charset").unwrap_or_default().trim();
    (!UTF8.iter().any(|known| charset.eq_ignore_ascii_case(known))).then_some(charset)
}

/// Octets in a charset as Unicode, in UTF-8 if none is named.
fn to_unicode(bytes: &[u8], legacy: Option<&str>) -> Result<String, MimeError> {
    let text = match legacy {
        None => String::from_utf8(bytes.to_vec()).map_err(|_| MimeError::NotText)?,
        Some(charset) => {
            let decoder = charset_decoder(charset.as_bytes()).ok_or(MimeError::Charset)?;
            // The decoders write U+FFFD for what the charset doesn't have.
            Some(decoder(bytes))
                .filter(|text| !text.contains('\u{FFFD}'))
                .ok_or(MimeError::NotText)?
        }
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
