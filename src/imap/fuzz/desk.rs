//! With a true desk: several clients at one mailbox, with what they append.

use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::answer;
use super::house::with_account;
use crate::fuzz::{Case, Part, Way, contains, known};
use crate::imap::command::Tag;
use crate::imap::desk::{Desk, Ended, Sink, Turns};
use crate::imap::host::Account;
use crate::imap::limits::Limits;
use crate::imap::session::{Admitted, Member, Step, Stranger};
use crate::tls::TlsInfo;

const LIMITS: Limits = Limits {
    message_size: 4000,
    command: (2000, 4000),
    errors: 20,
    commands_before_log_in: 5,
    failed_logins: 3,
    messages_at_once: 5,
    per_account: 2,
};
/// More commands than this teach nothing more.
const MOST: usize = 60;

/// Lets two clients speak in turn, and has a third look at what they left.
pub(crate) fn desk(data: &[u8]) {
    let Some(case) = Case::read(data) else {
        return;
    };
    with_account(async |account| {
        let searches = Arc::new(Semaphore::new(1));
        let mut clients = [
            Client::new(account.clone(), searches.clone()),
            Client::new(account.clone(), searches.clone()),
        ];
        let mut whose = 0;
        for part in &case.parts {
            match part {
                Part::Octets(octets) => clients[whose].say(octets, case.ways()[2]).await,
                Part::Other => whose = 1 - whose,
                Part::Proof => {}
            }
        }
        Client::new(account, searches).look().await;
    });
}

struct Client {
    member: Member,
    desk: Desk,
    held: Vec<u8>,
    heard: Heard,
    said: Vec<u8>,
    steps: usize,
    gone: bool,
}

#[derive(Default)]
struct Heard(Vec<u8>);

impl Sink for Heard {
    fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    async fn relieve(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Client {
    fn new(account: Account, searches: Arc<Semaphore>) -> Self {
        let mut stranger = Stranger::new(TlsInfo::pretended(), LIMITS);
        let Step::AskCredentials(asked) = stranger.advance(b"in LOGIN ada secret\r\n").1 else {
            panic!("no log-in");
        };
        let credentials = known(asked.user());
        let Step::Login(login) = stranger.answer_credentials(asked, Ok(credentials)) else {
            panic!("no log-in");
        };
        let Admitted::Member(member, account, _) = stranger.answer_login(login, Ok(Some(account)))
        else {
            panic!("no log-in");
        };
        Self {
            member: *member,
            desk: Desk::new(account, LIMITS.message_size, Turns::new(searches, None)),
            held: Vec::new(),
            heard: Heard::default(),
            said: b"in ".to_vec(),
            steps: 0,
            gone: false,
        }
    }

    async fn say(&mut self, octets: &[u8], way: Way) {
        let (mut left, mut pieces) = (octets, way.pieces());
        while let Some(piece) = pieces(&mut left) {
            self.said.extend_from_slice(&piece);
            self.held.extend(piece);
            while !self.gone {
                let held = std::mem::take(&mut self.held);
                let (used, goes_on) = match self.step(&held).await {
                    Ok(stepped) => stepped,
                    Err(ended) => {
                        assert!(matches!(ended, Ended::FolderGone), "{ended}");
                        self.gone = true;
                        (0, false)
                    }
                };
                self.held = held[used..].to_vec();
                if !goes_on {
                    break;
                }
            }
            self.look_at_answers();
        }
    }

    /// As the driver does it.
    async fn step(&mut self, held: &[u8]) -> Result<(usize, bool), Ended> {
        let (desk, out) = (&mut self.desk, &mut self.heard);
        let (used, step) = self.member.advance(held);
        let goes_on = !matches!(step, Step::NeedInput);
        let refused = match step {
            Step::AppendOctets(octets) => desk.append_octets(octets).await.err(),
            Step::AppendTo(name) => desk.append_to(&name).await.err(),
            Step::AppendBegin(head) => desk.append_begin(head).await.err(),
            Step::AppendEnd => desk.append_end().err(),
            Step::AppendFinish(tag) => {
                desk.append_finish(&tag, out).await?;
                None
            }
            Step::Run(tag, command) => {
                self.steps += 1;
                self.gone = desk.run(&tag, command, out).await? || self.steps > MOST;
                None
            }
            Step::IdleEnds(tag) => {
                desk.end_idle(&tag, out).await?;
                None
            }
            Step::Say(text) => {
                out.buffer().extend(text);
                None
            }
            Step::Close(text) => {
                out.buffer().extend(text);
                self.gone = true;
                None
            }
            Step::NeedInput | Step::Continue => None,
            Step::AskCredentials(_) | Step::Login(_) => panic!("who is in can't log in"),
        };
        if let Some(no) = refused {
            self.member.refuse_append(no);
        }
        if !self.member.wants_append() {
            self.desk.forget_append();
        }
        Ok((used, goes_on))
    }

    fn look_at_answers(&mut self) {
        let answers = std::mem::take(&mut self.heard.0);
        for tag in answer::read(&answers) {
            assert!(contains(&self.said, tag), "a tag that nobody said");
        }
    }

    /// What stands in the INBOX is counted, in order, and can be read.
    async fn look(&mut self) {
        self.say(b"l1 EXAMINE INBOX\r\n", Way::Whole).await;
        let mut out = Heard::default();
        let fetch =
            b"l2 UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)\r\n";
        let (Tag(tag), command) = match crate::imap::codec::grammar::read(fetch) {
            Ok((tag, command)) => (tag, command),
            Err(_) => panic!("no command"),
        };
        assert_eq!(tag, "l2");
        let last = self.desk.run(&Tag(tag), command, &mut out).await;
        assert!(matches!(last, Ok(false)));
        assert_eq!(answer::read(&out.0), [b"l2"]);
        assert!(contains(&out.0, b"l2 OK "), "{}", out.0.escape_ascii());
        let mut uids = memchr::memmem::find_iter(&out.0, b" FETCH (UID ").map(|at| {
            let digits = out.0[at + 12..]
                .iter()
                .take_while(|octet| octet.is_ascii_digit());
            digits.fold(0_u64, |uid, digit| uid * 10 + u64::from(digit - b'0'))
        });
        let mut before = 0;
        assert!(
            uids.all(|uid| std::mem::replace(&mut before, uid) < uid),
            "UIDs in order"
        );
    }
}
