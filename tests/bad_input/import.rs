//! Bad rows of an import.

use super::*;

fn rows(party: &Spawned, name: &str, bytes: &[u8]) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = party.stage.root().join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bad_row_of_an_import_is_named_and_good_rows_are_kept() {
    let mut party = Spawned::set(|_| ()).await;
    party.run(&[]).await;
    let wording =
        "Yes, The Example Party may send me news; it tells of political opinions; I can withdraw.";
    let head = "address,lists,channel,date,batch,wording";
    let good = |n: usize| {
        format!("good.person{n}@voters.example,news,paper,2026-03-01,stall 7,\"{wording}\"")
    };
    let bad = [
        (
            "no-address,news,paper,2026-03-01,stall 7,\"W\"",
            "no mail address",
        ),
        (
            "bad.one@voters.example,nonsense,paper,2026-03-01,stall 7,\"W\"",
            "`lists`",
        ),
        (
            "bad.two@voters.example,news,telephone,2026-03-01,stall 7,\"W\"",
            "telephone",
        ),
        (
            "bad.three@voters.example,news,paper,2036-03-01,stall 7,\"W\"",
            "`date`",
        ),
        (
            "bad.four@voters.example,news,paper,2026-03-01,stall 7,",
            "no proof",
        ),
        (
            "bad.five@voters.example,news,paper,2026-03-01,stall 7",
            "5 fields",
        ),
        (
            "bad.six@voters.example,news,paper,2026-03-01,\"stall 7,W",
            "isn't closed",
        ),
        (
            "bad.seven@voters.example,news,paper,2026-03-01,,\"W\"",
            "`batch`",
        ),
        (
            "good.person0@voters.example,news,paper,2026-03-01,stall 7,\"W\"",
            "earlier row",
        ),
    ];
    let mut text = format!("\u{feff}{head}\r\n");
    for (n, (row, _)) in bad.iter().enumerate() {
        text += &format!("{}\r\n{}\r\n", good(n), row.replace('W', wording));
    }
    let import = async |file: &str, more: &[&str]| {
        let common = [
            "subscriber",
            "import",
            "--no-suppressions",
            "--reason",
            "a stall",
        ];
        party.cli(&[&common, more, &[file]].concat()).await
    };
    let file = rows(&party, "rows.csv", text.as_bytes());
    let output = import(&file, &[]).await;
    let answer = said(&output);
    for (n, (_, why)) in bad.iter().enumerate() {
        let number = format!("{}", 3 + 2 * n);
        let named = answer
            .lines()
            .any(|line| line.contains(&number) && line.contains(why));
        assert!(named, "line {number} ({why}) is not in: {answer}");
    }
    assert!(!answer.contains("voters.example"), "{answer}");
    let waiting = said(&party.cli(&["subscriber", "waiting"]).await);
    assert!(waiting.contains('9'), "nine good rows wait: {waiting}");

    for (name, bytes, words) in [
        (
            "picture.csv",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".repeat(50),
            &["line 1", "UTF-8"][..],
        ),
        (
            "letter.csv",
            b"Dear aunt, how are you?\nI am fine.\n".to_vec(),
            &["line 1", "column"],
        ),
        ("empty.csv", Vec::new(), &["empty"]),
        (
            "sixteen.csv",
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            &["line 1", "UTF-8"],
        ),
        (
            "register.csv",
            b"address,lists,channel,date,batch,elector number\n".to_vec(),
            &["electoral register"],
        ),
    ] {
        let file = rows(&party, name, &bytes);
        let output = import(&file, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
        for word in words {
            assert!(
                said(&output).contains(word),
                "{name}: {word} is not in {}",
                said(&output)
            );
        }
    }
    let output = import("/nonexistent/rows.csv", &[]).await;
    assert!(
        said(&output).contains("/nonexistent/rows.csv"),
        "{}",
        said(&output)
    );

    // Very many rows, of which every thousandth is bad.
    let mut text = format!("{head}\n");
    for n in 0..MANY {
        text += &match n % 1000 {
            999 => format!("nobody,news,paper,2026-03-01,stall 7,\"{wording}\"\n"),
            _ => format!("{}\n", good(100 + n)),
        };
    }
    let file = rows(&party, "many.csv", text.as_bytes());
    let output = import(&file, &["--dry-run"]).await;
    let answer = said(&output);
    assert!(
        answer.contains(&(MANY - MANY / 1000).to_string()),
        "{}",
        &answer[answer.len().saturating_sub(500)..]
    );
    assert!(
        answer.contains(&(MANY + 1).to_string()),
        "the last line is named"
    );
    assert!(
        !fs::read_to_string(party.log())
            .unwrap()
            .contains("panicked")
    );
}
