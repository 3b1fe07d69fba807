//! The sending side of SMTP.
