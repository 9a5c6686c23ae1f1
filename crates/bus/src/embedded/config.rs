//! Bounds of the embedded bus.

/// Settings of the embedded bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedConfig {
    /// How many activations may wait for one invoker. Default 10 000; at least 1.
    pub activations: usize,
    /// How many bytes of arguments the activations that wait for one invoker may have together. Default
    /// 256 MiB. One activation alone is taken whatever its size.
    pub activation_bytes: usize,
    /// How many acknowledgements may wait for one controller. Default 1024; at least 1.
    pub acknowledgements: usize,
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self {
            activations: 10_000,
            activation_bytes: 256 << 20,
            acknowledgements: 1024,
        }
    }
}
