//! Mailings: accept, approve, expand, personalise, watch.
