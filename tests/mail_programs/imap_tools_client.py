# imap-tools at the party's IMAP door. What stands before this is in tests/support/mailbox.rs.
import time

from imap_tools import AND, NOT, OR, H, MailBox, MailboxLoginError, MailMessageFlags, U

try:
    MailBox(HOST, PORT, ssl_context=tls).login(LOGIN, "wrong")
    raise SystemExit("a wrong password was taken")
except MailboxLoginError:
    pass

with MailBox(HOST, PORT, ssl_context=tls).login(LOGIN, PASSWORD) as box:
    names = {folder.name: folder.flags for folder in box.folder.list()}
    assert "\\Sent" in names["Sent"] and "\\Trash" in names["Trash"], names
    assert box.folder.status("INBOX")["MESSAGES"] == 40

    numbers = [int(message.headers["x-number"][0]) for message in box.fetch(mark_seen=False)]
    assert numbers == list(range(40)), numbers
    some = list(box.fetch(AND(subject="Number 7"), mark_seen=False, bulk=True))
    assert [message.subject for message in some] == ["Number 7"], some
    assert some[0].from_values.name == "A" and some[0].text.endswith("end of 7\r\n"), some[0].text
    headers = list(box.fetch(AND(uid=U("1", "3")), headers_only=True, mark_seen=False))
    assert [message.subject for message in headers] == ["Number 0", "Number 1", "Number 2"], headers

    # Words beyond ASCII, and what has no more to say than yes or no.
    assert len(box.uids(AND(text="Gŵyr"), charset="UTF-8")) == 4
    assert len(box.uids(AND(text="GW\u0302YR"), charset="UTF-8")) == 4
    assert len(box.uids(OR(subject="Number 3", header=[H("X-Number", "4")]))) == 14
    assert len(box.uids(AND(NOT(subject="Number 1"), size_gt=2000))) == 3

    box.flag(["1", "2"], [MailMessageFlags.FLAGGED, "work"], True)
    assert box.uids(AND(keyword="work")) == ["1", "2"]
    box.flag("2", "work", False)
    assert box.uids(AND(keyword="work", flagged=True)) == ["1"]
    assert next(iter(box.fetch(AND(uid="1"), mark_seen=True))).subject == "Number 0"
    assert box.uids(AND(seen=True)) == ["1"]

    box.folder.create("Work/Ŵyl")
    assert box.folder.exists("Work/Ŵyl")
    box.copy(["1", "2", "3"], "Work/Ŵyl")
    box.move(["4", "5"], "Work/Ŵyl")
    box.delete("6")
    assert len(box.uids()) == 37
    box.folder.set("Work/Ŵyl")
    assert [message.subject for message in box.fetch(reverse=True, mark_seen=False)] == [
        f"Number {number}" for number in (4, 3, 2, 1, 0)
    ]
    box.append(b"Subject: by hand\r\nX-Number: 99\r\n\r\nx\r\n", "Work/Ŵyl", flag_set=[MailMessageFlags.SEEN])
    assert len(box.uids(AND(seen=True))) == 2
    box.folder.rename("Work/Ŵyl", "Work/Gŵyl")
    box.folder.delete("Work/Gŵyl")
    assert not box.folder.exists("Work/Gŵyl")

    # Somebody else puts a mail there while this one waits.
    box.folder.set("INBOX")
    with box.idle as idle:
        with MailBox(HOST, PORT, ssl_context=tls).login(LOGIN, PASSWORD) as other:
            other.append(b"Subject: new\r\n\r\nx\r\n", "INBOX")
        heard, until = [], time.monotonic() + 20
        while not any(b"EXISTS" in line for line in heard):
            assert time.monotonic() < until, heard
            heard += idle.poll(timeout=1)
    assert len(box.uids()) == 38
print("all well")
