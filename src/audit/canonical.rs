//! The canonical bytes of an event: JSON without space, keys sorted by their UTF-8 bytes, whole numbers only. The
//! same event gives the same bytes whatever the order of its fields in the code, this year and in ten years.
//!
//! The bytes are what is sealed beside the leaf: whoever verifies hashes them as they are, and doesn't need this
//! code.

use serde::Serialize;
use serde_json::Value;

/// An event that has no canonical bytes.
#[derive(Debug, thiserror::Error)]
pub enum NotCanonical {
    /// A reason with an address in it.
    #[error(
        "the reason holds an e-mail address, and the audit log keeps reasons for ever: say why without naming anybody, for \
         example \"asked by telephone\""
    )]
    AddressInReason,
    /// A number with a fraction: two writers may print it in two ways.
    #[error("an event holds a number that is not whole; write it as text")]
    Float,
    /// Something that JSON can't hold.
    #[error("an event can't be written as JSON; check its type")]
    Json(#[source] serde_json::Error),
}

/// The canonical bytes of an event.
///
/// # Errors
/// [`NotCanonical`] if it holds a number with a fraction, a map whose keys aren't text, or the like. Types that are
/// logged hold none; a test of each type shows it.
pub fn canonical(event: &impl Serialize) -> Result<Vec<u8>, NotCanonical> {
    let value = serde_json::to_value(event).map_err(NotCanonical::Json)?;
    let mut bytes = Vec::new();
    write(&value, &mut bytes)?;
    Ok(bytes)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match value {
        Value::Number(number) if number.is_f64() => return Err(NotCanonical::Float),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => scalar(value, out)?,
        Value::Array(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                separate(at, out);
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            // Sorted here and not left to serde_json, whose map keeps the order of insertion if any crate asks for it.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
            out.push(b'{');
            for (at, (key, value)) in fields.into_iter().enumerate() {
                separate(at, out);
                scalar(key, out)?;
                out.push(b':');
                write(value, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn separate(at: usize, out: &mut Vec<u8>) {
    if at > 0 {
        out.push(b',');
    }
}

fn scalar(value: &impl Serialize, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    serde_json::to_writer(out, value).map_err(NotCanonical::Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct OneOrder {
        zulu: u64,
        alpha: &'static str,
        inner: (bool, Option<i64>),
    }

    #[derive(Serialize)]
    struct OtherOrder {
        inner: (bool, Option<i64>),
        alpha: &'static str,
        zulu: u64,
    }

    #[test]
    fn the_order_of_fields_does_not_matter() {
        let one = OneOrder {
            zulu: u64::MAX,
            alpha: "ŵ \"quoted\"\n",
            inner: (true, Some(-1)),
        };
        let other = OtherOrder {
            inner: (true, Some(-1)),
            alpha: "ŵ \"quoted\"\n",
            zulu: u64::MAX,
        };
        let bytes = canonical(&one).expect("canonical");
        assert_eq!(bytes, canonical(&other).expect("canonical"));
        assert_eq!(
            String::from_utf8(bytes).expect("UTF-8"),
            r#"{"alpha":"ŵ \"quoted\"\n","inner":[true,-1],"zulu":18446744073709551615}"#
        );
    }

    #[test]
    fn what_has_no_one_form_is_refused() {
        assert!(matches!(canonical(&1.5), Err(NotCanonical::Float)));
        assert!(matches!(
            canonical(&vec![2.0_f32]),
            Err(NotCanonical::Float)
        ));
        assert!(matches!(
            canonical(&BTreeMap::from([((1, 2), 3)])),
            Err(NotCanonical::Json(_))
        ));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn reordered(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(reordered).collect(),
            Value::Object(fields) => {
                let fields: Vec<_> = fields.iter().rev().collect();
                let pairs = fields
                    .into_iter()
                    .map(|(key, value)| (key.clone(), reordered(value)));
                Value::Object(pairs.collect())
            }
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn it_is_stable_and_reads_back(value in values()) {
            let bytes = canonical(&value).expect("canonical");
            prop_assert_eq!(&canonical(&reordered(&value)).expect("canonical"), &bytes);
            let back: Value = serde_json::from_slice(&bytes).expect("JSON");
            prop_assert_eq!(&back, &value);
            prop_assert_eq!(canonical(&back).expect("canonical"), bytes);
        }
    }
}
