//! Tests of the CSV reader, with files as people save them.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    bytes: 10_000,
    rows: 5,
    line: 100,
};

fn open(text: &str) -> Result<Table<'_>, CsvError> {
    Table::open(text.as_bytes(), LIMITS, &["code", "name"], &["note"])
}

fn problem(text: &str) -> (usize, CsvProblem) {
    let error = open(text).unwrap_err();
    (error.line, error.problem)
}

fn names(text: &str) -> Vec<Result<String, (usize, CsvProblem)>> {
    let table = open(text).unwrap();
    let rows = table.rows();
    rows.map(|row| {
        row.map(|row| row.get("name").to_owned())
            .map_err(|e| (e.line, e.problem))
    })
    .collect()
}

#[test]
fn reads_what_spreadsheets_write() {
    let text = "\u{feff}Name,CODE\r\n\"a, \"\"b\"\"\",1\r\n\r\n  x  ,2\r\n\"\",3";
    assert_eq!(
        names(text),
        [Ok("a, \"b\"".into()), Ok("x".into()), Ok(String::new())]
    );
    let table = open(text).unwrap();
    let rows: Vec<_> = table.rows().map(Result::unwrap).collect();
    assert_eq!(
        (rows[1].line, rows[1].get("code"), rows[1].get("note")),
        (4, "2", "")
    );
    assert_eq!((table.len(), table.is_empty()), (3, false));
}

#[test]
fn a_bad_row_spoils_only_itself() {
    use CsvProblem::*;
    let long = "x".repeat(200);
    let text = format!("code,name\n1,ok\n2,\"open\n3,a\"b\n4\n{long}\n");
    assert_eq!(
        names(&text),
        [
            Ok("ok".into()),
            Err((3, UnclosedQuote)),
            Err((4, StrayQuote)),
            Err((
                5,
                FieldCount {
                    found: 1,
                    expected: 2
                }
            )),
            Err((6, LineTooLong(100))),
        ]
    );
    assert_eq!(names("code,name\n1,\"a\"b\n"), [Err((2, StrayQuote))]);
    assert_eq!(names("code,name\n1,a\0b\n"), [Err((2, Control))]);
    let table = Table::open(b"code,name\n1,\xff\n", LIMITS, &["code", "name"], &[]).unwrap();
    assert_eq!(table.rows().next().unwrap().unwrap_err().problem, NotUtf8);
}

#[test]
fn headers_must_be_as_asked() {
    use CsvProblem::*;
    let all = || "code,name,note".to_owned();
    assert_eq!(problem(""), (1, NoHeader(all())));
    assert_eq!(problem("\n\ncode\n"), (3, MissingColumn("name", all())));
    assert_eq!(problem("code,name,phone\n"), (1, UnknownColumn(3, all())));
    assert_eq!(problem("code;name\n"), (1, UnknownColumn(1, all())));
    assert_eq!(problem("code,name,Code\n"), (1, ColumnTwice("code")));
}

#[test]
fn files_have_limits() {
    let rows = format!("code,name\n{}", "1,a\n".repeat(6));
    assert_eq!(problem(&rows), (7, CsvProblem::TooManyRows(5)));
    assert_eq!(
        problem(&"x".repeat(10_001)),
        (1, CsvProblem::FileTooLarge(10_000))
    );
}

proptest! {
    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut text = b"code,name\n".to_vec();
        text.extend(bytes);
        if let Ok(table) = Table::open(&text, LIMITS, &["code", "name"], &[]) {
            prop_assert_eq!(table.rows().count(), table.len());
        }
    }

    #[test]
    fn what_was_quoted_is_read_again(field in "[^\\p{C}]{0,20}") {
        let text = format!("code,name\n1,\"{}\"\n", field.replace('"', "\"\""));
        prop_assert_eq!(names(&text), [Ok(field.trim().to_owned())]);
    }
}
