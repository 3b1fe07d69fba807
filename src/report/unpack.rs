//! Unpacking what a stranger packed: gzip and zip, with an end to what comes out of them, and to how many files are looked
//! at. Nothing is written to the disk, and no name in an archive means anything.

use std::io::{Cursor, Read};

use flate2::read::MultiGzDecoder;
use mail_parser::{MessageParser, MimeHeaders as _, PartType};
use zip::ZipArchive;

/// Files of an archive that are looked at: reporters send one.
const FILES: usize = 4;
/// Parts of a mail that are looked at, of those that may be a report.
const PARTS: usize = 4;
/// What parts begin with, and what stands between the pieces of a header: each may become something in memory, however
/// short it is. Nothing of it stands in what is packed.
const DASHES: usize = 2_000;
const MARKS: usize = 60_000;

/// Why something could not be unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It isn't what it says it is, or ends early.
    #[error("it isn't packed as it says, or ends early")]
    Damaged,
    /// More would come out of it than anybody reports.
    #[error("it unpacks to more than is taken")]
    TooBig,
}

/// Reads no more than `most` octets.
fn read(from: impl Read, most: usize) -> Result<Vec<u8>, UnpackError> {
    let mut out = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    from.take(limit)
        .read_to_end(&mut out)
        .map_err(|_| UnpackError::Damaged)?;
    if out.len() > most {
        return Err(UnpackError::TooBig);
    }
    Ok(out)
}

/// What is in a gzip file.
///
/// # Errors
/// [`UnpackError`].
pub fn gunzip(packed: &[u8], most: usize) -> Result<Vec<u8>, UnpackError> {
    read(MultiGzDecoder::new(packed), most)
}

/// The files of a zip archive, the first few, which together are no larger than `most`.
fn unzip(packed: &[u8], most: usize) -> Result<Vec<Vec<u8>>, UnpackError> {
    let mut archive = ZipArchive::new(Cursor::new(packed)).map_err(|_| UnpackError::Damaged)?;
    let mut files = Vec::new();
    let mut left = most;
    for at in 0..archive.len().min(FILES) {
        let file = archive.by_index(at).map_err(|_| UnpackError::Damaged)?;
        if file.is_dir() {
            continue;
        }
        let file = read(file, left)?;
        left -= file.len();
        files.push(file);
    }
    Ok(files)
}

/// What octets look like, whatever they are called.
fn unpack(bytes: &[u8], most: usize) -> Result<Vec<Vec<u8>>, UnpackError> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return gunzip(bytes, most).map(|file| vec![file]);
    }
    if bytes.starts_with(b"PK") {
        return unzip(bytes, most);
    }
    if bytes.len() > most {
        return Err(UnpackError::TooBig);
    }
    Ok(vec![bytes.to_vec()])
}

/// Whether a mail falls into more pieces than a report does.
fn is_in_pieces(mail: &[u8]) -> bool {
    memchr::memmem::find_iter(mail, "--").count() > DASHES
        || memchr::memchr3_iter(b':', b';', b',', mail).count() > MARKS
}

/// The files that a mail has attached, unpacked, until one was taken. All of them together unpack to `most`.
///
/// # Errors
/// The last [`UnpackError`], if there was one and nothing was taken; none is that there is nothing that fits.
pub fn attached<T>(
    mail: &[u8],
    most: usize,
    mut take: impl FnMut(&[u8]) -> Option<T>,
) -> Result<Option<T>, UnpackError> {
    if is_in_pieces(mail) {
        return Err(UnpackError::TooBig);
    }
    let message = MessageParser::new()
        .parse(mail)
        .ok_or(UnpackError::Damaged)?;
    let (mut last, mut left) = (None, most);
    let parts = message.parts.iter().filter_map(|part| match &part.body {
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => Some(&bytes[..]),
        PartType::Text(text) if is_structured(part) => Some(text.as_bytes()),
        _ => None,
    });
    for bytes in parts.take(PARTS) {
        match unpack(bytes, left) {
            Ok(files) => {
                left = left.saturating_sub(files.iter().map(Vec::len).sum());
                if let Some(taken) = files.iter().find_map(|file| take(file)) {
                    return Ok(Some(taken));
                }
            }
            Err(UnpackError::TooBig) => return Err(UnpackError::TooBig),
            Err(error) => last = Some(error),
        }
    }
    last.map_or(Ok(None), Err)
}

