//! Those who are slow, and those who hear half of something.

use super::*;

/// A deadline is for all of it, however slowly its octets come.
#[tokio::test]
async fn who_dribbles_gains_no_time() {
    let house = House::new().await;
    let timeouts = Timeouts {
        log_in: SOON,
        waits: Waits {
            linger: SOON,
            ..Waits::default()
        },
        ..Timeouts::default()
    };
    let mut stranger = call(&door(&house, timeouts, Limits::default()));
    stranger.hear().await;
    let timeouts = Timeouts {
        command: SOON,
        waits: Waits {
            linger: SOON,
            ..Waits::default()
        },
        ..Timeouts::default()
    };
    let member = Call::log_in(&door(&house, timeouts, Limits::default())).await;
    for mut call in [stranger, member] {
        let mut ticks = tokio::time::interval(SOON / 5);
        let mut octets = 0;
        // Somebody who closed takes nothing any more.
        while call.pipe.write_all(b"x").await.is_ok() {
            ticks.tick().await;
            octets += 1;
            assert!(octets < 500, "it is still listened to");
        }
    }
}

/// In the middle of a message, more words would be part of it.
#[test]
fn nothing_is_said_inside_a_message() {
    assert_eq!(Gone::Desk(Ended::HalfSaid).last_words(), b"");
    assert!(!Gone::Desk(Ended::FolderGone).last_words().is_empty());
}

/// However long each of its pieces may take, an APPEND has one deadline.
#[tokio::test]
async fn an_append_does_not_last_for_ever() {
    let house = House::new().await;
    let timeouts = Timeouts {
        append: SOON,
        waits: Waits {
            linger: SOON,
            ..Waits::default()
        },
        ..Timeouts::default()
    };
    let mut member = Call::log_in(&door(&house, timeouts, Limits::default())).await;
    let begun = b"b append INBOX {1000+}\r\n";
    member.pipe.write_all(begun).await.unwrap();
    let mut ticks = tokio::time::interval(SOON / 5);
    let mut octets = 0;
    while member.pipe.write_all(b"x").await.is_ok() {
        ticks.tick().await;
        octets += 1;
        assert!(octets < 500, "it is still listened to");
    }
}
