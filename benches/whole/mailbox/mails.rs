//! Mails as a party gets them: 10 KB, some with a second form in HTML, with the header fields that mail collects on its way.

/// As long as each is, about.
const SIZE: usize = 10 * 1024;

/// Message `n`; no two are the same.
pub(crate) fn mail(n: usize) -> Vec<u8> {
    let mut mail = format!(
        "Return-Path: <person.{n}@elsewhere.example>\r\n\
         Received: from mx{hop}.elsewhere.example (mx{hop}.elsewhere.example [192.0.2.{hop}])\r\n\
         \tby mail.party.example with ESMTPS id {n:016x}; Sat, 21 Nov 2026 10:00:{second:02} +0000\r\n\
         Received: from desk.elsewhere.example by mx{hop}.elsewhere.example with ESMTPSA; Sat, 21 Nov 2026 09:59:58 +0000\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=elsewhere.example; s=2026; h=from:to:subject:date;\r\n\
         \tbh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=; b={n:064x}{n:064x}{n:064x}\r\n\
         From: \"Person Number {n}\" <person.{n}@elsewhere.example>\r\n\
         To: Ada Lovell <ada@party.example>, \"The Office\" <office@party.example>\r\n\
         Cc: someone.{cc}@elsewhere.example\r\n\
         Subject: Re: What about the side door of hall number {n}?\r\n\
         Date: Sat, 21 Nov 2026 09:59:{second:02} +0000\r\n\
         Message-ID: <{n}.5a1@elsewhere.example>\r\n\
         In-Reply-To: <{cc}.5a0@party.example>\r\nReferences: <{cc}.59f@party.example> <{cc}.5a0@party.example>\r\n\
         X-Mailer: Ordinary Mail 12.4\r\nMIME-Version: 1.0\r\n",
        hop = n % 200,
        second = n % 60,
        cc = n % 977,
    )
    .into_bytes();
    let line = format!(
        "The hall of {n} opens at nine, and there is a ramp at its side door, says Ann.\r\n"
    );
    let plain = |mail: &mut Vec<u8>, until: usize| {
        while mail.len() < until {
            mail.extend_from_slice(line.as_bytes());
        }
    };
    if n.is_multiple_of(2) {
        mail.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\n\r\n");
        plain(&mut mail, SIZE);
    } else {
        mail.extend_from_slice(
            b"Content-Type: multipart/alternative; boundary=\"--x-1\"\r\n\r\n----x-1\r\n\r\n",
        );
        plain(&mut mail, SIZE / 3);
        mail.extend_from_slice(
            b"\r\n----x-1\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>\r\n",
        );
        plain(&mut mail, SIZE);
        mail.extend_from_slice(b"</p>\r\n----x-1--\r\n");
    }
    mail
}
