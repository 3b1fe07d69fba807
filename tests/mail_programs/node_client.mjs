// imapflow and nodemailer at the party's doors.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';
import nodemailer from 'nodemailer';

const { CA, HOST, IMAPS, SUBMISSIONS, LOGIN, PASSWORD, ADDRESS } = process.env;
const tls = { ca: readFileSync(CA), servername: HOST };
const imap = (pass) =>
    new ImapFlow({ host: '127.0.0.1', port: Number(IMAPS), secure: true, tls, logger: false, auth: { user: LOGIN, pass } });

const guess = imap('wrong');
guess.on('error', () => {});
await assert.rejects(guess.connect(), (no) => no.authenticationFailed === true);
guess.close();

const client = imap(PASSWORD);
await client.connect();
const folders = await client.list();
const uses = Object.fromEntries(folders.map((folder) => [folder.path, folder.specialUse]));
assert.equal(uses.Sent, '\\Sent');
assert.equal(uses.INBOX, '\\Inbox');
const inbox = await client.mailboxOpen('INBOX');
assert.equal(inbox.exists, 40);
assert.ok(inbox.uidValidity > 0n && inbox.highestModseq > 0n);

const all = [];
for await (const one of client.fetch('1:*', { uid: true, flags: true, envelope: true, size: true, bodyStructure: true, internalDate: true })) {
    assert.equal(one.envelope.subject, `Number ${all.length}`);
    assert.equal(one.bodyStructure.type, 'text/plain');
    all.push(one);
}
assert.equal(all.length, 40);
const whole = await client.download('7', undefined, { uid: true });
const chunks = [];
for await (const chunk of whole.content) chunks.push(chunk);
assert.equal(Buffer.concat(chunks).length, all[6].size);
const part = await client.fetchOne('7', { bodyParts: ['1', 'header'] }, { uid: true });
assert.ok(part.bodyParts.get('1').toString().includes('Gŵyr'));

assert.deepEqual(await client.search({ subject: 'Number 12' }, { uid: true }), [13]);
assert.deepEqual(await client.search({ body: 'gŵyr', seen: false }, { uid: true }), [7, 17, 27, 37]);
assert.deepEqual(await client.search({ or: [{ uid: '1:2' }, { header: { 'x-number': '39' } }] }, { uid: true }), [1, 2, 40]);

assert.ok(await client.messageFlagsAdd('1:2', ['\\Seen', '$Work'], { uid: true }));
assert.deepEqual(await client.search({ keyword: '$Work' }, { uid: true }), [1, 2]);
await client.mailboxCreate('Gwaith/Gŵyl');
const moved = await client.messageMove('1:2', 'Gwaith/Gŵyl', { uid: true });
assert.deepEqual([...moved.uidMap.entries()], [[1, 1], [2, 2]]);
const copied = await client.messageCopy('3', 'Gwaith/Gŵyl', { uid: true });
assert.equal(copied.uidMap.get(3), 3);
assert.ok(await client.messageDelete('4', { uid: true }));
const status = await client.status('Gwaith/Gŵyl', { messages: true, unseen: true, uidNext: true });
assert.deepEqual([status.messages, status.unseen, status.uidNext], [3, 1, 4]);
const put = await client.append('Gwaith/Gŵyl', 'Subject: by hand\r\n\r\nx\r\n', ['\\Flagged'], new Date(0));
assert.equal(put.uid, 4);

// A mail that comes while this one waits.
const came = new Promise((resolve) => client.on('exists', resolve));
assert.ok(client.capabilities.has('IDLE'));
const waiting = client.idle();
const transport = nodemailer.createTransport({
    host: '127.0.0.1', port: Number(SUBMISSIONS), secure: true, tls, auth: { user: LOGIN, pass: PASSWORD },
});
const sent = await transport.sendMail({
    from: { name: 'Ada', address: ADDRESS },
    to: [ADDRESS, 'b@elsewhere.example'],
    subject: 'Cyfarfod – the meeting',
    text: 'Nos yfory.\n.\nGŵyl.',
    html: '<p>Nos yfory.</p>',
    attachments: [{ filename: 'agenda.bin', content: Buffer.alloc(100_000, 7) }],
});
assert.deepEqual(sent.rejected, []);
const news = await came;
assert.equal(news.count, 38);
const newest = await client.fetchOne('*', { envelope: true, bodyStructure: true });
assert.equal(newest.envelope.subject, 'Cyfarfod – the meeting');
const file = newest.bodyStructure.childNodes.find((node) => node.disposition === 'attachment');
assert.equal(file.dispositionParameters.filename, 'agenda.bin');
const attached = await client.download('*', file.part);
let octets = 0;
for await (const chunk of attached.content) {
    assert.ok(chunk.every((octet) => octet === 7));
    octets += chunk.length;
}
assert.equal(octets, 100_000);
// The command behind it ended it.
await waiting;
await client.mailboxDelete('Gwaith/Gŵyl');
await client.logout();
console.log('all well');
