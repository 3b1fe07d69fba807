//! What stands in DNS, at the socket.

use super::*;
use crate::control::api::dns::{Check, Dkim, Records, RotateDkim};

fn records() -> Records {
    Records { domain: None }
}

fn rotate(stream: &str) -> RotateDkim {
    RotateDkim {
        domain: None,
        stream: Some(stream.into()),
        now: false,
        reason: Some("a year is over".into()),
    }
}

#[tokio::test]
async fn any_staff_see_the_records_and_admins_alone_make_new_keys() {
    let world = World::new().await;
    world.am("eve");
    let (rows, _) = world.ask(&records()).await.expect("lists");
    let dkim = rows.iter().filter(|row| row.topic == "DKIM").count();
    assert_eq!(dkim, 6);
    assert!(
        rows.iter()
            .any(|row| row.topic == "MX" && row.act == "publish")
    );
    let (keys, _) = world.ask(&Dkim {}).await.expect("lists");
    assert!(keys.len() == 6 && keys.iter().all(|key| key.phase == "live"));
    let refused = world.ask(&rotate("list")).await.expect_err("not an admin");
    assert_eq!(refused.class, Class::Refused);

    world.am("ada");
    let (rows, rotated) = world.ask(&rotate("list")).await.expect("makes");
    assert_eq!(rows.len(), 2);
    assert!(
        rows[0].line.contains("hustings-rsa-list2._domainkey."),
        "{}",
        rows[0].line
    );
    assert!(rotated.switched.is_empty());
    let acts = world.acts().await;
    let last = acts.last().expect("an act");
    assert_eq!(last.verb, "dns rotate-dkim");
    assert_eq!(last.reason.as_deref(), Some("a year is over"));
    assert_eq!(last.object.as_ref().expect("keys").id, "all list");
    let misuse = world.ask(&rotate("king")).await.expect_err("no such mail");
    assert_eq!(misuse.class, Class::Misuse);
    let elsewhere = Records {
        domain: Some("elsewhere.example".into()),
    };
    let refused = world.ask(&elsewhere).await.expect_err("not ours");
    assert_eq!(refused.class, Class::Refused);
    world.am("nobody");
    assert!(world.ask(&records()).await.is_err());
}

#[tokio::test]
async fn where_nothing_may_be_looked_up_nothing_is() {
    let world = World::new().await;
    world.am("ada");
    let check = Check { domain: None };
    let refused = world.ask(&check).await.expect_err("is off");
    assert!(refused.why.contains("dns.check"), "{refused:?}");
    world.ask(&rotate("staff")).await.expect("makes");
    let now = RotateDkim {
        now: true,
        ..rotate("staff")
    };
    assert!(world.ask(&now).await.is_err());
    let (keys, _) = world.ask(&Dkim {}).await.expect("lists");
    let next = keys.iter().filter(|key| key.phase == "next").count();
    assert_eq!(next, 2, "nothing was switched to unseen");
}
