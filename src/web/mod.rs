//! The elector's pages.
