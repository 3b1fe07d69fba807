//! The receiving side of SMTP.
