//! What the program `memory` tells the bench `token_endpoint`.
#![expect(clippy::disallowed_types, reason = "counting needs another allocator, and so a process")]

use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// The net bytes that the store of one server grows by.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Memory {
    /// For each rotation of one grant.
    pub per_rotation: f64,
    /// For each grant whose code was redeemed.
    pub per_grant: f64,
}

impl Memory {
    /// Notes what was measured.
    #[must_use]
    pub const fn new(per_rotation: f64, per_grant: f64) -> Self {
        Self { per_rotation, per_grant }
    }

    /// Runs the program and returns what it measured of this workspace, oauth-as and oxide-auth.
    #[must_use]
    pub fn measure(program: &str, grants: u32) -> [Self; 3] {
        let mut command = Command::new(program);
        let output = command.arg(grants.to_string()).stderr(Stdio::inherit()).output().expect("it runs");
        serde_json::from_slice(&output.stdout).expect("three measurements")
    }
}
