//! Reads posted forms, strictly: known fields, known sizes, each once. Fields that no form of ours has are dropped
//! (law A6: nothing more is kept than was asked for).

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest, Request, rejection::FormRejection};
use axum::http::{StatusCode, header};

use crate::template::Lang;

/// The largest body of a form, in bytes.
pub(super) const LARGEST_BODY: usize = 16 * 1024;
/// How many fields a form may have.
const MOST_FIELDS: usize = 64;
/// The longest name of a field, in bytes.
const LONGEST_NAME: usize = 64;
/// The longest value of a field, in bytes.
const LONGEST_VALUE: usize = 1024;

/// Why a form was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not `application/x-www-form-urlencoded`.
    #[error("the body is not a form: send application/x-www-form-urlencoded")]
    Kind,
    /// Larger than a form of ours can be.
    #[error("the form is too large: at most 16 KiB, 64 fields and 1 KiB a field")]
    Large,
    /// Broken encoding, control characters, or a field that comes twice.
    #[error("the form is broken: each field may come once, in UTF-8, without control characters")]
    Broken,
}

impl FormError {
    /// The status that says it.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Kind => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Large => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// The fields of a posted form.
#[derive(Default)]
pub struct Fields(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = StatusCode;

    async fn from_request(request: Request, state: &S) -> Result<Self, StatusCode> {
        let form = Form::<Vec<(String, String)>>::from_request(request, state).await;
        let pairs = match form {
            Ok(Form(pairs)) => Self::check(pairs),
            Err(FormRejection::InvalidFormContentType(_)) => Err(FormError::Kind),
            Err(other) if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(FormError::Large),
            Err(_) => Err(FormError::Broken),
        };
        pairs.map_err(FormError::status)
    }
}

impl Fields {
    /// Reads fields from the bytes of a body, whatever it was said to be; what can't be read has no fields.
    pub(super) async fn of(body: Bytes) -> Self {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body));
        match request {
            Ok(request) => Self::from_request(request, &()).await.unwrap_or_default(),
            Err(_) => Self::default(),
        }
    }

    /// Checks the limits.
    fn check(pairs: Vec<(String, String)>) -> Result<Self, FormError> {
        let long = |(name, value): &(String, String)| {
            name.len() > LONGEST_NAME || value.len() > LONGEST_VALUE
        };
        if pairs.len() > MOST_FIELDS || pairs.iter().any(long) {
            return Err(FormError::Large);
        }
        // U+FFFD stands where the bytes were not UTF-8.
        let broken = |text: &str| text.contains(|c: char| c.is_control() || c == '\u{fffd}');
        if pairs
            .iter()
            .any(|(name, value)| broken(name) || broken(value))
        {
            return Err(FormError::Broken);
        }
        Ok(Self(pairs))
    }

    /// The value of a field; empty where the form hasn't got it.
    ///
    /// # Errors
    /// [`FormError::Broken`] where it comes twice: two readers could each take another one.
    pub fn one<'a>(&'a self, name: &'a str) -> Result<&'a str, FormError> {
        let mut values = self.all(name);
        let first = values.next().unwrap_or_default();
        if values.next().is_some() {
            Err(FormError::Broken)
        } else {
            Ok(first)
        }
    }

    /// The values of a field that may come several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let own = self.0.iter().filter(move |(known, _)| known == name);
        own.map(|(_, value)| value.as_str())
    }

    /// The language of the page that the form was on.
    pub fn lang(&self) -> Lang {
        Lang::from_tag(self.one("lang").unwrap_or_default())
    }
}

/// The sign-up form as it was posted; what is missing is empty. Also read from the full form, which has no address.
#[derive(Clone, PartialEq, Eq)]
pub struct PostedSignUp {
    /// The address, trimmed.
    pub email: String,
    /// The code of a constituency, or nothing.
    pub constituency: String,
    /// Whether a constituency, or none, was posted at all.
    pub has_constituency: bool,
    /// The keys of the ticked lists, each once.
    pub lists: Vec<String>,
    /// Whether the statement of age was ticked.
    pub age: bool,
    /// The signed time stamp.
    pub stamp: String,
    /// The language of the form, which is the language of the words that were agreed to.
    pub lang: Lang,
    /// Whether the field that people don't see was filled: then no person filled the form.
    pub honeypot: bool,
}