/// Text that is XML by its type or its name: people's words are left alone.
fn is_structured(part: &mail_parser::MessagePart<'_>) -> bool {
    let subtype = part.content_type().and_then(|kind| kind.subtype());
    let name = part.attachment_name().unwrap_or_default();
    subtype.is_some_and(|one| one.eq_ignore_ascii_case("xml"))
        || name.to_ascii_lowercase().ends_with(".xml")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use std::io::Write as _;

    use base64::Engine as _;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::*;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    pub(crate) fn zipped(files: &[&[u8]]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (at, file) in files.iter().enumerate() {
            let options = SimpleFileOptions::default();
            writer
                .start_file(format!("../../{at}.xml"), options)
                .unwrap();
            writer.write_all(file).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    pub(crate) fn mail_with(kind: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
        let body = base64::engine::general_purpose::STANDARD.encode(bytes);
        let lines: Vec<_> = body
            .as_bytes()
            .chunks(76)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        format!(
            "From: reports@far.example\r\nTo: dmarc@party.example\r\nSubject: Report Domain: party.example\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
             A report.\r\n--b\r\nContent-Type: {kind}; name=\"{name}\"\r\nContent-Disposition: attachment; \
             filename=\"{name}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
            lines.join("\r\n")
        )
        .into_bytes()
    }

    fn first(mail: &[u8], most: usize) -> Result<Option<Vec<u8>>, UnpackError> {
        attached(mail, most, |file| Some(file.to_vec()))
    }

    #[test]
    fn whatever_it_is_called_it_is_unpacked() {
        let packed = [gzip(b"<a/>"), zipped(&[b"<a/>"]), b"<a/>".to_vec()];
        for bytes in &packed {
            for (kind, name) in [
                ("application/gzip", "r.xml.gz"),
                ("application/zip", "r.zip"),
                ("application/octet-stream", "r"),
            ] {
                let found = first(&mail_with(kind, name, bytes), 100).unwrap();
                assert_eq!(found.as_deref(), Some(&b"<a/>"[..]), "{kind}");
            }
        }
        let text = mail_with("text/xml", "r.xml", b"<a/>");
        assert_eq!(first(&text, 100).unwrap().as_deref(), Some(&b"<a/>"[..]));
        assert_eq!(first(b"Subject: no report\r\n\r\nHello\r\n", 100), Ok(None));
    }

    #[test]
    fn a_bomb_comes_to_an_end() {
        let (zeros, most) = (vec![0; 1 << 24], 1 << 16);
        for packed in [gzip(&zeros), zipped(&[&zeros])] {
            assert!(packed.len() < 1 << 16);
            let mail = mail_with("application/gzip", "r", &packed);
            assert_eq!(first(&mail, most), Err(UnpackError::TooBig));
        }
        // What is packed twice is unpacked once.
        let once = gzip(&zeros);
        let mail = mail_with("application/gzip", "r", &gzip(&once));
        assert_eq!(first(&mail, most), Ok(Some(once)));
        assert_eq!(gunzip(&gzip(&zeros), most), Err(UnpackError::TooBig));
        // Together they are too big, though none is alone.
        let half = vec![7; most * 2 / 3];
        assert_eq!(
            unzip(&zipped(&[&half, &half]), most),
            Err(UnpackError::TooBig)
        );
        let many: Vec<&[u8]> = vec![b"x"; 1_000];
        assert_eq!(unzip(&zipped(&many), most).unwrap().len(), FILES);
        assert_eq!(
            gunzip(&[gzip(b"a"), gzip(b"b")].concat(), 9).unwrap(),
            b"ab"
        );
    }

    #[test]
    fn all_parts_of_a_mail_have_one_budget() {
        let part = |bytes: &[u8]| {
            let body = base64::engine::general_purpose::STANDARD.encode(bytes);
            format!(
                "--b\r\nContent-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
            )
        };
        let mail = |parts: &[String]| {
            let head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n";
            format!("{head}{}--b--\r\n", parts.concat()).into_bytes()
        };
        let half = part(&gzip(&vec![7; 600]));
        let mut looked = 0;
        let mut look = |mail: &[u8]| {
            looked = 0;
            let found = attached(mail, 1_000, |_| {
                looked += 1;
                None::<()>
            });
            (found, looked)
        };
        assert_eq!(look(&mail(std::slice::from_ref(&half))), (Ok(None), 1));
        let two = look(&mail(&[half.clone(), half]));
        assert_eq!(two, (Err(UnpackError::TooBig), 1));
        let small = vec![part(&gzip(b"x")); 40];
        assert_eq!(look(&mail(&small)), (Ok(None), PARTS));
        // What falls into pieces is not even read.
        let many = [
            "--b\n\n".repeat(100_000),
            "a:\n".repeat(100_000),
            format!("Content-Type: a/b{}\n\n", ";a=b".repeat(100_000)),
        ];
        for many in many {
            assert_eq!(look(many.as_bytes()), (Err(UnpackError::TooBig), 0));
        }
    }

    proptest! {
        #[test]
        fn nothing_that_comes_breaks_it(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            cut in 0usize..400,
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        ) {
            for mut packed in [bytes.clone(), gzip(&bytes), zipped(&[&bytes])] {
                packed.truncate(packed.len().saturating_sub(cut % 40));
                for (at, value) in &flips {
                    if !packed.is_empty() {
                        let at = at.index(packed.len());
                        packed[at] = *value;
                    }
                }
                let files = unpack(&packed, 300).unwrap_or_default();
                prop_assert!(files.iter().map(Vec::len).sum::<usize>() <= 300);
                let _ = first(&mail_with("application/zip", "r.zip", &packed), 300);
                let _ = first(&packed, 300);
            }
        }
    }
}
