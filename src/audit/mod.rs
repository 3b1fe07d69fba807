//! The Merkle logs: pure hashing, proofs and signed checkpoints.
//!
//! A log is a list of leaves that only grows. A leaf is SHA-256 over a random salt and the canonical bytes of an
//! event, so that it says nothing once both are erased, and the tree still verifies. The tree is that of RFC 9162
//! section 2.1. A signed checkpoint holds a log's size and root; kept elsewhere, it shows later that the log was
//! neither cut nor rewritten.
//!
//! Knows no store and no vault: leaves come in, roots and verdicts go out.

mod act;
mod canonical;
mod checkpoint;
mod frontier;
mod hash;
mod path;
mod proof;

pub use act::{Act, ActObject, check_reason};
pub use canonical::{NotCanonical, canonical};
pub use checkpoint::{
    Checkpoint, CheckpointError, Comparison, LogKind, SignedCheckpoint, Verdict, compare, cut_out,
};
pub use frontier::{BadFrontier, Frontier, root_of};
pub use hash::{Hash, Leaf, leaf_hash, leaf_input, node_hash};
pub use path::InclusionProofs;
pub use proof::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
