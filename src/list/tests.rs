//! Stories on a real store, with a clock that stands still and a courier who is driven by hand.
