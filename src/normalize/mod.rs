//! Raw records to ECS values.
