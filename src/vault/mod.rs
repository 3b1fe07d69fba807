//! Keys: the root key, the key ring, sealing, indexes and tokens. Knows nobody.