impl PostedSignUp {
    /// Reads the form.
    ///
    /// # Errors
    /// [`FormError::Broken`] where a field comes twice.
    pub fn read(fields: &Fields) -> Result<Self, FormError> {
        let mut lists: Vec<String> = Vec::new();
        for key in fields.all("list") {
            if !lists.iter().any(|known| known == key) {
                lists.push(key.to_owned());
            }
        }
        Ok(Self {
            email: fields.one("email")?.trim().to_owned(),
            constituency: fields.one("constituency")?.to_owned(),
            has_constituency: fields.all("constituency").next().is_some(),
            lists,
            age: fields.one("age")? == "yes",
            stamp: fields.one("stamp")?.to_owned(),
            lang: Lang::from_tag(fields.one("lang")?),
            honeypot: !fields.one("nectar")?.is_empty(),
        })
    }
}

/// It holds an address, so nothing of it is shown.
impl std::fmt::Debug for PostedSignUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PostedSignUp(..)")
    }
}

/// Which lists a withdrawal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The list that the link names.
    List,
    /// Every list.
    All,
}

impl Scope {
    /// Reads the pressed button. Everything but the button for all is about the one list: the link alone is enough
    /// for it, so that no broken form keeps anybody in (law B9).
    pub fn read(fields: &Fields) -> Self {
        if fields.all("scope").any(|value| value == "all") {
            Self::All
        } else {
            Self::List
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    async fn read(kind: &str, body: impl Into<Body>) -> Result<Fields, StatusCode> {
        let request = Request::post("/")
            .header("content-type", kind)
            .body(body.into());
        Fields::from_request(request.expect("a request"), &()).await
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[tokio::test]
    async fn reads_a_sign_up() {
        let body = "email=+a%40b.example+&constituency=E14001063&list=news&list=events&list=news\
                    &age=yes&stamp=s&lang=cy&nectar=&name=Ann";
        let fields = read(FORM, body).await.expect("a form");
        let posted = PostedSignUp::read(&fields).expect("a sign-up");
        assert_eq!(posted.email, "a@b.example");
        assert_eq!(posted.lists, ["news", "events"]);
        assert!(posted.age && !posted.honeypot && posted.lang == Lang::Cy);
        assert_eq!(format!("{posted:?}"), "PostedSignUp(..)");
    }

    #[tokio::test]
    async fn an_empty_form_is_read_as_empty() {
        let posted = PostedSignUp::read(&read(FORM, "").await.expect("a form")).expect("read");
        assert!(posted.email.is_empty() && posted.lists.is_empty() && !posted.age);
        assert_eq!(posted.lang, Lang::En);
    }

    #[tokio::test]
    async fn refuses_what_no_form_of_ours_sends() {
        let many = "a=b&".repeat(65);
        let long = format!("a={}", "x".repeat(1025));
        for (kind, body, status) in [
            ("text/plain", "a=b".to_owned(), 415),
            ("application/json", "{}".to_owned(), 415),
            (FORM, many, 413),
            (FORM, long, 413),
            (FORM, format!("{}=b", "n".repeat(65)), 413),
            (FORM, "a=%00".to_owned(), 400),
            (FORM, "a=b%0d%0ac".to_owned(), 400),
            (FORM, "a=%ff".to_owned(), 400),
        ] {
            let refused = read(kind, body).await.err().expect("refused");
            assert_eq!(refused.as_u16(), status, "{kind}");
        }
    }

    #[tokio::test]
    async fn a_field_that_comes_twice_is_refused() {
        let fields = read(FORM, "email=a%40b.example&email=c%40d.example")
            .await
            .expect("a form");
        assert_eq!(PostedSignUp::read(&fields), Err(FormError::Broken));
    }

    #[tokio::test]
    async fn only_the_button_for_all_is_about_all() {
        for (body, scope) in [
            ("scope=all", Scope::All),
            ("scope=list", Scope::List),
            ("List-Unsubscribe=One-Click", Scope::List),
            ("", Scope::List),
        ] {
            assert_eq!(
                Scope::read(&read(FORM, body).await.expect("a form")),
                scope,
                "{body}"
            );
        }
    }

    proptest! {
        #[test]
        fn reads_any_bytes_without_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            if let Ok(fields) = runtime.block_on(read(FORM, body)) {
                let _ = PostedSignUp::read(&fields);
            }
        }
    }
}
