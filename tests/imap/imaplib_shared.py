"""Python's imaplib in a role's mailbox: port, host name, authority, user, password."""

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


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


imap = Client(host, int(port), ssl_context=ssl.create_default_context(cafile=authority))
ok(imap.login(user, password))
assert ok(imap.namespace())[0] == b'(("" "/")) NIL (("Shared/" "/"))'
folders = ok(imap.list("Shared/", "%"))
assert folders == [b'(\\HasChildren) "/" "Shared/office"'], folders
assert any(b'"Shared/office/Sent"' in line for line in ok(imap.lsub()))
assert b"MESSAGES 1" in ok(imap.status("Shared/office", "(MESSAGES)"))[0]
assert ok(imap.select("Shared/office")) == [b"1"]
assert b"at the office" in ok(imap.fetch("1", "(RFC822)"))[0][1]
assert b"\\Answered" in ok(imap.store("1", "+FLAGS", "\\Answered"))[0]
ok(imap.create("Shared/office/Done"))
assert imap.create("Shared/bureau")[0] == "NO"
assert imap.unsubscribe("Shared/office/Done")[0] == "NO"
ok(imap.copy("1", "Shared/office/Done"))
ok(imap.copy("1", "Archive"))
ok(imap.select("Shared/office/Done"))
assert imap.delete("Shared/office/Done")[0] == "NO"
ok(imap.store("1", "+FLAGS", "\\Deleted"))
assert ok(imap.expunge()) == [b"1"]
assert b"MESSAGES 1" in ok(imap.status("Shared/office/Trash", "(MESSAGES)"))[0]
ok(imap.rename("Shared/office/Done", "Shared/office/Over"))
ok(imap.delete("Shared/office/Over"))
imap.logout()
print("all well")
