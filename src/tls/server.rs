//! The server side of TLS for the configuration in force: made anew when that changes.

use std::sync::Arc;

use rustls::ServerConfig;

use super::TlsError;
use crate::config::{Config, InForce};

/// What listeners show and ask for, under the configuration in force.
pub struct Server {
    in_force: InForce,
    config: Arc<Config>,
    made: Arc<ServerConfig>,
}

impl Server {
    /// For what is in force now.
    ///
    /// # Errors
    /// As [`super::server`].
    pub fn new(in_force: InForce) -> Result<Self, TlsError> {
        let config = in_force.snapshot();
        Ok(Self {
            made: super::server(&config)?,
            in_force,
            config,
        })
    }

    /// The configuration for the next connection, and its side of TLS.
    ///
    /// # Errors
    /// As [`super::server`].
    pub fn present(&mut self) -> Result<(Arc<Config>, Arc<ServerConfig>), TlsError> {
        let now = self.in_force.snapshot();
        if !Arc::ptr_eq(&now, &self.config) {
            self.made = super::server(&now)?;
            self.config = now;
        }
        Ok((Arc::clone(&self.config), Arc::clone(&self.made)))
    }
}
