//! What the programs of this room need to talk to a server from outside: where it is, who they are, its calls
//! and its sockets. It knows nothing of what is said.

pub mod credentials;
pub mod http;
pub mod socket;
pub mod target;
