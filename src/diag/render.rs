//! The only file that knows the terminal renderer.
