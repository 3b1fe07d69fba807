//! Who gets in over TCP: the accept loop and the limits of every door. Ground: it knows no protocol.

pub mod admission;
mod connection;
pub mod listen;
mod load;
mod network;
mod pace;
mod subnet;
pub mod wire;

pub use connection::ConnectionId;
pub use load::{Load, Loads, Overload, Whose};
pub use network::Network;
pub use pace::Pace;
pub use subnet::{NotASubnet, Subnet};
