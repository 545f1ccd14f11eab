//! Behaviour through the public interface.
