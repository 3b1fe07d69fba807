"""Python's imaplib at the party's IMAP door: port, host name, authority, user, password."""

import imaplib
import socket
import ssl
import sys

port, host, authority, user, password = sys.argv[1:]


class Client(imaplib.IMAP4_SSL):
    """Dials loopback, and wants the certificate of the real name."""

    def _create_socket(self, timeout=None):
        plain = socket.create_connection(("127.0.0.1", int(port)), 30)
        return self.ssl_context.wrap_socket(plain, server_hostname=host)


def client():
    return Client(host, int(port), ssl_context=ssl.create_default_context(cafile=authority))


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def mail(subject, body="Hello."):
    return f"From: Ann <ann@elsewhere.example>\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()


imap = client()
assert "AUTH=SCRAM-SHA-256" in imap.capabilities, imap.capabilities
try:
    imap.login(user, "wrong")
    raise SystemExit("a wrong password was taken")
except imaplib.IMAP4.error as error:
    assert "AUTHENTICATIONFAILED" in str(error), error
ok(imap.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode()))
imap._get_capabilities()
assert "IDLE" in imap.capabilities and "QRESYNC" in imap.capabilities, imap.capabilities

folders = b"\n".join(ok(imap.list()))
assert b"\\Drafts" in folders and b"INBOX" in folders, folders
ok(imap.create("Work/Leeds"))
ok(imap.create("&AMk-cole"))
ok(imap.rename("&AMk-cole", "School"))
assert imap.create("School")[0] == "NO"
for number in range(20):
    ok(imap.append("Work/Leeds", "(\\Seen)" if number % 2 else None, None, mail(f"mail {number}")))
assert ok(imap.select("Work/Leeds"))[0] == b"20"
assert len(ok(imap.search(None, "UNSEEN"))[0].split()) == 10
assert ok(imap.uid("SEARCH", "SUBJECT", '"mail 7"'))[0] == b"8"
text = ok(imap.fetch("8", "(RFC822)"))[0][1]
assert text == mail("mail 7"), text
header = ok(imap.fetch("8", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))[0][1]
assert header == b"Subject: mail 7\r\n\r\n", header
assert b"\\Flagged" in ok(imap.store("1:5", "+FLAGS", "\\Flagged $Work"))[0]
assert len(ok(imap.uid("SEARCH", "KEYWORD", "$Work"))[0].split()) == 5
ok(imap.copy("1:3", "School"))
ok(imap.uid("MOVE", "4:5", "Trash"))
ok(imap.store("1:2", "+FLAGS.SILENT", "\\Deleted"))
# It remembers what the move took out as well.
assert ok(imap.expunge())[-2:] == [b"2", b"1"]
assert ok(imap.status("Work/Leeds", "(MESSAGES)"))[0].endswith(b"(MESSAGES 16)")
assert ok(imap.status("School", "(MESSAGES UIDNEXT)"))[0].endswith(b"(MESSAGES 3 UIDNEXT 4)")
ok(imap.close())
ok(imap.enable("QRESYNC"))

other = client()
ok(other.login(user, password))
ok(other.select("School"))
ok(imap.select("School"))
ok(other.store("1", "+FLAGS", "\\Deleted"))
ok(other.expunge())
ok(imap.noop())
assert imap.response("VANISHED")[1] == [b"1"]
ok(other.unselect())
ok(imap.unselect())
ok(imap.delete("School"))
assert imap.select("School")[0] == "NO"
other.logout()
imap.logout()
print("all well")
