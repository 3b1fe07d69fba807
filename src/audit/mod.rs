//! The Merkle logs: pure hashing, proofs and signed checkpoints. Knows no store and no vault.
