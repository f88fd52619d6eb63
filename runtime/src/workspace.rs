//! Workspaces: the deployment that serves each, what its functions share, and how much of the server it may use.

pub mod admission;
pub mod locks;
pub mod rate;
pub mod registry;
