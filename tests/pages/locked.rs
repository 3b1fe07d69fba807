//! Withdrawals while the vault is locked, or being opened.

use super::*;

#[tokio::test]
async fn a_withdrawal_that_comes_while_locked_is_kept_and_applied() {
    let pages = Pages::start().await;
    let out = pages.subscribe("ann@far.example").await;
    let never = out.replace("/u/", "/n/");
    let locked = hustings::web::Web::new(hustings::web::WebParts {
        site: pages.settings.site(),
        https: true,
        clock: pages.clock.clone(),
        signups_per_network: NonZeroU32::new(9).unwrap(),
        locked: pages.kept.clone(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Arc::new(ConnectionLimits::new(9, 9));
    let stop = pages.stop.clone();
    let door =
        tokio::spawn(async move { Door::listen_plain(&locked, listener, limits, stop).await });
    for (line, status) in [
        (format!("GET {out}"), "200"),
        (format!("GET {never}?lang=cy"), "200"),
        ("GET /".to_owned(), "503"),
        (format!("POST {out}"), "200"),
        (format!("POST {never}"), "200"),
    ] {
        let answer = plain(address, &line).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{line}");
        let wait = answer.to_lowercase().contains("\r\nretry-after: ");
        assert_eq!(wait, status == "503", "{line}");
    }
    assert_eq!(pages.subscribers().await, 1, "nothing can be opened yet");
    let kept = pages.kept.0.lock().unwrap().clone();
    assert_eq!(kept.len(), 2);
    for bytes in kept {
        let withdrawal = LockedWithdrawal::from_bytes(&bytes).unwrap();
        assert!(withdrawal.apply(&pages.consent).await.unwrap().is_some());
    }
    assert_eq!(pages.subscribers().await, 0);
    pages.stop.cancel();
    door.await.unwrap().unwrap();
}

/// A box that is handed over just when something comes: the pages are open when it answers.
struct OpenedMeanwhile {
    web: OnceLock<Weak<Web>>,
    rooms: Rooms,
}

impl LockedWithdrawals for OpenedMeanwhile {
    fn keep(
        &self,
        _: zeroize::Zeroizing<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + '_>> {
        let web = self.web.get().unwrap().upgrade().unwrap();
        web.open(self.rooms.clone());
        Box::pin(async { Err(NotKept::Opened) })
    }

    fn is_filling(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_withdrawal_that_comes_while_the_vault_is_being_opened_takes_effect() {
    let pages = Pages::start().await;
    let out = pages.subscribe("ann@far.example").await;
    let opened = Arc::new(OpenedMeanwhile {
        web: OnceLock::new(),
        rooms: Rooms {
            consent: pages.consent.clone(),
            approvals: Arc::new(support::OneMailing),
            reports: pages.reports(),
        },
    });
    let web = Web::new(WebParts {
        site: pages.settings.site(),
        https: true,
        clock: pages.clock.clone(),
        signups_per_network: NonZeroU32::new(9).unwrap(),
        locked: opened.clone(),
    });
    let _ = opened.web.set(Arc::downgrade(&web));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Arc::new(ConnectionLimits::new(9, 9));
    let stop = pages.stop.clone();
    let door = tokio::spawn(async move { Door::listen_plain(&web, listener, limits, stop).await });
    let answer = plain(address, &format!("POST {out}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(pages.subscribers().await, 0, "the rooms took it");
    pages.stop.cancel();
    door.await.unwrap().unwrap();
}

async fn plain(address: std::net::SocketAddr, line: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}
