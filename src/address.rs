//! E-mail addresses as Hustings holds and compares them.
